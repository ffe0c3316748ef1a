"""`lastunit replay` as people and programs call it, on a journal in a file."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from click.testing import CliRunner, Result

from adapters.store.memory import MemoryStore
from adapters.store.sqlite import open_store
from config.loader import NO_SECRETS, load
from ops.bystander import build_bystander
from ops.cli.main import main
from ops.clock import SteadyClock
from ops.recovery import catch_up
from ops.snapshots.taking import open_snapshots, take
from tests.fakes.books import A
from tests.fakes.clocks import START
from tests.fakes.written import Writing

CONFIG = """
[node]
data = "data"
[[locations]]
id = "here"
[[locations]]
id = "there"
""" + "".join(
    f"""
[[accounts]]
channel = "woocommerce"
id = "{name}"
url = "https://{name}.example"
consumer_key = "env:NOT_NEEDED"
consumer_secret = "env:NOT_NEEDED"
locations = ["here", "there"]
"""
    for name in ("shop", "market")
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lastunit.toml").write_text(CONFIG)
    (tmp_path / "data").mkdir()
    return tmp_path


def write(folder: Path, tell: Callable[[Writing], object] = lambda _: None) -> Writing:
    """Put a journal into the configured store: two pushes, and what `tell` adds."""

    async def put() -> Writing:
        journal = Writing()
        journal.push()
        journal.receive(A, -40)
        journal.push()
        tell(journal)
        store = await open_store(folder / "data" / "journal.sqlite3")
        await store.claim("test")
        for frame in journal.frames:
            await store.append(frame)
        await store.aclose()
        return journal

    return trio.run(put)


def keep_snapshot(journal: Writing, position: int) -> None:
    """Keep what a daemon says of itself that stops there."""

    async def keep() -> None:
        settings = load(Path("lastunit.toml"), secrets=NO_SECRETS).settings
        node, last = build_bystander(settings, SteadyClock()), journal.frames[position - 1]
        await catch_up(node, MemoryStore(journal.frames), until=position)
        await take(node, last, last.written_at, "live", open_snapshots(settings))

    trio.run(keep)


def run(*words: str) -> Result:
    result = CliRunner().invoke(main, ["replay", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def found(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_says_what_the_journal_comes_to(folder: Path) -> None:
    journal = write(folder)
    said = run().stdout
    assert f"replayed to frame {len(journal.frames)}, " in said
    assert "push_planned" in said
    assert "books" in said
    answer = found()
    assert answer["kinds"]["push_planned"] == 2
    assert answer["frames"] == answer["position"] == len(journal.frames)
    assert "books" in answer["sections"]
    assert answer["offers"] is None


def test_stops_behind_a_frame_or_at_a_time(folder: Path) -> None:
    journal = write(folder)
    assert found("--until", "4")["position"] == 4
    assert found("--until", (START + timedelta(seconds=4)).isoformat())["position"] == 5
    assert found("--until", "2026-12-01T00:00:00Z")["position"] == len(journal.frames)


def test_proves_the_journal_and_says_how_much_of_it(folder: Path) -> None:
    journal = write(folder)
    said = run("--verify").stdout
    assert "Nothing differs." in said
    assert "No daemon has said anything of itself on the way" in said
    keep_snapshot(journal, 7)
    said = run("--verify").stdout
    assert "snapshot of frame 7, live" in said
    assert "No daemon" not in said
    answer = found("--verify")
    assert (answer["offers"]["pushes"], answer["offers"]["proved"]) == (2, 2)
    assert [each["position"] for each in answer["state"]["snapshots"]] == [7]


def test_a_difference_is_named_and_is_exit_code_one(folder: Path) -> None:
    write(folder, lambda journal: journal.write(msgspec.structs.replace(journal.plan(), quantity=61)))
    result = run("--verify")
    assert result.exit_code == 1
    assert "0 differences of state, 1 of pushes" in result.stdout
    assert "the offer is 60, and 61 was pushed" in result.stdout


def test_begins_with_a_snapshot(folder: Path) -> None:
    journal = write(folder)
    result = run("--from-snapshot")
    assert (result.exit_code, "there is none at all" in result.stderr) == (1, True)
    keep_snapshot(journal, 5)
    assert found("--from-snapshot")["began"] == 5
    assert found("--from-snapshot", "--until", "6")["frames"] == 1
    assert found("--from-snapshot")["sections"] == found()["sections"]
    assert run("--from-snapshot", "4").exit_code == 1
    assert run("--from-snapshot", "soon").exit_code == 2


def test_tries_other_rules_on_the_past(folder: Path) -> None:
    write(folder)
    (folder / "rules.toml").write_text("[offers.default]\ncap = 60\n")
    answer = found("--rules", "rules.toml")["what_if"]
    assert answer["accounts"]["shop"]["different"] == 1
    assert answer["rules"] == {"shop: cap, default v1": 1}
    said = run("--rules", "rules.toml", "--since", START.isoformat()).stdout
    assert "shop: cap, default v1" in said
    assert "What this cannot know" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "-1d"], "--since goes with --rules"),
        (["--rules", "bad.toml"], "nothing"),
        (["--rules", "wrong.toml"], "nobody"),
        (["--until", "soon"], "--until soon"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder: Path, words: list[str], said: str) -> None:
    write(folder)
    (folder / "bad.toml").write_text("[offers.default]\nnothing = 60\n")
    (folder / "wrong.toml").write_text("[offers.accounts.nobody]\ncap = 60\n")
    result = run(*words)
    assert result.exit_code == 2
    assert said in result.stderr
