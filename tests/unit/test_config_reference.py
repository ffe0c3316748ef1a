"""The example file and the documentation say what the schema says."""

import re
from pathlib import Path

import msgspec
import pytest

from config.loader import load
from config.reference import REQUIRED, Option, render, sections
from config.schema import Account, Settings
from ops.rulefile import book_from

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "config" / "example.toml").read_text(encoding="utf-8")
_OPTION = re.compile(r"#?([a-z_]+) = (.+)")
_HEADER = re.compile(r"#?(\[.+\])")


def stated() -> dict[tuple[str, str], tuple[str, str]]:
    """Return default and example of each option of the example file, by table and name."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    header, default = "", ""
    for line in EXAMPLE.splitlines():
        if match := re.fullmatch(r"# (Required|Default: .+)\.", line):
            default = match[1].removeprefix("Default: ")
        elif match := _HEADER.fullmatch(line):
            header = match[1].replace("shop-de", "<account>").replace("MUG-BLUE", "<sku>")
            header = header.replace("Mugs", "<category>")
        elif match := _OPTION.fullmatch(line):
            found.setdefault((header, match[1]), (REQUIRED if default == "Required" else default, match[2]))
    return found


def options() -> dict[tuple[str, str], Option]:
    return {(section.header, option.name): option for section in sections() for option in section.options}


def test_the_documentation_is_up_to_date() -> None:
    """Else: python -m config.reference > docs/configuration.md."""
    assert (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8") == render()


def test_every_option_says_what_it_does() -> None:
    assert [name for name, option in options().items() if not option.effect] == []


def test_the_example_shows_every_option_with_its_default() -> None:
    assert {name: default for name, (default, _) in stated().items()} == {
        name: option.default for name, option in options().items()
    }


def test_examples_are_not_the_default() -> None:
    same = [name for name, (default, example) in stated().items() if default == example]
    assert same == []


def uncommented() -> str:
    return re.sub(r"^#(?=\[|[a-z_]+ = )", "", EXAMPLE, flags=re.MULTILINE)


def test_the_example_loads_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(EXAMPLE, encoding="utf-8")
    assert load(tmp_path / "example.toml", environ={}).settings.accounts == ()


def test_the_example_loads_with_every_option_set(tmp_path: Path) -> None:
    (tmp_path / "example.toml").write_text(uncommented(), encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "shop-de").write_text("cs_1\n", encoding="utf-8")
    (tmp_path / "secrets" / "shop-de").chmod(0o600)
    names = re.findall(r"env:(\w+)", uncommented())
    loaded = load(tmp_path / "example.toml", environ={name: f"https://{name.lower()}" for name in names})
    assert loaded.notes == ()
    rule = loaded.settings.offers.skus["MUG-BLUE"]
    assert (rule.share, rule.buffer, rule.cap, rule.floor) == (1.0, 0, 100, 10)
    assert book_from(loaded.settings.offers).windows[0].name == "11.11"


@pytest.mark.parametrize("name", ["lastunit.toml"])
def test_the_sample_of_init_loads_as_it_is_and_with_every_option_set(tmp_path: Path, name: str) -> None:
    sample = (ROOT / "config" / "samples" / name).read_text(encoding="utf-8")
    path = tmp_path / name
    path.write_text(sample, encoding="utf-8")
    assert load(path, environ={}).settings.accounts == ()
    path.write_text(re.sub(r"^#(?=\S)", "", sample, flags=re.MULTILINE), encoding="utf-8")
    environ = {key: key.lower() for key in re.findall(r"env:(\w+)", sample)}
    account = load(path, environ=environ).settings.accounts[0]
    assert (account.id, account.mode) == ("shop", "shadow")


def test_the_walk_covers_every_kind_of_option() -> None:
    assert {field.name for field in msgspec.structs.fields(Settings)} <= set(
        re.findall(r"[a-z]+", " ".join(section.header for section in sections()))
    )
    assert len(options()) > len(msgspec.structs.fields(Account))
