"""Every event is a sentence that a person understands."""

from datetime import timedelta
from typing import get_args

import pytest

from engine.actors.journal import decode_events
from engine.domain.audit.narrate import narrate, reason_of
from engine.domain.events import (
    DemandSet,
    DriftFound,
    Event,
    HoldCommitted,
    OversellRecorded,
    PushPlanned,
    PushSettled,
    SnapshotFused,
    StockConfirmed,
    StockCounted,
    TransferSent,
    ViolationFound,
)
from engine.domain.units import DocumentId, HoldId, Key, LineId, ListingId, OrderId, Sku
from tests.fakes.books import HERE, THERE, A
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP
from tests.golden.recording import FOLDER, read_frames

RECORDED = {
    type(event): event
    for path in sorted(FOLDER.glob("*.jsonl"))
    for frame in read_frames(path.stem)
    for event in decode_events(frame)
}
TERMS = (
    ("atp here", "7", "stock"),
    ("atp", "7", "sum over the account's locations"),
    ("share", "0.5", "default"),
    ("shared", "3", "atp x share, rounded down"),
    ("buffer", "0", "default"),
    ("cap", "none", "default"),
    ("offer", "3", "packs between floor and cap, never negative"),
)


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_kind_of_event_has_a_sentence(kind: type[Event]) -> None:
    said = narrate(RECORDED[kind])
    assert said
    assert not any(word in said for word in ("Struct", "(at=", "frozenset", "<", "None"))


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (
            StockConfirmed(
                at=START,
                key=Key("feed"),
                location=HERE,
                source="3pl",
                as_of=START,
                nets_open_orders=False,
                rows=((A, 3), (Sku("B"), 0)),
            ),
            "3pl has of 2 SKUs at here what the books had as of 2026-11-11 12:00:00 UTC",
        ),
        (
            SnapshotFused(
                at=START,
                key=Key("feed"),
                location=HERE,
                source="3pl",
                as_of=START,
                rows=40,
                falling=13,
                share_max=0.3,
                rows_min=10,
            ),
            "snapshot feed of 3pl at here was refused: 13 of 40 rows would fall to zero",
        ),
        (
            DemandSet(
                at=START,
                sku=A,
                account=SHOP,
                order_id=OrderId("77"),
                line_id=LineId("1"),
                committed=((HERE, 2), (THERE, 1)),
                shipped=((HERE, 4),),
            ),
            "order 77 of shop, line 1: 3 owed (2 from here and 1 from there), 4 shipped",
        ),
        (
            DemandSet(at=START, sku=A, account=SHOP, order_id=OrderId("77"), line_id=LineId("1")),
            "order 77 of shop, line 1: nothing is owed",
        ),
        (
            HoldCommitted(at=START, sku=A, hold_id=HoldId("h"), account=SHOP, order_id=OrderId("77"), owed=False),
            "hold h became order 77, whose lines claim the units already",
        ),
        (
            OversellRecorded(
                at=START, sku=A, units=2, open_units=5, account=SHOP, order_id=OrderId("77"), cause="lag", detail="late"
            ),
            "oversold by 2 by order 77 of shop (lag: late); 5 more promised than there is",
        ),
        (
            OversellRecorded(at=START, sku=A, units=0, open_units=1, account=None, order_id=None, cause="relieved"),
            "still 1 more promised than there is",
        ),
        (
            PushPlanned(
                at=START,
                account=SHOP,
                listing_id=ListingId("17"),
                sku=A,
                version=9,
                quantity=3,
                basis=1,
                terms=TERMS,
            ),
            "shop is told to show 3 on listing 17 (v9) because atp 7, share 0.5",
        ),
        (
            PushSettled(at=START, account=SHOP, listing_id=ListingId("17"), version=9, verdict="superseded"),
            "v9 it was not sent: a newer number is wanted",
        ),
        (
            DriftFound(at=START, account=SHOP, listing_id=ListingId("17"), version=9, shown=None, expected=3),
            "shop shows no number on listing 17 instead of 3 (v9)",
        ),
        (
            StockCounted(
                at=START,
                sku=A,
                key=Key("k"),
                location=HERE,
                counted=7,
                taken_at=START - timedelta(hours=1),
                expected=9,
                delta=-2,
                applied=False,
                on_hand=9,
            ),
            (
                "7 counted at here on 2026-11-11 11:00:00 UTC, 9 expected then: too far off by -2, "
                "a recount has to confirm it"
            ),
        ),
        (
            TransferSent(
                at=START,
                sku=A,
                transfer=DocumentId("T-1"),
                source=HERE,
                target=THERE,
                quantity=4,
                on_hand=1,
            ),
            "4 sent from here to there by transfer T-1",
        ),
        (
            ViolationFound(at=START, law="nothing is negative", sku=A, location=HERE, expected=0, found=-1),
            "the scanner found that this does not hold at here: nothing is negative (0 expected, -1 found)",
        ),
    ],
)
def test_a_sentence_says_who_what_and_why(event: Event, sentence: str) -> None:
    assert narrate(event) == sentence


def test_the_reason_of_a_number_leaves_out_what_changes_nothing() -> None:
    assert reason_of(TERMS) == "atp 7, share 0.5"
    assert reason_of(()) == ""
