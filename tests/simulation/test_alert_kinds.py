"""Every kind of alert through its life in a whole node: raised, found again, acknowledged, a restart, over."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any, NamedTuple

import pytest
import trio
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from engine.actors.journal import decode_events
from engine.domain.alerts import AlertKind
from engine.domain.audit.laws import PLACES
from engine.domain.catalogue.recipes import Recipe
from engine.domain.commands import Adjust, Count, Moved, Observe, Observed, Receive, Refusal, TakeSnapshot
from engine.domain.events import BookEvent, SnapshotFused
from engine.domain.units import Key, LocationId, Sku
from engine.machines.alerts.alerts import Alert
from tests.fakes.alerts import FakeNotifier
from tests.fakes.clocks import NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.lives import Disk, Life, living, settings, told
from tests.fakes.orders import SHOP

A, B, KIT = Sku("A"), Sku("B"), Sku("KIT")
BERLIN, NOWHERE = LocationId("berlin"), LocationId("nowhere")
LONG = 1000.0
"""Longer than any alert takes to ripen."""

Step = Callable[[Life], Awaitable[None]]


class Kind(NamedTuple):
    """How an alert of a kind comes about and ends."""

    kind: AlertKind
    subject: str
    prepare: Step
    begin: Step
    again: Step
    """Tells more of the same; done once before the restart and once after it."""
    end: Step
    options: dict[str, Any] = {}  # noqa: RUF012  # read only
    after: dict[str, Any] | None = None
    """Other options, that end it at a start."""


async def nothing(_life: Life) -> None:
    await trio.lowlevel.checkpoint()


def stocked(units: int) -> Step:
    async def stock(life: Life) -> None:
        await life.stock(A, units)

    return stock


def sold(units: int) -> Step:
    async def sell(life: Life) -> None:
        await life.sell(A, units, "7")

    return sell


async def sell_one_more(life: Life) -> None:
    await life.sell(A, 1, f"more-{trio.current_time():.0f}")


async def receive(life: Life) -> None:
    await life.node.router.ask(Receive(key=Key("new"), sku=A, location=BERLIN, quantity=50))


async def misplace(life: Life) -> None:
    """Units at a place that nobody has configured: the scanner says so, and again as long as it is so."""
    await life.node.router.ask(Receive(key=Key("lost"), sku=A, location=NOWHERE, quantity=2))
    await life.node.scanner.scan(A)


async def find(life: Life) -> None:
    await life.node.router.ask(Adjust(key=Key("found"), sku=A, location=NOWHERE, delta=-2, reason="correction"))
    await life.node.scanner.scan(A)


async def blow(life: Life) -> None:
    await life.node.accounts[SHOP].pusher.pause("fuse: 900 listings would fall to zero")


async def resume(life: Life) -> None:
    await life.node.accounts[SHOP].pusher.resume()


async def refuse_snapshot(life: Life) -> None:
    now = life.node.clock.now()
    fused = SnapshotFused(
        at=now, key=Key("s"), location=BERLIN, source="3pl", as_of=now, rows=40, falling=13, share_max=0.3, rows_min=10
    )
    await life.node.journal.record([fused])


async def take_snapshot(life: Life) -> None:
    row = Observe(
        key=Key("good"),
        sku=A,
        location=BERLIN,
        source="3pl",
        quantity=5,
        as_of=life.node.clock.now(),
        nets_open_orders=False,
    )
    answer = await life.node.router.ask(TakeSnapshot(rows=(row,)))
    assert isinstance(answer, Observed)


def counted(off_by: int) -> Step:
    async def count(life: Life) -> None:
        command = Count(
            key=Key(f"count-{trio.current_time():.3f}"),
            sku=A,
            location=BERLIN,
            counted=life.node.router.ledger_of(A).books[A].on_hand_at(BERLIN) + off_by,
            taken_at=life.node.clock.now(),
            tolerance_percent=100.0,
            tolerance_units=0,
        )
        assert isinstance(await life.node.router.ask(command), Moved)

    return count


async def go_down(life: Life) -> None:
    life.feed.grudges.down = 1.0


async def come_back(life: Life) -> None:
    life.feed.grudges.down = 0.0


async def list_and_swallow(life: Life) -> None:
    """The shop says yes to every number and goes on showing its own."""
    life.feed.grudges.swallowed = 1.0
    life.feed.add("l/1", A, 99)
    await life.stock(A, 5)
    life.node.accounts[SHOP].pusher.resync()


async def behave(life: Life) -> None:
    life.feed.grudges.swallowed = 0.0
    life.node.accounts[SHOP].pusher.resync()


async def sell_four(life: Life) -> None:
    await life.stock(A, 3)
    for number in range(4):
        await life.sell(A, 1, str(number))


async def cancel_one(life: Life) -> None:
    await life.sell(A, 1, "3", cancelled=1, second=1)


async def sell_to_the_north(life: Life) -> None:
    await life.sell(A, 0, f"north-{trio.current_time():.0f}")


async def tell_nonsense(life: Life) -> None:
    """Put an order into the shop that was cancelled twice over; each time another one."""
    number = f"odd-{trio.current_time():.0f}"
    life.feed.put(life.order(A, 1, number, cancelled=2, second=trio.current_time()))
    life.node.accounts[SHOP].intake.request_poll()


async def make_sense(life: Life) -> None:
    for order_id in life.feed.orders:
        life.feed.put(life.order(A, 1, order_id, second=trio.current_time()))
    life.node.accounts[SHOP].intake.request_poll()


async def fill_the_disk(life: Life) -> None:
    life.disk.free_bytes = 10**8


async def make_room(life: Life) -> None:
    life.disk.free_bytes = 90 * 10**9


WALKS = (
    Kind(AlertKind.OVERSELL, "A", stocked(1), sold(3), sell_one_more, receive),
    Kind(AlertKind.NEGATIVE_ATP, "A", stocked(1), sold(3), sell_one_more, receive),
    Kind(AlertKind.LEDGER_VIOLATION, f"A@nowhere: {PLACES}", stocked(5), misplace, misplace, find),
    Kind(AlertKind.FUSE, SHOP, nothing, blow, blow, resume),
    Kind(AlertKind.FUSE, "3pl@berlin", stocked(5), refuse_snapshot, refuse_snapshot, take_snapshot),
    Kind(AlertKind.SYNC_FAILURE, SHOP, nothing, go_down, nothing, come_back),
    Kind(AlertKind.UNREADABLE_ORDER, SHOP, stocked(9), tell_nonsense, tell_nonsense, make_sense),
    Kind(AlertKind.DRIFT, f"{SHOP}/l/1", nothing, list_and_swallow, nothing, behave),
    Kind(AlertKind.COUNT_VARIANCE, "A@berlin", stocked(100), counted(-10), counted(-10), counted(0)),
    Kind(
        AlertKind.STOCK_CANCELLATIONS,
        SHOP,
        sell_four,
        cancel_one,
        nothing,
        sell_to_the_north,
        {"cancellation_lines_min": 4, "cancellation_percent": 20.0},
    ),
    Kind(
        AlertKind.CREDENTIALS_EXPIRING,
        SHOP,
        nothing,
        nothing,
        nothing,
        nothing,
        {"credentials_expire_on": date(2026, 11, 20)},
        {"credentials_expire_on": date(2027, 11, 20)},
    ),
    Kind(AlertKind.DISK, "/data", nothing, fill_the_disk, nothing, make_room),
    Kind(AlertKind.OUT_OF_STOCK, "A", stocked(3), sold(3), nothing, receive),
    Kind(AlertKind.LOW_STOCK, "A", stocked(9), sold(5), sell_one_more, receive, {"low_stock_units": 5}),
)
"""Of `stock_back`, which has no duration, there is a walk of its own."""


def test_every_kind_has_a_walk() -> None:
    assert {walk.kind for walk in WALKS} | {AlertKind.STOCK_BACK} == set(AlertKind)


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: f"{walk.kind}-{walk.subject}")
async def test_an_alert_is_raised_once_acknowledged_and_resolved_over_a_restart(
    autojump_clock: MockClock, walk: Kind
) -> None:
    store, ops, feed, disk = MemoryStore(), FakeNotifier(), OrderFeed(NoonClock()), Disk()

    def known(life: Life) -> list[Alert]:
        return [each for each in life.node.alerter.alerts.open.values() if each.key == (walk.kind, walk.subject)]

    def moments() -> list[str]:
        return [moment for kind, subject, moment in told(ops) if (kind, subject) == (walk.kind, walk.subject)]

    whole = settings(cooldown_seconds=0.0, **walk.options)
    async with living(store, {"ops": ops}, whole, feed=feed, disk=disk) as life:
        await walk.prepare(life)
        await trio.sleep(30)
        await walk.begin(life)
        await trio.sleep(LONG)
        [alert] = known(life)
        await walk.again(life)
        await trio.sleep(LONG)
        assert moments() == ["raised"]
        await life.node.alerter.acknowledge(alert.raised.alert_id, "ann")
        await trio.sleep(LONG)
        assert moments() == ["raised", "acknowledged"]
    whole = settings(cooldown_seconds=0.0, **(walk.after or walk.options))
    async with living(store, {"ops": ops}, whole, feed=feed, disk=disk) as life:
        if walk.after is None:
            await trio.sleep(LONG)
            [alert] = known(life)
            assert alert.acknowledged is not None
            assert alert.acknowledged.by == "ann", "the successor knows who looks after it"
            await walk.again(life)
            await trio.sleep(LONG)
            assert moments() == ["raised", "acknowledged"]
        await walk.end(life)
        await trio.sleep(LONG)
        assert known(life) == []
        assert moments() == ["raised", "acknowledged", "resolved"]
    async with living(store, {"ops": ops}, whole, feed=feed, disk=disk) as life:
        await trio.sleep(LONG)
        assert known(life) == []
        [alert] = [each for each in life.node.alerter.alerts.history if each.key == (walk.kind, walk.subject)]
        assert alert.resolved is not None
        assert (alert.resolved.how, alert.resolved.by) == ("ended", "")
    assert moments() == ["raised", "acknowledged", "resolved"], "nothing is told a second time"


async def test_stock_that_is_back_is_told_once_and_what_was_not_told_is_counted_since_the_start(
    autojump_clock: MockClock,
) -> None:
    """It has no duration: raised and over at once, and told by its beginning alone."""
    store, ops = MemoryStore(), FakeNotifier()
    whole = settings(cooldown_seconds=3600.0, ignore=("out_of_stock", "negative_atp", "oversell"))

    async def flap(life: Life, units: int) -> None:
        for delta in (-units, units):
            key = Key(f"{delta}-{trio.current_time():.0f}")
            await life.node.router.ask(Adjust(key=key, sku=A, location=BERLIN, delta=delta, reason="correction"))
            await trio.sleep(30)

    async with living(store, {"ops": ops}, whole) as life:
        await life.stock(A, 5)
        await trio.sleep(30)
        for _ in range(3):
            await flap(life, 5)
        assert told(ops) == [("stock_back", "A", "raised")]
        assert life.open() == []
        [alert] = life.node.alerter.alerts.history
        assert await life.node.alerter.acknowledge(alert.raised.alert_id, "ann") is alert, "there is nothing to look to"
        assert alert.acknowledged is None
    async with living(store, {"ops": ops}, whole) as life:
        started_at = life.node.clock.now()
        await trio.sleep(30)
        await flap(life, 5)
        await trio.sleep(3600)
        assert len(told(ops)) == 1
        await flap(life, 5)
    [_, again] = [notice for message in ops.messages for notice in message.notices]
    assert (again.suppressed, again.suppressed_since) == (1, started_at), "of three, two are on no record"


async def test_a_refused_snapshot_that_a_person_has_seen_to_stays_ended_and_a_broken_feed_does_not_flood(
    autojump_clock: MockClock,
) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    async with living(store, {"ops": ops}, settings(cooldown_seconds=3600.0)) as life:
        for _ in range(5):
            await refuse_snapshot(life)
            await trio.sleep(60)
        assert told(ops) == [("fuse", "3pl@berlin", "raised")]
        [alert] = life.node.alerter.alerts.open.values()
        await life.node.alerter.resolve(alert.raised.alert_id, "ann")
    async with living(store, {"ops": ops}, settings(cooldown_seconds=3600.0)) as life:
        await trio.sleep(7200)
        assert life.open() == []
        await refuse_snapshot(life)
        await trio.sleep(60)
        assert life.open() == [("fuse", "3pl@berlin")], "another one is another matter"
    assert [moment for _, _, moment in told(ops)] == ["raised", "resolved", "raised"]


async def test_an_oversell_that_a_person_has_put_aside_does_not_come_back_with_a_start(
    autojump_clock: MockClock,
) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    whole = settings(cooldown_seconds=3600.0, ignore=("negative_atp", "out_of_stock"))
    async with living(store, {"ops": ops}, whole) as life:
        await life.stock(A, 1)
        await life.sell(A, 3, "7")
        await trio.sleep(30)
        [alert] = life.node.alerter.alerts.open.values()
        await life.node.alerter.resolve(alert.raised.alert_id, "ann")
    async with living(store, {"ops": ops}, whole) as life:
        await trio.sleep(600)
        assert life.open() == []
        await trio.sleep(3600)
        assert life.open() == [("oversell", "A")], "it lasts, so it comes back when its cooldown is over"


@pytest.mark.parametrize("down_at_midnight", [False, True])
async def test_days_of_stock_are_judged_again_when_the_day_ends(
    autojump_clock: MockClock, down_at_midnight: bool
) -> None:
    """28 sold on the first day, 72 left: less than three days. On the second day it is 14 a day, and enough."""
    store, ops = MemoryStore(), FakeNotifier()
    whole = settings(low_stock_units=0, low_stock_days=3.0)
    async with living(store, {"ops": ops}, whole) as life:
        await life.stock(A, 100)
        await trio.sleep(30)
        await life.sell(A, 28, "7")
        await trio.sleep(30)
        assert told(ops) == [("low_stock", "A", "raised")]
        await trio.sleep((12 if down_at_midnight else 11.9) * 3600 - trio.current_time())
        assert len(told(ops)) == 1
        if not down_at_midnight:
            frames = len(store.frames)
            await trio.sleep(0.2 * 3600)
            assert not any(
                isinstance(event, BookEvent) for frame in store.frames[frames:] for event in decode_events(frame)
            )
            assert told(ops)[1:] == [("low_stock", "A", "resolved")]
    async with living(store, {"ops": ops}, whole) as life:
        await trio.sleep(60)
        assert life.open() == []
    assert told(ops)[1:] == [("low_stock", "A", "resolved")]


async def test_a_bundle_is_told_of_with_the_component_that_binds_over_a_restart(autojump_clock: MockClock) -> None:
    """Lesson F4."""
    store, ops = MemoryStore(), FakeNotifier()
    whole = settings(low_stock_units=3, cooldown_seconds=0.0)

    def of_kit() -> list[tuple[str, str]]:
        return [(kind, moment) for kind, subject, moment in told(ops) if subject == KIT]

    async with living(store, {"ops": ops}, whole) as life:
        for sku, units in ((A, 100), (B, 12), (KIT, 0)):
            await life.stock(sku, units)
        await life.node.recipe_owner.set(KIT, Recipe(components=((A, 2), (B, 1))))
        await trio.sleep(120)  # in the last minute of the journal nothing but B moves
        assert told(ops) == []
        await life.sell(B, 9, "7")
        await trio.sleep(30)
        assert of_kit() == [("low_stock", "raised")]
        texts = [notice.text for message in ops.messages for notice in message.notices if notice.subject == KIT]
        assert texts == ["KIT: 3 can be made (limit 3); B binds: 3 available, 1 in each"]
        await life.sell(B, 3, "8")
    async with living(store, {"ops": ops}, whole) as life:
        await trio.sleep(30)
        assert of_kit()[1:] == [("out_of_stock", "raised")], "killed before anybody looked"
        await life.node.router.ask(Receive(key=Key("new"), sku=B, location=BERLIN, quantity=50))
        await trio.sleep(30)
        assert sorted(of_kit()[2:]) == [
            ("low_stock", "resolved"),
            ("out_of_stock", "resolved"),
            ("stock_back", "raised"),
        ]
        assert life.open() == []
    async with living(store, {"ops": ops}, whole) as life:
        await trio.sleep(60)
        assert life.open() == []


@pytest.mark.parametrize("restart", [False, True])
async def test_alerts_of_a_sku_that_is_merged_or_retired_are_over(autojump_clock: MockClock, restart: bool) -> None:
    """Whether anybody could say so before the process died, or not."""
    store, ops = MemoryStore(), FakeNotifier()
    whole = settings(low_stock_units=5, cooldown_seconds=0.0)
    async with living(store, {"ops": ops}, whole) as life:
        for sku in (A, B, KIT):
            await life.stock(sku, 100)
    async with living(store, {"ops": ops}, whole) as life:  # the catalogue hears of SKUs from files and the journal
        await trio.sleep(30)
        await counted(-20)(life)
        adjusted = Adjust(key=Key("gone"), sku=A, location=BERLIN, delta=-77, reason="correction")
        await life.node.router.ask(adjusted)
        await life.sell(B, 100, "8")
        await trio.sleep(30)
        assert sorted(life.open()) == [("count_variance", "A@berlin"), ("low_stock", "A"), ("out_of_stock", "B")]
        merged = await life.node.registrar.merge(A, KIT, by="ann")
        assert not isinstance(merged, Refusal), merged
        await life.node.registrar.set_standing(B, retired=True, by="ann")
        if not restart:
            await trio.sleep(30)
            assert life.open() == []
    async with living(store, {"ops": ops}, whole) as life:
        await trio.sleep(30)
        assert life.open() == []
        assert sorted(alert.raised.subject for alert in life.node.alerter.alerts.history) == ["A", "A@berlin", "B"]
