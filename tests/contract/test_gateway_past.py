"""The past over REST: what reaches the daemon, over which connection, and how it comes back."""

from typing import Any

import httpx
import pytest

from tests.fakes.daemon import FakeDaemon, Refusal
from tests.fakes.gateway import problem

NOW = "2026-11-11T12:00:00Z"
LINE: dict[str, Any] = {
    "place": "7-1",
    "at": NOW,
    "kind": "units_held",
    "text": "hold h of direct took 1 from main, until it is ended",
    "account": "direct",
    "order": None,
    "hold": "h",
    "listing": None,
    "key": None,
    "reason": "",
    "by": "",
    "reference": "",
    "delta": 0,
    "on_hand": 10,
    "committed": 0,
    "reserved": 1,
    "atp": 9,
}
PAGE: dict[str, Any] = {"sku": "A-1", "lines": [LINE], "older": "7-1"}


def test_a_ledger_is_read_in_pages_and_windows(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("HISTORY", PAGE, PAGE)
    shown = api.get("/v1/history/a/b%20c/%C3%BC")
    assert (shown.status_code, shown.json()) == (200, PAGE | {"lines": [LINE]})
    options: dict[str, str | int] = {
        "from": "-2h",
        "to": "2026-11-11T12:00:00+08:00",
        "account": "shop",
        "before": "7-1",
        "limit": 3,
    }
    api.get("/v1/history/A-1", params=options)
    assert daemon.commands == [
        ("HISTORY", "a/b c/ü", "LIMIT", "50"),
        (
            *("HISTORY", "A-1", "FROM", "-2h", "TO", "2026-11-11T12:00:00+08:00"),
            *("ACCOUNT", "shop", "BEFORE", "7-1", "LIMIT", "3"),
        ),
    ]


def test_explain_goes_back_in_time(api: httpx.Client, daemon: FakeDaemon) -> None:
    then = {"sku": "A-1", "on_hand": 9, "as_of": NOW, "position": 7, "offers": []}
    daemon.script("EXPLAIN", then)
    told = api.get("/v1/explain/A-1", params={"account": "shop", "at": "2026-11-11T20:00:00+08:00"})
    assert (told.status_code, told.json()) == (200, then)
    assert daemon.commands == [("EXPLAIN", "A-1", "shop", "AT", "2026-11-11T20:00:00+08:00")]


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        ("NOSUCHSKU sku=A-1 did not exist then", 404),
        ("BADARG at='2099': is in the future", 422),
        ("BUSY 8 questions about the past wait already: ask again", 503),
        ("DAMAGED the journal cannot be read: frame 2 does not match its digest", 500),
        ("PUTAWAY j: frames 1 to 9 are needed and were put away: put a/b.gz back", 500),
    ],
)
def test_what_the_past_cannot_tell_is_a_problem(
    api: httpx.Client, daemon: FakeDaemon, refusal: str, status: int
) -> None:
    daemon.script("EXPLAIN", Refusal(refusal))
    problem(api.get("/v1/explain/A-1", params={"at": "2099"}), status, refusal.split(maxsplit=1)[0])


def test_a_long_answer_about_the_past_holds_up_no_question_about_now(api: httpx.Client, daemon: FakeDaemon) -> None:
    """Replies of one connection come in order, so the past has connections of its own."""
    daemon.silent.add("HISTORY")
    with pytest.raises(httpx.ReadTimeout):
        api.get("/v1/history/A-1", timeout=0.5)
    assert api.get("/v1/stock/A-1").status_code == 200
    assert api.get("/v1/explain/A-1").status_code == 200
