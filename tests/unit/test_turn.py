"""A turn: owners that rest decide at once what one task brings, and nothing is told before it is durable."""

from typing import Any

import pytest
import structlog.testing
import trio
from prometheus_client import CollectorRegistry
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actors.messages import Request
from engine.actors.router import Waiter
from engine.domain.commands import Granted, PlaceHold, Refusal, ReleaseHold
from engine.domain.errors import AppendUnknown, Fenced
from engine.domain.events import HoldExpired, UnitsHeld
from engine.domain.units import DIRECT, HoldId, Sku
from engine.machines.untold import PLENTY_UNITS, TOLD_WITHIN
from ops.telemetry.metrics import Telemetry
from tests.fakes.books import BOTH, HERE, A, place_hold
from tests.fakes.clocks import START, HandClock, NoonClock
from tests.fakes.engine import Engine, is_answered, skus_apart
from tests.fakes.stores import QuickStore, SlowStore


def grant(engine: Engine, hold: str, sku: Sku = A, units: int = 1, seconds: float | None = None) -> UnitsHeld | None:
    """Ask for a plain hold in the turn that is open."""
    expires_at = place_hold(seconds=seconds, now=engine.router.turn.now).expires_at
    turn = engine.router.turn
    owned = turn.own(sku, DIRECT)
    if owned is None or not (owned.shard.stepping or turn.enter(owned.shard)):
        return None
    turn.decided += 1
    return owned.shard.grant_plain(owned, HoldId(hold), units, expires_at, BOTH)


def begin(engine: Engine) -> None:
    engine.router.turn.begin(engine.clock.now())


async def test_what_a_turn_grants_is_told_when_it_is_durable(autojump_clock: MockClock) -> None:
    """Law 2."""
    store = SlowStore()
    store.open()
    async with Engine(store).checked() as engine:
        await engine.stock(A=2)
        store.shut()
        told: list[int] = []
        begin(engine)
        held = grant(engine, "h")
        engine.router.turn.when_durable(lambda: told.append(engine.journal.position))
        engine.router.turn.end()
        assert held == UnitsHeld(
            at=START, sku=A, hold_id=HoldId("h"), parts=((HERE, 1),), expires_at=None, account=DIRECT
        )
        await wait_all_tasks_blocked()
        assert told == []
        store.open()
        await wait_all_tasks_blocked()
        assert told == [engine.journal.position]
        assert engine.events[-1] == (engine.journal.position, held)


async def test_on_a_quick_disk_a_turn_is_durable_when_it_ends(autojump_clock: MockClock) -> None:
    """One step from the read to the reply: no task is woken for it."""
    store = QuickStore()
    one, other = skus_apart(2)
    async with Engine(store, shards=2).checked() as engine:
        await engine.stock(**{one: 2, other: 2})
        frames = len(store.frames)
        told: list[str] = []
        begin(engine)
        assert grant(engine, "h", one) is not None
        assert grant(engine, "i", other) is not None
        waiter = Waiter()
        assert engine.router.begin(ReleaseHold(hold_id=HoldId("h")), waiter) is None
        engine.router.turn.when_durable(lambda: told.append("now"))
        assert (told, is_answered(waiter)) == ([], False)
        engine.router.turn.end()
        assert (told, is_answered(waiter)) == (["now"], True)
        assert len(store.frames) == frames + 1, "both shards' decisions share it"


async def test_a_command_is_decided_in_the_turn_or_through_the_inbox_alike(autojump_clock: MockClock) -> None:
    async with Engine(QuickStore()).checked() as engine:
        await engine.stock(A=1)
        answers: list[object] = []
        for name in ("h", "i"):
            waiter = Waiter()
            begin(engine)
            assert engine.router.begin(place_hold(name, seconds=None), waiter) is None
            engine.router.turn.end()
            assert is_answered(waiter)
            answers.append(await waiter.wait())
        assert isinstance(answers[0], Granted)
        assert answers[1] == Refusal(code="OUTOFSTOCK", text="sku=A requested=1 atp=0")
        assert await engine.ask(place_hold("i", seconds=None)) == answers[1]


async def test_a_shard_with_something_in_its_inbox_keeps_its_order(autojump_clock: MockClock) -> None:
    """What came first is decided first: the turn leaves that shard alone."""
    async with Engine(QuickStore()).checked() as engine:
        await engine.stock(A=1)
        first, second = Waiter(), Waiter()
        assert engine.router.begin(place_hold("first", seconds=None), first) is None
        begin(engine)
        assert grant(engine, "plain") is None
        assert engine.router.begin(place_hold("second", seconds=None), second) is None
        engine.router.turn.end()
        assert isinstance(await first.wait(), Granted)
        assert isinstance(await second.wait(), Refusal)
        assert engine.router.skus_of(HoldId("plain")) == ()


async def test_what_names_skus_of_several_shards_is_not_decided_in_a_turn(autojump_clock: MockClock) -> None:
    one, other = skus_apart(2)
    async with Engine(QuickStore(), shards=2).checked() as engine:
        await engine.stock(**{one: 1, other: 1})
        command = place_hold("h", (one, 1), (other, 1), seconds=None)
        begin(engine)
        assert not engine.router.turn.decide(Request(command, command.skus, None))
        engine.router.turn.end()
        assert isinstance(await engine.ask(command), Granted)


async def test_between_turns_nothing_is_decided_at_once(autojump_clock: MockClock) -> None:
    async with Engine(QuickStore()).running() as engine:
        await engine.stock(A=1)
        assert grant(engine, "before") is None
        begin(engine)
        engine.router.turn.end()
        assert grant(engine, "after") is None
    begin(engine)
    assert grant(engine, "no task") is None, "its owner does not run"


@pytest.mark.parametrize("known", ["held", "released", "refused"])
async def test_an_id_that_is_known_is_no_plain_hold(autojump_clock: MockClock, known: str) -> None:
    async with Engine(QuickStore()).checked() as engine:
        await engine.stock(A=2)
        first = await engine.ask(place_hold("h", (A, 9 if known == "refused" else 1), seconds=None))
        if known == "released":
            await engine.ask(ReleaseHold(hold_id=HoldId("h")))
        begin(engine)
        assert grant(engine, "h") is None
        assert grant(engine, "i", Sku("NONE")) is None
        engine.router.turn.end()
        repeat = await engine.ask(place_hold("h", (A, 9 if known == "refused" else 1), seconds=None))
        assert repeat == first


async def test_units_that_ran_out_are_free_in_the_turn_of_that_instant(autojump_clock: MockClock) -> None:
    """Lessons B10, B11: whether or not the shard's own task has come to it."""
    clock = HandClock()  # trio's time stands still: the shard sleeps on
    async with Engine(QuickStore(), clock=clock).checked() as engine:
        await engine.stock(A=1)
        begin(engine)
        assert grant(engine, "h", seconds=10) is not None
        engine.router.turn.end()
        clock.pass_seconds(9)
        begin(engine)
        assert grant(engine, "early") is None
        engine.router.turn.end()
        clock.pass_seconds(1)
        begin(engine)
        assert grant(engine, "late") is not None
        engine.router.turn.end()


async def test_a_shard_that_slept_wakes_when_a_hold_of_a_turn_runs_out(autojump_clock: MockClock) -> None:
    """It knew of nothing to wait for, then of something late, then of something sooner."""
    async with Engine(QuickStore()).checked() as engine:
        await engine.stock(A=2)
        await wait_all_tasks_blocked()
        for name, seconds in (("long", 100), ("short", 10)):
            begin(engine)
            assert grant(engine, name, seconds=seconds) is not None
            engine.router.turn.end()
        await trio.sleep(11)
        ended = [event.hold_id for _, event in engine.events if isinstance(event, HoldExpired)]
        assert ended == ["short"]
        await trio.sleep(90)
        assert [event.hold_id for _, event in engine.events if isinstance(event, HoldExpired)] == ["short", "long"]


async def test_what_runs_low_is_told_with_its_commit_and_what_does_not_within_a_moment(
    autojump_clock: MockClock,
) -> None:
    """Levels are told after a rest, then once for all plain holds of a while: the shard's own task sees to the last."""
    async with Engine(QuickStore()).checked() as engine:
        await engine.stock(A=PLENTY_UNITS + 3)
        await wait_all_tasks_blocked()
        engine.told.clear()

        def sell(name: str) -> list[int]:
            begin(engine)
            assert grant(engine, name) is not None
            engine.router.turn.end()
            return [units for each in engine.told for _, units in each.atp]

        at = engine.clock.now()
        assert sell("first") == [PLENTY_UNITS + 2]
        assert sell("next") == [PLENTY_UNITS + 2], "enough is left: it waits"
        assert sell("other") == [PLENTY_UNITS + 2]
        await trio.sleep(TOLD_WITHIN.total_seconds() - 0.001)
        assert len(engine.told) == 1
        await trio.sleep(0.002)
        assert len(engine.told) == 2
        last = engine.told[-1]
        assert (last.atp, last.position) == (((HERE, PLENTY_UNITS),), engine.journal.position)
        assert last.changed_at == at, "of the first hold that nobody was told of"
        assert sell("low")[2:] == [PLENTY_UNITS - 1]
        assert sell("lower")[2:] == [PLENTY_UNITS - 1, PLENTY_UNITS - 2]


async def test_levels_that_waited_are_told_when_they_are_durable(autojump_clock: MockClock) -> None:
    """Law 2: what the telling step sees may be on its way to the disk still."""
    store = SlowStore()
    store.open()
    async with Engine(store).checked() as engine:
        await engine.stock(A=1000)
        begin(engine)
        assert grant(engine, "first") is not None
        engine.router.turn.end()
        await wait_all_tasks_blocked()
        engine.told.clear()
        store.shut()
        begin(engine)
        assert grant(engine, "next") is not None
        engine.router.turn.end()
        await trio.sleep(10)
        assert engine.told == []
        store.open()
        await wait_all_tasks_blocked()
        assert [(each.atp, each.position) for each in engine.told] == [(((HERE, 998),), engine.journal.position)]


async def test_a_full_or_stalled_journal_takes_no_turn(autojump_clock: MockClock) -> None:
    store = QuickStore()
    async with Engine(store, entries_max=1).checked() as engine:
        await engine.stock(A=9)
        store.refuse("disk full")
        begin(engine)
        assert grant(engine, "first") is not None
        engine.router.turn.end()
        await trio.sleep(1)
        assert engine.journal.stalled == "disk full"
        begin(engine)
        assert grant(engine, "stalled") is None
        waiter = Waiter()
        assert engine.router.begin(place_hold("told", seconds=None), waiter) is None
        engine.router.turn.end()
        assert is_answered(waiter)
        assert str(await waiter.wait()).count("STALLED") == 1
        store.mend()
        await trio.sleep(1)
        begin(engine)
        assert grant(engine, "second") is not None
        assert grant(engine, "third") is not None
        assert not engine.journal.has_room or engine.journal.waiting_events == 0
        engine.router.turn.end()


async def test_what_a_quick_disk_refuses_is_tried_again_with_patience(autojump_clock: MockClock) -> None:
    store = QuickStore()
    async with Engine(store).checked() as engine:
        await engine.stock(A=2)
        told: list[str] = []
        store.refuse("disk full")
        for name in ("h", "i"):
            begin(engine)
            if grant(engine, name) is not None:
                engine.router.turn.when_durable(lambda name=name: told.append(name))  # type: ignore[misc]
            engine.router.turn.end()
        await trio.sleep(5)
        assert (engine.journal.stalled, told) == ("disk full", [])
        store.mend()
        await trio.sleep(1)
        assert told == ["h", "i"]


@pytest.mark.parametrize(
    "failure",
    [AppendUnknown("connection lost"), Fenced("the store", epoch=1, newest=2, owner="another")],
    ids=lambda failure: type(failure).__name__,
)
async def test_an_append_of_unknown_outcome_or_by_a_replaced_owner_in_a_turn_ends_the_journal(
    autojump_clock: MockClock, failure: Exception
) -> None:
    """As in its task: nobody is answered, and nothing more is written."""
    store = QuickStore()
    told: list[str] = []
    with pytest.RaisesGroup(type(failure)):
        async with Engine(store).running() as engine:
            await engine.stock(A=3)
            frames = len(store.frames)
            store.fault = lambda: failure
            begin(engine)
            assert grant(engine, "h") is not None
            engine.router.turn.when_durable(lambda: told.append("h"))
            engine.router.turn.end()
            store.mend()
            begin(engine)
            assert grant(engine, "i") is not None
            engine.router.turn.when_durable(lambda: told.append("i"))
            engine.router.turn.end()
            assert len(store.frames) == frames
            await trio.sleep(100)
    assert told == []
    assert len(store.frames) == frames


async def test_a_turn_that_is_full_says_so(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.actors.turn._DECIDED_MAX", 2)
    async with Engine(QuickStore()).running() as engine:
        await engine.stock(A=9)
        begin(engine)
        for name in ("h", "i"):
            assert not engine.router.turn.is_full
            assert grant(engine, name) is not None
        assert engine.router.turn.is_full
        engine.router.turn.end()
        begin(engine)
        assert not engine.router.turn.is_full
        engine.router.turn.end()


def test_a_plain_hold_is_counted_and_logged_as_its_command_is() -> None:
    """Both roads of a hold look the same from outside, canonical line included."""

    def heard(tell: Any) -> tuple[list[Any], str]:
        telemetry = Telemetry(CollectorRegistry(), clock=NoonClock(), log_commands=True)
        with structlog.testing.capture_logs() as logs:
            tell(telemetry)
        lines = telemetry.exposition().splitlines()
        return logs, "\n".join(line for line in lines if "decisions" in line or "book_events" in line)

    command: PlaceHold = place_hold("h", (A, 3), seconds=None)
    held = UnitsHeld(at=START, sku=A, hold_id=HoldId("h"), parts=((HERE, 3),), expires_at=None, account=DIRECT)
    answer = Granted(hold_id=HoldId("h"), expires_at=None, lines=((A, HERE, 3),))
    assert heard(lambda telemetry: telemetry.granted([held])) == heard(
        lambda telemetry: telemetry.decided(command, answer, [held])
    )
