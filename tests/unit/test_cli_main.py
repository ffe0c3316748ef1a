"""The command as a whole: quick help, options in both places, commands before there is a daemon."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from config.schema import Settings
from ops.cli import processes
from ops.cli.main import SECTIONS, main

ROOT = Path(__file__).parents[2]
NAMES = [name for section in SECTIONS.values() for name in section]
CONFIG = '[[locations]]\nid = "berlin"\n'


def run(*words: str, env: dict[str, str] | None = None) -> Result:
    result = CliRunner().invoke(main, words, env=env)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_the_same_in_its_own_help(name: str) -> None:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    shown = next(section[name][1] for section in SECTIONS.values() if name in section)
    assert (command.help or "").startswith(shown.removesuffix("."))
    assert run(name, "--help").exit_code == 0


def test_help_imports_no_command_and_nothing_heavy() -> None:
    script = (
        "import sys, click.testing, ops.cli.main as m\n"
        "assert click.testing.CliRunner().invoke(m.main, ['--help']).exit_code == 0\n"
        "print([n for n in ('rich', 'redis', 'msgspec', 'trio', 'ops.cli.session') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_help_lists_every_command_by_section() -> None:
    said = run("--help").stdout
    assert all(f"\n  {name} " in said for name in NAMES)
    assert [line for line in said.splitlines() if line.endswith(":")] == [
        "Options:",
        "Set up:",
        "Run:",
        "Look:",
        "Act:",
        "Move:",
    ]


def test_a_misspelt_command_is_recognised() -> None:
    result = run("stauts")
    assert result.exit_code == 2
    assert "No such command 'stauts'; did you mean 'status'?" in result.stderr
    assert "No such command 'xyzzy'." in run("xyzzy").stderr


def test_the_version_is_told() -> None:
    assert run("--version").stdout.startswith("lastunit 0.")


@pytest.mark.parametrize("words", [("-c", "x.toml", "check-config"), ("check-config", "--config", "x.toml")])
def test_the_configuration_is_named_before_or_after_the_command(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "x.toml").write_text(CONFIG)
    assert run(*words).stdout == "x.toml: no problems (1 location, 0 accounts)\n"


def test_the_configuration_is_named_by_the_environment(folder: Path) -> None:
    (folder / "y.toml").write_text(CONFIG)
    assert run("check-config", env={"LASTUNIT_CONFIG": "y.toml"}).stdout.startswith("y.toml: no problems")


def test_every_problem_of_a_configuration_is_told_and_exit_code_two(folder: Path) -> None:
    (folder / "lastunit.toml").write_text("[node]\nshards = 0\nnam = 1\n")
    result = run("check-config")
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 3
    program = run("check-config", "--json")
    assert program.exit_code == 2
    assert len(json.loads(program.stdout)["problems"]) == 3


def test_notes_are_told_and_are_no_failure(folder: Path) -> None:
    account = '[[accounts]]\nchannel = "woocommerce"\nid = "s"\nlocations = ["berlin"]\nurl = "https://s.de"\n'
    secrets = "".join(f'{name} = "env:A"\n' for name in ("consumer_key", "consumer_secret", "webhook_secret"))
    (folder / "lastunit.toml").write_text(CONFIG + account + secrets)
    result = run("check-config", env={"A": "a"})
    assert result.exit_code == 0
    assert result.stderr.startswith("note: lastunit.toml: accounts[0].webhook_secret: no webhooks will come")
    assert len(json.loads(run("check-config", "--json", env={"A": "a"}).stdout)["notes"]) == 1


def test_no_daemon_says_where_it_was_looked_for_and_how_to_start_it(folder: Path) -> None:
    (folder / "lastunit.toml").write_text(CONFIG)
    result = run("status")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == (
        f"Error: no daemon at unix socket {folder}/data/lastunit.sock (No such file or directory)."
        " Start it with `lastunit run -c lastunit.toml`.\n"
    )


def test_what_init_writes_is_a_configuration_that_works(folder: Path) -> None:
    result = run("init", "shop")
    assert result.exit_code == 0
    assert "lastunit check-config" in result.stdout
    assert run("-c", "shop/lastunit.toml", "check-config").exit_code == 0
    files = ("--catalogue", "shop/catalogue.csv", "--stock", "shop/stock.csv", "--recipes", "shop/recipes.csv")
    checked = run("-c", "shop/lastunit.toml", "import", *files, "--dry-run")
    rows = "shop/catalogue.csv: 4 rows, shop/stock.csv: 3 rows, shop/recipes.csv: 2 rows"
    assert checked.stdout == f"{rows}; all good, nothing was sent\n"


def test_init_overwrites_only_when_told(folder: Path) -> None:
    (folder / "stock.csv").write_text("mine")
    result = run("init")
    assert result.exit_code == 2
    assert result.stderr == "stock.csv: is there already; --force overwrites it\n"
    assert (folder / "stock.csv").read_text() == "mine"
    assert not (folder / "lastunit.toml").exists()
    assert run("init", "--force").exit_code == 0
    assert (folder / "stock.csv").read_text().startswith("sku,location,on_hand\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str) -> None:
    assert f"_LASTUNIT_COMPLETE={shell}_complete" in run("completion", shell).stdout


def test_completion_knows_the_commands() -> None:
    env = {"_LASTUNIT_COMPLETE": "bash_complete", "COMP_WORDS": "lastunit st", "COMP_CWORD": "1"}
    result = CliRunner().invoke(main, [], env=env, prog_name="lastunit")
    assert result.stdout.split() == ["plain,store", "plain,status", "plain,stock"]


class Started:
    """Stands in for the heavy modules and keeps how they were called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[Any, ...]] = []
        monkeypatch.setattr(processes, "import_module", self._load)

    def _load(self, name: str) -> object:
        def call(*arguments: object, **options: object) -> int:
            self.calls.append((name, *arguments, options))
            return 7

        return SimpleNamespace(main=call, run_gateway=call, run_demo=call)


def test_run_hands_over_to_the_daemon_and_returns_its_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch)
    (folder / "lastunit.toml").write_text(CONFIG)
    assert run("run").exit_code == 7
    assert run("run", "--no-gateway").exit_code == 7
    for (name, settings, path, _), enabled in zip(started.calls, (True, False), strict=True):
        assert (name, path) == ("ops.daemon", Path("lastunit.toml"))
        assert isinstance(settings, Settings)
        assert settings.gateway.enabled is enabled


def test_gateway_needs_no_credentials_of_channels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch)
    account = '[[accounts]]\nchannel = "woocommerce"\nid = "s"\nlocations = ["berlin"]\nurl = "https://s.de"\n'
    (folder / "lastunit.toml").write_text(CONFIG + account + 'consumer_key = "env:NO"\nconsumer_secret = "env:NO"\n')
    assert run("run").exit_code == 2
    assert run("gateway").exit_code == 0
    assert [(call[0], call[2]) for call in started.calls] == [("ops.gateway.server", folder)]


def test_demo_passes_its_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    started = Started(monkeypatch)
    assert run("demo", "--seed", "3", "--seconds", "5", "--buffer", "none", "--json").exit_code == 7
    plan = {"seed": 3, "seconds": 5, "buffer": "none", "keep": False, "as_json": True}
    assert started.calls == [("ops.demo", plan)]
    assert run("demo", "--buffer", "some").exit_code == 2
