"""Alerts of a whole node: from what happens to who hears of it, over restarts and refusals."""

import hashlib
import hmac
from datetime import date

import msgspec
import pytest
import trio
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from config.alerts import EmailDestination, SlackDestination, StockLevel, WebhookDestination
from config.schema import Secret
from engine.actors.journal import decode_events
from engine.domain.alerts import AlertId
from engine.domain.availability import Availability
from engine.domain.errors import CredentialsRejected, NotSent, Refused
from engine.domain.events import AlertDispatched, AlertEvent, AlertRaised, AlertUndeliverable
from engine.domain.units import LocationId, Sku
from engine.ports import WebhookHealth
from ops.alerting import build_notifiers
from ops.clock import SteadyClock
from ops.recovery import replay
from tests.fakes.alerts import FakeNotifier, HeardDeliveries
from tests.fakes.clocks import START, NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.lives import DOWN, Life, events_of, living, settings, told
from tests.fakes.orders import SHOP
from tests.fakes.running import SilentTelemetry
from tests.fakes.sinks import HttpSink, SmtpSink


async def test_an_oversell_is_told_at_once_and_its_end_too(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    async with living(MemoryStore(), {"ops": ops}) as life:
        await life.stock("A", 1)
        sold_at = trio.current_time()
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
        assert trio.current_time() - sold_at < 0.1
        assert told(ops) == [("oversell", "A", "raised")]
        assert ops.messages[0].notices[0].text.startswith("A: 2 promised beyond what there is, order")
        await life.sell("A", 3, "7", cancelled=3, second=1)
        await trio.sleep(10)
    assert ("oversell", "A", "resolved") in told(ops)


async def test_a_whole_life_of_stock(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    store = MemoryStore()
    async with living(store, {"ops": ops}, settings(low_stock_units=5, cooldown_seconds=0)) as life:
        await life.stock("A", 10)
        await life.stock("NEVER-HAD-ANY", 0)
        await trio.sleep(5)
        assert told(ops) == []
        for second, (units, cancelled) in enumerate([(6, 0), (10, 0), (10, 4), (10, 10)]):
            await life.sell("A", units, "7", cancelled=cancelled, second=second)
            await trio.sleep(5)
        assert told(ops) == [
            ("low_stock", "A", "raised"),
            ("out_of_stock", "A", "raised"),
            ("out_of_stock", "A", "resolved"),
            ("stock_back", "A", "raised"),
            ("low_stock", "A", "resolved"),
        ]
        assert life.open() == []


async def test_thresholds_of_one_sku_are_its_own(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    whole = settings(low_stock_units=0, skus={"A": StockLevel(low_stock_units=8)})
    async with living(MemoryStore(), {"ops": ops}, whole) as life:
        await life.stock("A", 10)
        await life.stock("B", 10)
        await trio.sleep(5)
        await life.sell("A", 2, "1")
        await life.sell("B", 2, "2")
        await trio.sleep(5)
    assert told(ops) == [("low_stock", "A", "raised")]


async def test_credentials_that_expire_are_told_of(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    whole = settings(credentials_expire_on=date(2026, 11, 20))
    store = MemoryStore()
    async with living(store, {"ops": ops}, whole):
        await trio.sleep(60)
    assert told(ops) == [("credentials_expiring", SHOP, "raised")]
    async with living(store, {"ops": ops}, settings()) as life:
        await trio.sleep(60)
        assert life.open() == [], "no day is configured any more"


async def test_an_account_that_stays_away_is_told_of_and_its_return_too(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    feed = OrderFeed(NoonClock())
    async with living(MemoryStore(), {"ops": ops}, settings(sync_seconds=300.0), feed=feed):
        feed.grudges.down = 1.0
        await trio.sleep(2000)
        assert [each for each in told(ops) if each[0] == "sync_failure"] == [("sync_failure", SHOP, "raised")]
        feed.grudges.down = 0.0
        await trio.sleep(600)
    assert told(ops)[-1] == ("sync_failure", SHOP, "resolved")


class Barred(OrderFeed):
    """A shop that takes our keys for everything but webhooks."""

    barred = True

    async def ensure_webhooks(self) -> WebhookHealth:
        if self.barred:
            raise CredentialsRejected(self.account, "ensure_webhooks", "HTTP 401")
        return await super().ensure_webhooks()


async def test_keys_that_lack_a_right_are_told_of_until_they_have_it(autojump_clock: MockClock) -> None:
    ops, feed = FakeNotifier(), Barred(NoonClock())
    async with living(MemoryStore(), {"ops": ops}, feed=feed):
        await trio.sleep(700)
        [notice] = [notice for message in ops.messages for notice in message.notices]
        assert notice.text == f"{SHOP}: the channel refuses our credentials for ensure_webhooks: HTTP 401"
        feed.barred = False
        await trio.sleep(1200)
    assert told(ops) == [("sync_failure", SHOP, "raised"), ("sync_failure", SHOP, "resolved")]


async def test_a_fuse_is_told_of_over_a_restart_and_a_pause_by_hand_is_not(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    async with living(store, {"ops": ops}) as life:
        pusher = life.node.accounts[SHOP].pusher
        await pusher.pause("CHANNEL PAUSE")
        await pusher.resume()
        await pusher.pause("fuse: 900 listings would fall to zero")
        await trio.sleep(5)
    async with living(store, {"ops": ops}) as life:
        await trio.sleep(60)
        assert life.open() == [("fuse", SHOP)]
        await life.node.accounts[SHOP].pusher.resume()
        await trio.sleep(60)
    assert told(ops) == [("fuse", SHOP, "raised"), ("fuse", SHOP, "resolved")]


async def test_an_order_that_is_cancelled_for_want_of_stock_counts_live_and_in_replay(
    autojump_clock: MockClock,
) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    stock = ("negative_atp", "out_of_stock")
    whole = settings(cancellation_lines_min=4, cancellation_percent=20.0, destinations=(), ignore=stock)
    async with living(store, {}, whole) as life:
        await life.stock("A", 3)
        for number in range(4):
            await life.sell("A", 1, str(number))
        await life.sell("A", 1, "3", cancelled=1, second=1)
        await trio.sleep(20)
        assert life.open() == [("stock_cancellations", SHOP)]
        alert = next(iter(life.node.alerter.alerts.open.values()))
        assert "1 of 4 order lines of 7 days" in alert.raised.text
    async with living(store, {"ops": ops}, whole) as life:
        await trio.sleep(20)
        assert life.open() == [("stock_cancellations", SHOP)]
        await life.sell("A", 0, "4")
        await trio.sleep(20)
        assert life.open() == [], "one of five"


# -- people


async def test_people_acknowledge_and_resolve(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    store = MemoryStore()
    async with living(store, {"ops": ops}) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
        alert = await life.node.alerter.acknowledge(AlertId(1), "ann")
        assert alert is not None
        assert alert.acknowledged is not None
        assert isinstance(events_of(store.frames[-1:])[0], AlertEvent), "durable before it is answered (law 2)"
        assert await life.node.alerter.acknowledge(AlertId(99), "ann") is None
        await life.node.alerter.resolve(AlertId(1), "bob")
        await trio.sleep(5)
    assert told(ops)[:3] == [("oversell", "A", transition) for transition in ("raised", "acknowledged", "resolved")]
    successor = Life(settings(), store, {}, OrderFeed(NoonClock()), NoonClock(), SilentTelemetry())
    await replay(successor.node, store)
    [known] = [each for each in successor.node.alerter.alerts.history if each.raised.alert_kind == "oversell"]
    assert known.resolved is not None
    assert known.resolved.by == "bob"


async def test_a_test_message_says_whether_it_arrived(autojump_clock: MockClock) -> None:
    ops = FakeNotifier()
    store = MemoryStore()
    async with living(store, {"ops": ops}) as life:
        await life.node.alerter.send_test("ops")
        assert ops.messages[0].notices == ()
        ops.errors = [DOWN]
        with pytest.raises(NotSent):
            await life.node.alerter.send_test("ops")
        ops.silent = True
        started = trio.current_time()
        with pytest.raises(Exception, match="no answer within 15 s"):
            await life.node.alerter.send_test("ops")
        assert trio.current_time() - started == pytest.approx(15)
    assert events_of(store.frames) == []


# -- over restarts


async def test_what_was_not_delivered_is_delivered_by_the_successor(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    ops.silent = True
    async with living(store, {"ops": ops}) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
    [dispatched] = [event for event in events_of(store.frames) if isinstance(event, AlertDispatched)]
    ops.silent = False
    async with living(store, {"ops": ops}):
        await ops.wait_tried(2)
        await trio.sleep(5)
    assert ops.messages[0].message_id == dispatched.message_id, "by its id a repeat is known"
    assert told(ops) == [("oversell", "A", "raised"), ("negative_atp", "A", "raised")]
    async with living(store, {"ops": ops}):
        await trio.sleep(60)
    assert len(ops.messages) == 2


async def test_an_oversell_whose_alert_was_not_recorded_is_told_by_the_successor(autojump_clock: MockClock) -> None:
    """Killed between the two frames."""
    store, ops = MemoryStore(), FakeNotifier()
    async with living(store, {"ops": ops}) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
        await trio.sleep(5)
    first = next(
        frame.position for frame in store.frames if any(isinstance(each, AlertRaised) for each in decode_events(frame))
    )
    cut = MemoryStore(store.frames[: first - 1])
    ops.messages.clear()
    async with living(cut, {"ops": ops}):
        await trio.sleep(5)
    assert sorted(told(ops)) == [("negative_atp", "A", "raised"), ("oversell", "A", "raised")]


async def test_out_of_stock_whose_alert_was_not_recorded_is_told_by_the_successor(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    async with living(store, {"ops": ops}) as life:
        await life.stock("A", 3)
        await life.stock("OLD", 0)
        await trio.sleep(120)
        await life.sell("A", 3, "7")  # killed before anybody looks
    assert events_of(store.frames) == []
    async with living(store, {"ops": ops}):
        await trio.sleep(5)
    assert told(ops) == [("out_of_stock", "A", "raised")]


async def test_what_ended_while_nobody_could_say_so_is_ended_by_the_successor(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    async with living(store, {"ops": ops}) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
        await trio.sleep(5)
        await life.sell("A", 3, "7", cancelled=3, second=1)
        await trio.sleep(5)
    ends = [
        frame.position
        for frame in store.frames
        if any(isinstance(each, AlertEvent) and not isinstance(each, AlertRaised) for each in decode_events(frame))
    ]
    cut = MemoryStore(store.frames[: ends[0] - 1])
    ops.messages.clear()
    async with living(cut, {"ops": ops}) as life:
        await trio.sleep(5)
        assert life.open() == []
    assert ("oversell", "A", "resolved") in told(ops)


async def test_what_a_person_ended_and_is_over_does_not_come_back_with_a_restart(autojump_clock: MockClock) -> None:
    """That it is over while its alert rests is on no record: the successor looks whether it holds."""
    store, ops = MemoryStore(), FakeNotifier()
    whole = settings(ignore=("negative_atp", "out_of_stock"))
    async with living(store, {"ops": ops}, whole) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
        await life.node.alerter.resolve(AlertId(1), "bob")
        await life.sell("A", 3, "7", cancelled=3, second=1)
        await trio.sleep(60)
    ops.messages.clear()
    async with living(store, {"ops": ops}, whole):
        await trio.sleep(10_000)
    assert told(ops) == []


async def test_a_destination_that_is_gone_is_owed_nothing(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    ops.silent = True
    async with living(store, {"ops": ops}) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(1)
    async with living(store, {}, settings(destinations=())):
        await trio.sleep(5)
    given_up = [event for event in events_of(store.frames) if isinstance(event, AlertUndeliverable)]
    assert [(event.destination, event.reason) for event in given_up] == [("ops", "gone")]


async def test_alerts_of_an_account_that_is_gone_are_over(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    async with living(store, {"ops": ops}, settings(credentials_expire_on=date(2026, 11, 20))):
        await trio.sleep(60)
    alone = msgspec.structs.replace(settings(), accounts=())
    async with living(store, {"ops": ops}, alone) as life:
        await trio.sleep(60)
        assert life.open() == []


async def test_what_fails_is_tried_again_and_what_is_refused_is_not(autojump_clock: MockClock) -> None:
    store, ops = MemoryStore(), FakeNotifier()
    ops.errors = [DOWN, DOWN, Refused("ops", "send", "HTTP 400")]
    async with living(store, {"ops": ops}, settings(ignore=("negative_atp", "out_of_stock"))) as life:
        await life.stock("A", 1)
        await life.sell("A", 3, "7")
        await ops.wait_tried(3)
        await trio.sleep(3600)
        assert ops.tried == 3
        assert life.node.alerter.deliveries.owed("ops") == 0
        await life.stock("B", 1)
        await life.sell("B", 3, "8")
        await trio.sleep(5)
    assert told(ops) == [("oversell", "B", "raised")]


async def test_a_hundred_thousand_skus_are_looked_at_in_slices(autojump_clock: MockClock) -> None:
    """A start tells of every SKU: none of them is news, and nobody waits for all of them."""
    ops = FakeNotifier()
    async with living(MemoryStore(), {"ops": ops}) as life:
        alerter, here = life.node.alerter, LocationId("berlin")
        for number in range(10_000):
            level = ((here, number % 3),)
            alerter.availability(Availability(sku=Sku(f"S{number}"), position=1, atp=level, changed_at=START))
        await trio.sleep(30)
        assert alerter._stock.wait_seconds == float("inf")
        assert len(alerter._stock.levels.skus()) == 10_000
    assert told(ops) == []


# -- for real: signed, over sockets and threads, by the system's clock


@pytest.mark.slow
async def test_an_oversell_arrives_signed_over_http_and_as_a_mail() -> None:
    heard = HeardDeliveries()
    async with HttpSink().listening() as http, SmtpSink().listening() as smtp:
        mail = EmailDestination(
            name="owner",
            host="127.0.0.1",
            port=smtp.port,
            security="plain",
            sender="lastunit@example.com",
            recipients=("ann@example.com",),
            kinds=("oversell",),
        )
        hook = WebhookDestination(name="ops", url=f"{http.url}/w", signing_secret=Secret("s3cret"), severity="critical")
        slack = SlackDestination(name="room", hook_url=Secret(f"{http.url}/s"), severity="critical")
        clock = SteadyClock()
        whole = settings(destinations=(mail, hook, slack))
        notifiers = build_notifiers(whole, clock=clock)
        store = MemoryStore()
        async with living(store, notifiers, whole, clock=clock, listener=heard) as life:
            await life.stock("A", 1)
            await life.sell("A", 3, "7")
            posted = {each.target: each for each in await http.wait_posted(2)}
            await heard.wait_delivered("owner", "ops", "room")
        for notifier in notifiers.values():
            await notifier.aclose()
    signed = posted["/w"]
    timestamp = signed.headers["x-lastunit-timestamp"]
    digest = hmac.new(b"s3cret", timestamp.encode() + b"." + signed.body, hashlib.sha256).hexdigest()
    assert signed.headers["x-lastunit-signature"] == f"sha256={digest}"
    [alert] = msgspec.json.decode(signed.body)["alerts"]
    assert (alert["kind"], alert["subject"], alert["transition"]) == ("oversell", "A", "raised")
    assert alert["details"]["open_units"] == "2"
    assert "A: 2 promised beyond what there is" in msgspec.json.decode(posted["/s"].body)["text"]
    [(_, recipients, written)] = smtp.mails
    assert recipients == ("ann@example.com",)
    assert written["Subject"].startswith("[lastunit] CRITICAL: oversell: A: 2 promised")


@pytest.mark.slow
async def test_raised_before_a_restart_arrives_after_it() -> None:
    clock, heard = SteadyClock(), HeardDeliveries()
    store = MemoryStore()
    async with HttpSink().listening() as http:
        hook = WebhookDestination(name="ops", url=f"{http.url}/w", signing_secret=Secret("s3cret"), severity="critical")
        whole = settings(destinations=(hook,))
        http.silent = True
        notifiers = build_notifiers(whole, clock=clock)
        async with living(store, notifiers, whole, clock=clock, listener=heard) as life:
            await life.stock("A", 1)
            await life.sell("A", 3, "7")
            await http.wait_posted(1)
        await notifiers["ops"].aclose()
        http.silent = False
        notifiers = build_notifiers(whole, clock=clock)
        async with living(store, notifiers, whole, clock=clock, listener=heard) as life:
            posted = await http.wait_posted(2)
            await heard.wait_delivered("ops")
            assert life.node.alerter.deliveries.owed("ops") == 0
        await notifiers["ops"].aclose()
    assert posted[0].body == posted[1].body
    assert posted[0].headers["x-lastunit-message"] == posted[1].headers["x-lastunit-message"]
