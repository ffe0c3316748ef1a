"""`lastunit rules`: files in, versions out, and a preview that a person can judge."""

import json
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.units import AccountId, Sku
from ops.cli.errors import Refusal
from ops.cli.invocation import Invocation
from ops.cli.main import main
from ops.cli.rules import as_toml, read_rules
from tests.fakes.client import FakeClient

BOOK = '{"default":{"buffer":2,"quotas":{"shop":4}},"skus":{"A 1":{"cap":3}}}'
FILE = """
[offers.default]
buffer_percent = 10

[[offers.windows]]
name = "11.11"
starts_at = 2026-11-11T00:00:00+08:00
ends_at = 2026-11-12T00:00:00Z
"""
VERSION = {
    "version": 3,
    "at": "2026-11-11T12:00:00.000000Z",
    "by": "ann",
    "note": None,
    "source": "command",
    "rules_set": 2,
}
PREVIEW = {
    "version": 3,
    "listings": 12,
    "changed": 3,
    "raised": 1,
    "lowered": 2,
    "to_zero": 1,
    "from_zero": 0,
    "accounts": [{"account": "shop", "changed": 3}],
    "warnings": ["1 of 4 listings on sale would fall to zero"],
    "notes": ["skus.Z: no SKU has this code yet"],
    "rows": [
        {"account": "shop", "listing": "product:1", "sku": "A", "from": 2, "to": 0, "because": "buffer: 0 -> 2"},
    ],
}
ANSWERS = {
    "RULES SHOW": {**VERSION, "in_force": 3, "offers_left": 0, "rules": BOOK},
    "RULES HISTORY": [VERSION],
    "RULES PREVIEW": PREVIEW,
    "RULES SET": {**VERSION, "version": 4},
}


def run(*words: str, **changes: object) -> tuple[Result, FakeClient]:
    client = FakeClient(ANSWERS | {command.replace("_", " "): answer for command, answer in changes.items()})
    result = CliRunner().invoke(main, ["rules", *words], obj=Invocation(connect=lambda: client))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_the_rules_in_force_are_shown_as_a_file_that_can_be_edited() -> None:
    result, _ = run()
    assert result.exit_code == 0
    head, _, body = result.stdout.partition("\n\n")
    assert "3 (in force)" in head
    assert "ann" in head
    assert tomllib.loads(body) == json.loads(BOOK)
    assert json.loads(run("--json")[0].stdout)["rules"] == json.loads(BOOK)


def test_an_older_version_says_so_and_a_walk_under_way_is_told() -> None:
    shown = {**VERSION, "version": 2, "in_force": 3, "offers_left": 40, "rules": "{}"}
    result, client = run("show", "2", RULES_SHOW=shown)
    assert client.said == [("RULES", "SHOW", "2")]
    assert "2 (version 3 is in force)" in result.stdout
    assert "40 offers are still to be computed" in result.stdout
    assert "# no rule" in result.stdout


def test_a_preview_says_what_would_change_what_looks_wrong_and_what_is_left_out(file: Path) -> None:
    result, client = run("preview", str(file), "--limit", "1")
    assert result.exit_code == 0
    assert "3 of 12 listings would change: 1 up, 2 down, 1 to zero, 0 from zero." in result.stdout
    assert "Careful: 1 of 4 listings on sale would fall to zero" in result.stdout
    assert "Note: skus.Z: no SKU has this code yet" in result.stdout
    assert "product:1" in result.stdout
    assert "... and 2 more: --limit" in result.stdout
    (said,) = client.said
    assert said[:2] == ("RULES", "PREVIEW")
    assert said[3:] == ("LIMIT", "1")
    sent = msgspec.json.decode(str(said[2]), type=RuleBook)
    assert sent.default == OfferTerms(buffer_percent=10)
    assert sent.windows[0].starts_at.isoformat() == "2026-11-11T00:00:00+08:00"


def test_applying_a_file_says_which_version_it_became(file: Path) -> None:
    result, client = run("apply", str(file), "--note", "11.11", "--by", "ann")
    assert result.stdout == "version 4 is in force\n"
    assert client.said[0][:2] == ("RULES", "SET")
    assert client.said[0][3:] == ("NOTE", "11.11", "BY", "ann")
    assert json.loads(run("apply", str(file), "--json")[0].stdout)["version"] == 4


def test_a_refused_file_is_exit_code_one_with_the_reason(file: Path) -> None:
    refusal = Refusal("BADARG", "rules: accounts.shp: no account has the id 'shp' (known: shop)")
    result, _ = run("apply", str(file), RULES_SET=refusal)
    assert result.exit_code == 1
    assert "no account has the id 'shp'" in result.stderr


def test_going_back_sets_the_old_book_anew() -> None:
    _, client = run("revert", "2")
    assert client.said == [("RULES", "SHOW", "2"), ("RULES", "SET", BOOK, "NOTE", "back to version 2")]


def test_the_history_is_a_table() -> None:
    assert run("history")[0].stdout.splitlines()[1].split()[:2] == ["3", "2026-11-11"]
    assert json.loads(run("history", "--json")[0].stdout) == [VERSION]


def test_a_file_that_is_no_toml_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[offers", encoding="utf-8")
    result, client = run("apply", str(path))
    assert result.exit_code == 2
    assert str(path) in result.stderr
    assert client.said == []


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
RULES = st.builds(
    OfferTerms,
    share=st.none() | st.sampled_from([0, 0.25, 1]),
    buffer=st.none() | st.integers(0, 9),
    quotas=st.none() | st.dictionaries(NAMES.map(AccountId), st.integers(0, 9), min_size=1),
    view=st.none() | st.sampled_from(["real_time", "buffered"]),
    last_units=st.none() | st.booleans(),
)


@given(default=RULES, skus=st.dictionaries(NAMES.map(Sku), RULES), categories=st.dictionaries(NAMES, RULES))
def test_what_is_shown_is_the_book_that_was_set(
    default: OfferTerms, skus: dict[Sku, OfferTerms], categories: dict[str, OfferTerms]
) -> None:
    """Law: a shown book, applied again, is the same book. A rule that sets nothing need not come back."""
    written = {name: terms for name, terms in skus.items() if terms != OfferTerms()}
    named = {name: terms for name, terms in categories.items() if terms != OfferTerms()}
    book = RuleBook(default=default, skus=written, categories=named)
    shown = as_toml(json.loads(msgspec.json.encode(book)))
    assert msgspec.convert(tomllib.loads(shown), RuleBook) == book


def test_a_configuration_and_a_file_of_its_offers_alone_are_read_alike(tmp_path: Path) -> None:
    whole, part = tmp_path / "lastunit.toml", tmp_path / "offers.toml"
    whole.write_text(FILE, encoding="utf-8")
    part.write_text(FILE.replace("offers.", ""), encoding="utf-8")
    assert read_rules(whole) == read_rules(part)
