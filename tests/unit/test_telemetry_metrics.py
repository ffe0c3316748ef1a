"""What the listeners count, and how it is shown."""

import timeit
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    Command,
    CommitHold,
    Committed,
    DemandLevel,
    Done,
    Granted,
    Moved,
    OpenStock,
    PlaceHold,
    Receive,
    RecordOrder,
    Refusal,
    Released,
    ReleaseHold,
)
from engine.domain.events import (
    DemandLapsed,
    HoldExpired,
    OversellCleared,
    OversellRecorded,
    SkuAdded,
    StockAdjusted,
    StockReceived,
    UnitsHeld,
)
from engine.domain.orders import Freshness, OrderSnapshot, OrderStatus
from engine.domain.units import DIRECT, AccountId, HoldId, Key, LineId, LocationId, OrderId, Sku
from engine.ports import WebhookHealth
from ops.node import NodeListener
from ops.socket.server import SocketListener
from ops.telemetry.metrics import Telemetry

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
SHOP = AccountId("shop")
SKU = Sku("A-1")
MAIN = LocationId("main")

Sample = tuple[str, tuple[tuple[str, str], ...]]
Act = Callable[[Telemetry], None]


class FrozenClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(CollectorRegistry(), clock=FrozenClock())


def samples_of(telemetry: Telemetry) -> dict[Sample, float]:
    """Every sample but those of the process, which move by themselves."""
    samples: dict[Sample, float] = {}
    for family in text_string_to_metric_families(telemetry.exposition()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in samples, f"{key} is shown twice"
            if not sample.name.startswith("lastunit_process_"):
                samples[key] = sample.value
    return samples


def named(name: str, **labels: str) -> Sample:
    return (f"lastunit_{name}", tuple(sorted(labels.items())))


def hold(sku: str = SKU, hold_id: str = "h1") -> PlaceHold:
    return PlaceHold(
        hold_id=HoldId(hold_id), lines=((Sku(sku), 2),), expires_at=None, account=DIRECT, locations=(MAIN,)
    )


def held(sku: str = SKU, hold_id: str = "h1") -> UnitsHeld:
    return UnitsHeld(at=NOW, sku=Sku(sku), hold_id=HoldId(hold_id), parts=((MAIN, 2),), expires_at=None, account=DIRECT)


def snapshot(age_seconds: float = 3, order_id: str = "77") -> OrderSnapshot:
    at = NOW - timedelta(seconds=age_seconds)
    return OrderSnapshot(
        account=SHOP, order_id=OrderId(order_id), status=OrderStatus.ACCEPTED, placed_at=at, modified_at=at, lines=()
    )


def oversell(units: int, cause: str = "lag", account: AccountId | None = SHOP) -> OversellRecorded:
    return OversellRecorded(at=NOW, sku=SKU, units=units, open_units=units, account=account, order_id=None, cause=cause)


def lines_of(command: Command, answer: Answer, events: int = 1) -> list[Any]:
    telemetry = Telemetry(CollectorRegistry(), clock=FrozenClock(), log_commands=True)
    with structlog.testing.capture_logs() as lines:
        telemetry.decided(command, answer, [held()] * events)
    return list(lines)


DECISIONS: list[tuple[Command, Answer, dict[str, str], dict[str, Any]]] = [
    (
        hold(),
        Granted(hold_id=HoldId("h1"), expires_at=None, lines=((SKU, MAIN, 2),)),
        {"command": "hold", "outcome": "granted"},
        {"hold": "h1", "account": "direct", "skus": 1, "units": 2},
    ),
    (
        hold(),
        Refusal(code="OUTOFSTOCK", text="sku=A-1 requested=2 atp=0"),
        {"command": "hold", "outcome": "OUTOFSTOCK"},
        {"hold": "h1", "account": "direct", "skus": 1, "units": 2, "reason": "sku=A-1 requested=2 atp=0"},
    ),
    (
        CommitHold(hold_id=HoldId("h1"), order_id=OrderId("77")),
        Committed(hold_id=HoldId("h1"), order_id=OrderId("77"), committed_at=NOW),
        {"command": "commit", "outcome": "committed"},
        {"hold": "h1", "order": "77"},
    ),
    (
        ReleaseHold(hold_id=HoldId("h1")),
        Released(hold_id=HoldId("h1"), released_at=NOW),
        {"command": "release", "outcome": "released"},
        {"hold": "h1"},
    ),
    (
        Adjust(key=Key("k"), sku=SKU, location=MAIN, delta=-2, reason="broken"),
        Moved(
            movements=(
                StockAdjusted(at=NOW, sku=SKU, key=Key("k"), location=MAIN, delta=-2, on_hand=3, reason="broken"),
            )
        ),
        {"command": "adjust", "outcome": "moved"},
        {"key": "k", "sku": "A-1", "location": "main", "units": -2},
    ),
    (
        Receive(key=Key("k"), sku=SKU, location=MAIN, quantity=4),
        Moved(movements=(StockReceived(at=NOW, sku=SKU, key=Key("k"), location=MAIN, quantity=4, on_hand=7),)),
        {"command": "receive", "outcome": "moved"},
        {"key": "k", "sku": "A-1", "location": "main", "units": 4},
    ),
    (
        RecordOrder(
            snapshot=snapshot(),
            skus_of_lines=(),
            levels=(DemandLevel(line_id=LineId("1"), sku=SKU),),
            locations=(MAIN,),
        ),
        Done(),
        {"command": "order", "outcome": "done"},
        {"account": "shop", "order": "77", "status": "accepted", "skus": 1},
    ),
    (AddSku(sku=SKU, name="Mug"), Done(), {"command": "add_sku", "outcome": "done"}, {"sku": "A-1"}),
    (
        OpenStock(sku=SKU, location=MAIN, on_hand=9),
        Done(),
        {"command": "open_stock", "outcome": "done"},
        {"sku": "A-1", "location": "main", "units": 9},
    ),
]


@pytest.mark.parametrize(("command", "answer", "labels", "fields"), DECISIONS)
def test_a_decision_is_counted_and_logged_if_wanted(
    telemetry: Telemetry, command: Command, answer: Answer, labels: dict[str, str], fields: dict[str, Any]
) -> None:
    with structlog.testing.capture_logs() as silent:
        telemetry.decided(command, answer, [held()])
        telemetry.decided(command, answer, ())
    assert silent == []
    assert samples_of(telemetry)[named("decisions_total", **labels)] == 2
    assert samples_of(telemetry)[named("book_events_total", kind="units_held")] == 1
    assert lines_of(command, answer) == [
        {"event": "command.decided", "log_level": "info", "events": 1, **labels, **fields}
    ]


def distribution(name: str, value: float, bounds: list[float], **labels: str) -> dict[Sample, float]:
    """How one observation moves a histogram."""
    moved = {named(f"{name}_bucket", le=str(bound), **labels): 1.0 for bound in bounds if value <= bound}
    return {
        **moved,
        named(f"{name}_bucket", le="+Inf", **labels): 1.0,
        named(f"{name}_count", **labels): 1.0,
        named(f"{name}_sum", **labels): value,
    }


LAGS = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0]
CALLS: list[tuple[str, Act | tuple[Act, ...], dict[Sample, float]]] = [
    (
        "lapsed",
        lambda t: t.lapsed(
            [
                HoldExpired(at=NOW, sku=SKU, hold_id=HoldId("h1")),
                DemandLapsed(at=NOW, sku=SKU, account=SHOP, order_id=OrderId("1"), line_id=LineId("1")),
                OversellCleared(at=NOW, sku=SKU),
            ]
        ),
        {
            named("book_events_total", kind="hold_expired"): 1,
            named("book_events_total", kind="demand_lapsed"): 1,
            named("book_events_total", kind="oversell_cleared"): 1,
        },
    ),
    ("stalled", lambda t: t.stalled("disk full"), {named("journal_stalled"): 1}),
    ("goes on", (lambda t: t.stalled("disk full"), lambda t: t.stalled(None)), {}),
    (
        "oversold",
        (lambda t: t.committed(oversell(3)), lambda t: t.committed(oversell(0, "relieved"))),
        {
            named("oversells_total", account="shop", cause="lag"): 1,
            named("oversold_units_total", account="shop", cause="lag"): 3,
        },
    ),
    (
        "oversold by nobody",
        lambda t: t.committed(oversell(1, "count", None)),
        {
            named("oversells_total", account="none", cause="count"): 1,
            named("oversold_units_total", account="none", cause="count"): 1,
        },
    ),
    ("made good", lambda t: t.committed(OversellCleared(at=NOW, sku=SKU)), {}),
    ("other events", lambda t: t.committed(SkuAdded(at=NOW, sku=SKU)), {}),
    (
        "new order",
        lambda t: t.order_told(snapshot(3), Freshness.NEWER, 2),
        {
            named("orders_told_total", account="shop", freshness="newer"): 1,
            named("order_lines_unmatched_total", account="shop"): 2,
            **distribution("order_lag_seconds", 3.0, LAGS, account="shop"),
        },
    ),
    (
        "order from the future",
        lambda t: t.order_told(snapshot(-3), Freshness.NEWER, 0),
        {
            named("orders_told_total", account="shop", freshness="newer"): 1,
            **distribution("order_lag_seconds", 0.0, LAGS, account="shop"),
        },
    ),
    (
        "known order",
        lambda t: t.order_told(snapshot(3), Freshness.REPEAT, 2),
        {named("orders_told_total", account="shop", freshness="repeat"): 1},
    ),
    (
        "webhook",
        lambda t: t.webhook_handled(SHOP, "refetched"),
        {named("webhooks_handled_total", account="shop", outcome="refetched"): 1},
    ),
    (
        "poll",
        lambda t: t.polled(SHOP, 12, 40.0, None),
        {
            named("orders_polled_total", account="shop"): 12,
            **distribution("poll_duration_seconds", 40.0, [60.0, 300.0, 1800.0], account="shop", outcome="ok"),
        },
    ),
    (
        "failed poll",
        lambda t: t.polled(SHOP, 0, 40.0, "order 5: no"),
        distribution("poll_duration_seconds", 40.0, [60.0, 300.0, 1800.0], account="shop", outcome="failed"),
    ),
    (
        "unreadable",
        lambda t: t.order_unreadable(SHOP, OrderId("5"), "status of a plugin"),
        {named("orders_unreadable_total", account="shop"): 1},
    ),
    (
        "subscriptions",
        lambda t: t.webhooks_checked(SHOP, WebhookHealth(active=4, created=("a",), revived=("b", "c"))),
        {
            named("webhook_subscriptions", account="shop"): 4,
            named("webhook_subscriptions_created_total", account="shop"): 1,
            named("webhook_subscriptions_revived_total", account="shop"): 2,
        },
    ),
    (
        "push",
        lambda t: t.push_settled(SHOP, "applied"),
        {named("pushes_total", account="shop", verdict="applied"): 1},
    ),
    (
        "accepted",
        lambda t: t.push_accepted(SHOP, 0.05),
        distribution("sale_to_accepted_seconds", 0.05, LAGS, account="shop"),
    ),
    (
        "verified",
        lambda t: t.push_verified(SHOP, 7200.0),
        distribution("sale_to_verified_seconds", 7200.0, LAGS, account="shop"),
    ),
    ("alert", lambda t: t.alert_raised("drift"), {named("alerts_raised_total", kind="drift"): 1}),
    (
        "delivery",
        lambda t: t.alert_delivery_ended("ops", "delivered", 3),
        {named("alert_deliveries_total", destination="ops", outcome="delivered"): 3},
    ),
    ("drift", lambda t: t.drift_found(SHOP), {named("drifts_total", account="shop"): 1}),
    (
        "call",
        lambda t: t.call_ended(SHOP, "read_orders", 12.0, "Throttled"),
        {
            named("channel_calls_total", account="shop", operation="read_orders", outcome="Throttled"): 1,
            **distribution("channel_call_duration_seconds", 12.0, [30.0], account="shop", operation="read_orders"),
        },
    ),
    ("command", lambda t: t.command_received("hold"), {named("commands_total", command="hold"): 1}),
    (
        "connections",
        (lambda t: t.connections_changed(1), lambda t: t.connections_changed(1), lambda t: t.connections_changed(-1)),
        {named("connections"): 1},
    ),
    (
        "connection refused",
        lambda t: t.connection_refused("too_many"),
        {named("connections_refused_total", reason="too_many"): 1},
    ),
    (
        "clock",
        (lambda t: t.clock_stepped(3.0), lambda t: t.clock_stepped(-3.0)),
        {named("clock_steps_total", direction="forward"): 1, named("clock_steps_total", direction="back"): 1},
    ),
]


@pytest.mark.parametrize(("act", "moves"), [call[1:] for call in CALLS], ids=[call[0] for call in CALLS])
def test_a_call_moves_what_it_should_and_nothing_else(
    telemetry: Telemetry, act: Act | tuple[Act, ...], moves: dict[Sample, float]
) -> None:
    before = samples_of(telemetry)
    do(act, telemetry)
    after = samples_of(telemetry)
    moved = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    assert moved == {key: value for key, value in moves.items() if value}


def test_a_frame_is_told_in_time_events_and_bytes(telemetry: Telemetry) -> None:
    telemetry.frame_committed(30, 5000, 0.003)
    samples = samples_of(telemetry)
    assert samples[named("commit_duration_seconds_bucket", le="0.0025")] == 0
    assert samples[named("commit_duration_seconds_bucket", le="0.005")] == 1
    assert samples[named("commit_duration_seconds_sum")] == 0.003
    assert samples[named("commit_events_bucket", le="10.0")] == 0
    assert samples[named("commit_events_bucket", le="30.0")] == 1
    assert samples[named("commit_size_bytes_sum")] == 5000
    assert samples[named("commit_size_bytes_count")] == 1


def do(act: Act | tuple[Act, ...], telemetry: Telemetry) -> None:
    for each in act if isinstance(act, tuple) else (act,):
        each(telemetry)


def hear_everything(telemetry: Telemetry, number: int = 0) -> None:
    """Call every listener method once, with ids of this number."""
    for command, answer, _, _ in DECISIONS:
        telemetry.decided(command, answer, [held(f"A-{number}", f"h{number}")])
    telemetry.decided(hold(f"A-{number}", f"h{number}"), Refusal(code="NOSUCHSKU", text=f"sku=A-{number}"), ())
    telemetry.frame_committed(number, number, number / 1000)
    telemetry.order_told(snapshot(number, str(number)), Freshness.NEWER, 0)
    telemetry.order_unreadable(SHOP, OrderId(str(number)), f"reason {number}")
    telemetry.polled(SHOP, number, number, f"problem {number}")
    telemetry.stalled(f"reason {number}")
    for _, act, _ in CALLS:
        do(act, telemetry)


def test_ids_and_reasons_never_become_labels(telemetry: Telemetry) -> None:
    hear_everything(telemetry)
    before = samples_of(telemetry)
    for number in range(1, 200):
        hear_everything(telemetry, number)
    assert samples_of(telemetry).keys() == before.keys()


def test_telemetry_is_every_listener_there_is(telemetry: Telemetry) -> None:
    engine: NodeListener = telemetry  # the type checker judges
    socket: SocketListener = telemetry
    assert (engine, socket) == (telemetry, telemetry)


def test_the_text_parses_and_no_family_comes_twice(telemetry: Telemetry) -> None:
    hear_everything(telemetry)
    text = telemetry.exposition()
    families = [family.name for family in text_string_to_metric_families(text)]
    assert len(families) == len(set(families)) > 30
    assert all(name.startswith("lastunit_") for name in families)
    assert text.endswith("\n")


def test_a_decision_costs_next_to_nothing(telemetry: Telemetry) -> None:
    command, answer, *_ = DECISIONS[0]
    events = [held()]
    count = 5_000
    seconds = min(timeit.repeat(lambda: telemetry.decided(command, answer, events), number=count, repeat=7)) / count
    assert seconds < 5e-6, f"{seconds * 1e6:.2f} us; it was 0.3"
