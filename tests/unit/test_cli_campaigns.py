"""`lastunit campaign`: what is said to the daemon, and what a person sees of it. Lesson I3: typed in once."""

import json

import pytest
from click.testing import CliRunner, Result

from ops.cli.errors import Refusal
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.client import FakeClient

CAMPAIGN: dict[str, object] = {
    "campaign": "11.11",
    "account": "shop",
    "sku": "A",
    "listing": None,
    "phase": "running",
    "quota": 120,
    "sold": 31,
    "remainder": 89,
    "lock": "increase_only",
    "starts_at": "2026-11-10T16:00:00.000000Z",
    "ends_at": "2026-11-11T16:00:00.000000Z",
    "returns_at": "2026-11-12T16:00:00.000000Z",
    "returned_at": None,
    "returned_by": None,
    "shown": None,
    "by": "ann",
    "note": None,
}
SET = "set 11.11 shop A 120 --from 2026-11-11T00:00:00+08:00 --to 2026-11-12T00:00:00+08:00"
SAID = "FROM 2026-11-11T00:00:00+08:00 TO 2026-11-12T00:00:00+08:00"


def run(words: str, answer: object = CAMPAIGN) -> tuple[Result, FakeClient]:
    client = FakeClient({"CAMPAIGN": answer})
    result = CliRunner().invoke(main, ["campaign", *words.split()], obj=Invocation(connect=lambda: client))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, client


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("show 11.11", "CAMPAIGN GET 11.11"),
        (SET, f"CAMPAIGN SET 11.11 shop A 120 {SAID} LOCK open RETURN 24"),
        (
            f"{SET} --lock increase_only --listing 17 --return-hours 48 --note agreed --by ann",
            f"CAMPAIGN SET 11.11 shop A 120 {SAID} LOCK increase_only LISTING 17 RETURN 48 NOTE agreed BY ann",
        ),
        ("end 11.11 --note off --by ann", "CAMPAIGN END 11.11 NOTE off BY ann"),
        ("return 11.11", "CAMPAIGN RETURN 11.11"),
    ],
)
def test_each_verb_says_its_command_and_shows_the_campaign(words: str, said: str) -> None:
    result, client = run(words)
    assert [" ".join(map(str, each)) for each in client.said] == [said]
    assert result.exit_code == 0
    facts = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert (facts["phase"], facts["remainder"], facts["campaign"]) == ("running", "89", "11.11")
    assert json.loads(run(f"{words} --json")[0].stdout) == CAMPAIGN


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "CAMPAIGN LIST OPEN LIMIT 50"),
        ("list --limit 3", "CAMPAIGN LIST OPEN LIMIT 3"),
        ("list --all", "CAMPAIGN LIST ALL LIMIT 50"),
    ],
)
def test_the_list_is_a_table_of_those_that_are_not_over_unless_all_are_wanted(words: str, said: str) -> None:
    result, client = run(words, [CAMPAIGN])
    assert [" ".join(map(str, each)) for each in client.said] == [said]
    head, row = result.stdout.splitlines()
    assert head.split()[:6] == ["campaign", "account", "sku", "phase", "quota", "sold"]
    assert row.split()[:7] == ["11.11", "shop", "A", "running", "120", "31", "89"]
    assert "listing" not in head, "a column that nobody fills is left out"
    assert json.loads(run(f"{words or 'list'} --json", [CAMPAIGN])[0].stdout) == [CAMPAIGN]


def test_no_campaign_is_said_in_words() -> None:
    assert run("", [])[0].stdout == "No campaign is planned, running or returning.\n"
    assert run("list --all", [])[0].stdout == "There never was a campaign.\n"


@pytest.mark.parametrize(
    ("words", "refusal", "hint"),
    [
        ("show 9.9", Refusal("NOSUCHCAMPAIGN", "campaign=9.9"), "`lastunit campaign list --all` shows the campaigns."),
        (
            "return 11.11",
            Refusal("RUNNING", "campaign=11.11 ends at 2026-11-11T16:00:00+00:00: end it first"),
            "`lastunit campaign end` ends it before its time.",
        ),
    ],
)
def test_a_refusal_is_exit_code_one_with_its_reason_and_what_to_do(words: str, refusal: Refusal, hint: str) -> None:
    result, _ = run(words, refusal)
    assert result.exit_code == 1
    assert str(refusal.text) in result.stderr
    assert hint in result.stderr


@pytest.mark.parametrize("words", ["set 11.11 shop A 120", f"{SET} --lock shut", f"{SET} --return-hours -1"])
def test_what_cannot_be_meant_is_exit_code_two_and_nothing_is_said(words: str) -> None:
    result, client = run(words)
    assert result.exit_code == 2
    assert client.said == []
