"""What is read when somebody asks: mailboxes, the node, the event loop; and the text that it becomes."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, Histogram, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from adapters.store.memory import MemoryStore
from config.alerts import Alerts, WebhookDestination
from config.schema import Budget, Secret, WooCommerceAccount
from engine.actors.mailbox import Mailbox
from engine.domain.commands import (
    AddSku,
    OpenStock,
    ReleaseHold,
)
from engine.domain.events import OrdersCaughtUp
from engine.domain.units import HoldId, LocationId
from ops.node import Node
from ops.telemetry.families import Buckets, Spread
from ops.telemetry.gauges import BudgetUse
from ops.telemetry.metrics import Telemetry
from ops.telemetry.text import render_text
from tests.fakes.channel import FakeChannel
from tests.fakes.running import running_node, settings_for
from tests.unit.test_telemetry_metrics import NOW, SHOP, SKU, FrozenClock, hear_everything, hold, named, samples_of


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(CollectorRegistry(), clock=FrozenClock())


def test_mailboxes_are_read_when_asked(telemetry: Telemetry) -> None:
    mailbox: Mailbox[int] = Mailbox("shard-0", 10)
    telemetry.watch_mailbox(mailbox)
    mailbox.put_nowait(1)
    mailbox.put_nowait(2)
    mailbox.take_nowait(1)
    samples = samples_of(telemetry)
    assert samples[named("mailbox_depth", mailbox="shard-0")] == 1
    assert samples[named("mailbox_high_water", mailbox="shard-0")] == 2
    assert samples[named("mailbox_maximum", mailbox="shard-0")] == 10


def test_anything_can_be_watched_under_a_name_of_its_own(telemetry: Telemetry) -> None:
    values = [1.0]
    telemetry.watch("store_sync_seconds", "Help.", lambda: values[0])
    values[0] = 2.5
    assert samples_of(telemetry)[named("store_sync_seconds")] == 2.5
    for taken in ("store_sync_seconds", "connections", "loop_delay_seconds"):
        with pytest.raises(ValueError, match=taken):
            telemetry.watch(taken, "Help.", lambda: 0)


def shop_account() -> WooCommerceAccount:
    return WooCommerceAccount(
        id=SHOP,
        locations=("berlin",),
        url="https://shop.example",
        consumer_key=Secret("k"),
        consumer_secret=Secret("s"),
        budget=Budget(calls_per_second=5),
    )


async def run_with_node(telemetry: Telemetry, use: Callable[[Node], Any]) -> None:
    """Run a node with one shop that telemetry hears, and call `use` with it."""
    channel = FakeChannel(random.Random(1), account=SHOP)
    destination = WebhookDestination(name="ops", url="https://ops.example", signing_secret=Secret("s"))
    settings = settings_for(None, accounts=(shop_account(),), alerts=Alerts(destinations=(destination,)))
    channels = {SHOP: ("fake", channel)}
    async with running_node(settings, MemoryStore(), channels=channels, listener=telemetry, serve=False) as node:
        await use(node)


async def test_a_nodes_figures_follow_its_decisions(
    telemetry: Telemetry, autojump_clock: trio.testing.MockClock
) -> None:
    async def use(node: Node) -> None:
        await node.router.ask(AddSku(sku=SKU, name="Mug"))
        await node.router.ask(OpenStock(sku=SKU, location=LocationId("berlin"), on_hand=5))
        for hold_id in ("h0", "h1"):
            await node.router.ask(
                msgspec.structs.replace(hold(hold_id=hold_id), locations=(LocationId("berlin"),), account=SHOP)
            )
        telemetry.watch_node(node)  # two holds were there before
        await node.router.ask(ReleaseHold(hold_id=HoldId("h0")))
        node.accounts[SHOP].intake.apply(OrdersCaughtUp(at=NOW, account=SHOP, through_at=NOW))
        samples = samples_of(telemetry)
        assert samples[named("skus")] == 1
        assert samples[named("holds_open")] == len(node.router.ledger_of(SKU).books[SKU].holds) == 1
        assert samples[named("holds_known")] == 2
        assert samples[named("remembered_entries")] == 2
        assert samples[named("remembered_entries_max")] == 500_000
        assert samples[named("incidents_open")] == 0
        assert samples[named("orders")] == 0
        assert samples[named("journal_position")] == node.journal.position > 0
        assert samples[named("journal_waiting_events")] == 0
        assert samples[named("orders_through_timestamp_seconds", account="shop")] == NOW.timestamp()
        assert samples[named("breaker_open", account="shop")] == 0
        assert samples[named("listings", account="shop", state="new")] == 0
        assert samples[named("budget_calls_per_second", account="shop")] == 5
        states = {key: value for key, value in samples.items() if key[0] == "lastunit_account_state"}
        assert sum(states.values()) == 1
        assert len(states) == 6
        assert samples[named("pushes_total", account="shop", verdict="superseded")] == 0

    await run_with_node(telemetry, use)


async def test_the_budget_ratio_is_that_of_the_last_minute(
    telemetry: Telemetry, autojump_clock: trio.testing.MockClock
) -> None:
    async def use(node: Node) -> None:
        telemetry.watch_node(node)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(telemetry.run_loop_watch)
            await trio.sleep(30)
            ratio = samples_of(telemetry)[named("budget_used_ratio", account="shop")]
            nursery.cancel_scope.cancel()
        spent = node.accounts[SHOP].pusher.status().calls_spent
        assert 0 < ratio <= spent / (5 * 28)

    await run_with_node(telemetry, use)


def test_budget_use_needs_two_samples_and_forgets_after_a_minute() -> None:
    use = BudgetUse(4.0)
    assert use.ratio == 0
    use.sample(0.0, 0)
    assert use.ratio == 0
    for second in range(1, 200):
        use.sample(float(second), 100 if second < 120 else 100 + 2 * (second - 120))
    assert use.ratio == pytest.approx(0.5)


# -- the event loop


async def test_the_loop_watch_measures_how_late_its_timer_fires(
    telemetry: Telemetry, mock_clock: trio.testing.MockClock
) -> None:
    async def advance(seconds: float) -> None:
        mock_clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        await nursery.start(telemetry.run_loop_watch)
        await trio.testing.wait_all_tasks_blocked()
        await advance(0.1)
        assert samples_of(telemetry)[named("loop_delay_max_seconds")] == pytest.approx(0, abs=1e-6)
        await advance(0.4)
        samples = samples_of(telemetry)
        assert samples[named("loop_delay_max_seconds")] == pytest.approx(0.3)
        assert samples[named("loop_delay_seconds_bucket", le="0.25")] == 1
        assert samples[named("loop_delay_seconds_count")] == 2
        for _ in range(1300):  # 130 seconds on time
            await advance(0.1)
        assert samples_of(telemetry)[named("loop_delay_max_seconds")] == pytest.approx(0, abs=1e-6)
        nursery.cancel_scope.cancel()


# -- the parts


@given(values=st.lists(st.floats(0, 100) | st.sampled_from([0.1, 1.0, 10.0])))
def test_buckets_count_as_the_librarys_histogram_does(values: list[float]) -> None:
    bounds = (0.1, 1.0, 10.0)
    oracle = Histogram("h", "Help.", buckets=bounds, registry=None)
    ours = Spread("h", "Help.", bounds)
    for value in values:
        oracle.observe(value)
        ours.of().observe(value)
    [expected] = oracle.collect()
    theirs = [sample for sample in expected.samples if not sample.name.endswith("_created")]
    for mine, sample in zip(ours.collect().samples, theirs, strict=True):
        assert (mine.name, mine.labels) == (f"lastunit_{sample.name}", sample.labels)
        assert mine.value == pytest.approx(sample.value)


def test_a_value_on_a_bound_belongs_below_it() -> None:
    spread = Spread("h", "Help.", (1.0, 2.0))
    spread.of().observe(1.0)
    assert [sample.value for sample in spread.collect().samples] == [1, 1, 1, 1, 1.0]
    assert Buckets((1.0,)) is not None


class _Kept(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def test_our_text_says_what_the_librarys_says() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("odd", 'Help \\ with\n"all".', ("label",), registry=registry)
    for text, value in (("plain", 1.5), ('quo"te', 1e300), ("back\\slash\nline", float("inf")), ("für", -1.0)):
        gauge.labels(text).set(value)
    telemetry = Telemetry(registry, clock=FrozenClock())
    hear_everything(telemetry)
    families = list(registry.collect())

    still = CollectorRegistry()
    still.register(_Kept(families))
    theirs = generate_latest(still).decode()
    assert list(text_string_to_metric_families(render_text(families))) == list(text_string_to_metric_families(theirs))
    gauge.labels("none").set(float("nan"))
    assert 'odd{label="none"} NaN\n' in render_text(registry.collect())
