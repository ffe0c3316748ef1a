"""A plain hold has one decision, whichever road it comes by: equal events, answers and books, for all histories."""

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import trio
from hypothesis import event, given, settings
from hypothesis import strategies as st

from adapters.store.memory import MemoryStore
from engine.actors.journal import decode_events
from engine.actors.turn import Turn
from engine.domain.commands import PlaceHold
from engine.domain.events import BookEvent, UnitsHeld
from engine.domain.stock import holds
from engine.domain.stock.ledger import handle
from engine.domain.stock.plain import hold_plain
from engine.domain.units import DIRECT, AccountId, HoldId, LocationId
from ops.socket.plain import PlainHolds
from tests.fakes.books import BOTH, THERE, A, B, Shelf
from tests.fakes.clocks import HandClock
from tests.fakes.served import serving
from tests.fakes.stores import QuickStore

IDS = st.sampled_from(("h0", "h1", "h2", "h3"))
PLACES = st.sampled_from(BOTH)
SKUS = st.sampled_from((A, B))
UNITS = st.integers(1, 4)
SECONDS = st.one_of(st.none(), st.integers(1, 5))

HISTORIES = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), SKUS, UNITS, PLACES),
        st.tuples(st.just("adjust"), st.integers(-4, 4).filter(bool), PLACES),
        st.tuples(st.just("hold"), IDS, SKUS, UNITS, SECONDS, st.one_of(st.none(), PLACES)),
        st.tuples(st.just("hold_both"), IDS, UNITS, UNITS),
        st.tuples(st.just("commit"), IDS),
        st.tuples(st.just("release"), IDS),
        st.tuples(st.just("record"), st.integers(0, 6)),
        st.tuples(st.just("wait"), st.integers(1, 4)),
        st.tuples(st.just("retire"), st.booleans()),
    ),
    max_size=14,
)


def shelf_after(history: Sequence[tuple[Any, ...]], stock: tuple[int, int]) -> Shelf:
    """Return a shelf to which all of this has happened, first of it some stock at both places."""
    shelf = Shelf()
    for place, units in zip(BOTH, stock, strict=True):
        if units:
            shelf.receive(A, units, place)
    for number, (what, *how) in enumerate(history):
        match what, how:
            case "receive", (sku, units, place):
                shelf.receive(sku, units, place)
            case "adjust", (delta, place):
                shelf.adjust(delta, location=place, key=f"k{number}")
            case "hold", (hold, sku, units, seconds, place):
                shelf.hold(hold, (sku, units), seconds=seconds, at=place)
            case "hold_both", (hold, units, more):
                shelf.hold(hold, (A, units), (B, more))
            case "commit", (hold,):
                shelf.commit(hold)
            case "release", (hold,):
                shelf.release(hold)
            case "record", (units,):
                shelf.record(units)
            case "wait", (seconds,):
                shelf.wait(seconds)
            case "retire", (retired,):
                shelf.book().retired = retired
    return shelf


@settings(max_examples=400, deadline=None)
@given(
    history=HISTORIES,
    stock=st.tuples(st.integers(0, 8), st.integers(0, 8)),
    hold=st.sampled_from(("h0", "h1", "new")),
    units=UNITS,
    seconds=SECONDS,
    locations=st.permutations(BOTH),
    account=st.sampled_from((DIRECT, AccountId("shop"))),
)
def test_a_plain_hold_is_decided_and_applied_as_the_general_rule_does_it(
    history: list[tuple[Any, ...]],
    stock: tuple[int, int],
    hold: str,
    units: int,
    seconds: int | None,
    locations: list[LocationId],
    account: AccountId,
) -> None:
    """The rule for all holds, on a shelf of the same past, is the measure."""
    quick, slow = shelf_after(history, stock), shelf_after(history, stock)
    now = quick.now
    expires_at = None if seconds is None else now + timedelta(seconds=seconds)
    command = PlaceHold(
        hold_id=HoldId(hold), lines=((A, units),), expires_at=expires_at, account=account, locations=tuple(locations)
    )
    if command.hold_id in quick._skus:
        return  # the directory knows the id: no plain hold
    lapsed = quick.ledgers[A].lapse(now)
    handled = handle(slow.ledgers.__getitem__, command, (A,), now)
    granted = hold_plain(quick.book(), command.hold_id, units, expires_at, account, locations, now)
    event("granted" if granted is not None else type(handled.answer).__name__)
    if granted is None:
        return  # the general rule decides, and did
    held, left = granted
    quick.ledgers[A].note_grants((held,))
    assert left == quick.book().atp_at(held.parts[0][0])
    assert [*lapsed, held] == handled.events
    assert holds._granted((held,)) == handled.answer
    assert quick.book() == slow.book()
    assert sorted(quick.ledgers[A].dues()) == sorted(slow.ledgers[A].dues())


def test_what_is_plain_is_granted_by_the_short_cut() -> None:
    """Else the law above would hold of nothing."""
    shelf = Shelf(A=5)
    shelf.receive(A, 5, THERE)

    def is_plain(units: int = 1) -> bool:
        hold_id = HoldId(f"h{len(shelf.book().holds)}")
        return hold_plain(shelf.book(), hold_id, units, None, DIRECT, BOTH, shelf.now) is not None

    assert is_plain()
    assert is_plain(5)
    assert not is_plain(6), "no one place has them"
    shelf.book().retired = True
    assert not is_plain()
    shelf.book().retired = False
    shelf.record(12)
    assert not is_plain(), "the SKU is oversold"


# -- over the socket


Word = str
COMMANDS = st.one_of(
    st.tuples(st.just("HOLD"), IDS, st.sampled_from(("60", "NEVER", "0", "x")), st.sampled_from(("A-1", "B-2", "NO")),
              st.sampled_from(("1", "2", "9", "0"))),
    st.tuples(st.just("HOLD"), st.sampled_from(("h4", "h5", "h6")), st.just("60"), st.just("A-1"), st.just("1")),
    st.tuples(st.just("HOLD"), IDS, st.just("60"), st.just("A-1"), st.just("1"), st.just("B-2"), st.just("1")),
    st.tuples(st.just("HOLD"), IDS, st.just("60"), st.just("A-1"), st.just("1"), st.just("AT"), st.just("berlin")),
    st.tuples(st.just("COMMIT"), IDS),
    st.tuples(st.just("RELEASE"), IDS),
    st.tuples(st.just("LOOKUP"), IDS),
    st.tuples(st.just("STOCK"), st.sampled_from(("A-1", "B-2"))),
    st.tuples(st.just("HELLO"), st.sampled_from(("2", "3"))),
)  # fmt: skip


def is_reused(pipelines: Sequence[Sequence[tuple[Word, ...]]]) -> bool:
    """Whether an id asks for a SKU that does not exist and for one that does: who is first there is open in inboxes."""
    asked = [words for pipeline in pipelines for words in pipeline if words[0] == "HOLD"]
    vain = {words[1] for words in asked if words[3] == "NO"}
    return any(words[1] in vain and words[3] != "NO" for words in asked)


async def serve(
    pipelines: Sequence[Sequence[tuple[Word, ...]]], store: MemoryStore, folder: Path
) -> tuple[list[str], dict[str, list[BookEvent]]]:
    """Send each pipeline in one go; return the replies in order, and what happened to each SKU."""
    clock = HandClock()
    async with serving(folder, store, clock=clock, stock={"A-1": 6, "B-2": 6}) as served:
        wire = await served.connect()
        replies: list[str] = []
        for pipeline in pipelines:
            replies += [_text(reply) for reply in await wire.pipeline(pipeline)]
            clock.pass_seconds(7)
    events: dict[str, list[BookEvent]] = {}
    for frame in store.frames:
        for each in decode_events(frame):
            if isinstance(each, BookEvent):
                events.setdefault(each.sku, []).append(each)
    return replies, events


def _text(reply: object) -> str:
    """What a conflict was with is told in less detail by a shard that does not own that SKU."""
    return str(reply).partition(" was asked for ")[0] if isinstance(reply, Exception) else repr(reply)


@settings(max_examples=40, deadline=None)
@given(pipelines=st.lists(st.lists(COMMANDS, min_size=1, max_size=12), min_size=1, max_size=4), quick=st.booleans())
def test_every_road_over_the_socket_gives_equal_answers_and_events(
    pipelines: list[list[tuple[Word, ...]]], quick: bool
) -> None:
    """Granted with the read; decided in the turn; through the inbox: one client cannot tell them apart."""

    def store() -> MemoryStore:
        return QuickStore() if quick else MemoryStore()

    with tempfile.TemporaryDirectory() as folder:
        plain = trio.run(serve, pipelines, store(), Path(folder))
        with mock.patch.object(PlainHolds, "grant", return_value=(0, b"")):
            in_turn = trio.run(serve, pipelines, store(), Path(folder))
            assert plain == in_turn
            if not is_reused(pipelines):
                with mock.patch.object(Turn, "decide", return_value=False):
                    assert plain == trio.run(serve, pipelines, store(), Path(folder))
    event(f"{sum(isinstance(each, UnitsHeld) for found in plain[1].values() for each in found)} holds")
