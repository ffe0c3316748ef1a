"""From events to findings: oversells, drifts, fuses, violations, counts; the state of accounts; cancellations."""

from collections.abc import Mapping
from datetime import date, timedelta

import msgspec
import pytest

from engine.domain.alerts import AlertKind, Finding
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DemandSet,
    DriftFound,
    ListingDropped,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    PushVerified,
    SnapshotFused,
    StockConfirmed,
    StockCounted,
    ViolationCleared,
    ViolationFound,
)
from engine.domain.units import Key, LineId, ListingId, LocationId, OrderId, Sku
from engine.machines.alerts.accounthealth import AccountHealth, AccountHealthTerms, Standing
from engine.machines.alerts.cancellations import ORDERS_MAX, Cancellations, CancellationTerms
from engine.machines.alerts.conditions import REFUSED_MAX, Conditions, ConditionTerms
from engine.machines.alerts.findings import Findings
from tests.fakes.books import HERE, THERE, A
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line

LISTING = ListingId("l/1")


class Ears:
    """Findings of machines under test; every alert that could be open is taken to be open."""

    def __init__(self) -> None:
        self.findings = Findings(ignored=(), is_known=lambda _: True)
        self.findings.live = True

    def heard(self) -> dict[AlertKind, str]:
        """Return the texts of what began, empty for what ended, by kind."""
        taken = self.findings.take()
        return {kind: "" if ended or finding is None else finding.text for (kind, _), (finding, ended) in taken.items()}


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
def conditions(ears: Ears) -> Conditions:
    return Conditions(ears.findings, ConditionTerms(drift_seconds=60, count_variance_percent=3))


def oversold(units: int = 2) -> OversellRecorded:
    return OversellRecorded(
        at=START, sku=A, units=units, open_units=2, account=SHOP, order_id=OrderId("7"), cause="lag"
    )


def test_an_oversell_names_units_order_and_cause(ears: Ears, conditions: Conditions) -> None:
    conditions.oversell_recorded(oversold())
    text = f"A: 2 promised beyond what there is, order {SHOP}/7; cause: lag"
    assert ears.heard() == {AlertKind.OVERSELL: text}
    assert [finding.subject for finding in conditions.holding()] == ["A"]
    conditions.oversell_cleared(OversellCleared(at=START, sku=A))
    assert ears.heard() == {AlertKind.OVERSELL: ""}
    assert list(conditions.holding()) == []
    conditions.oversell_cleared(OversellCleared(at=START, sku=A))
    assert ears.heard() == {}


def test_a_drift_is_told_if_it_lasts(ears: Ears, conditions: Conditions) -> None:
    drift = DriftFound(at=START, account=SHOP, listing_id=LISTING, version=1, shown=None, expected=4)
    conditions.drift_found(drift)
    assert list(conditions.holding()) == []
    conditions.look(START + timedelta(seconds=59))
    assert ears.heard() == {}
    conditions.drift_found(msgspec.structs.replace(drift, at=START + timedelta(seconds=30), version=2))
    assert conditions.due_at() == START.timestamp() + 60, "found again, it has lasted all the time"
    conditions.look(START + timedelta(seconds=60))
    assert ears.heard() == {AlertKind.DRIFT: f"{SHOP}/l/1: shows no number and was told 4"}
    assert len(list(conditions.holding())) == 1


@pytest.mark.parametrize(
    "end",
    [
        PushVerified(at=START, account=SHOP, listing_id=LISTING, version=2, shown=4),
        ListingDropped(at=START, account=SHOP, listing_id=LISTING),
    ],
)
def test_a_drift_that_heals_in_time_is_no_alert(
    ears: Ears, conditions: Conditions, end: PushVerified | ListingDropped
) -> None:
    drift = DriftFound(at=START, account=SHOP, listing_id=LISTING, version=1, shown=9, expected=4)
    conditions.drift_over(end)
    conditions.drift_found(drift)
    conditions.drift_over(end)
    conditions.look(START + timedelta(days=1))
    assert AlertKind.DRIFT not in {kind for kind, text in ears.heard().items() if text}
    assert conditions.due_at() == float("inf")


def test_a_fuse_is_an_alert_and_a_person_s_pause_is_none(ears: Ears, conditions: Conditions) -> None:
    conditions.account_paused(AccountPaused(at=START, account=SHOP, reason="CHANNEL PAUSE"))
    conditions.account_resumed(AccountResumed(at=START, account=SHOP))
    assert ears.heard() == {}
    conditions.account_paused(AccountPaused(at=START, account=SHOP, reason="fuse: 900 listings would fall to zero"))
    assert ears.heard() == {
        AlertKind.FUSE: f"{SHOP}: held back: fuse: 900 listings would fall to zero;"
        f" look why, then CHANNEL RESUME {SHOP}"
    }
    conditions.account_resumed(AccountResumed(at=START, account=SHOP))
    assert ears.heard() == {AlertKind.FUSE: ""}


def fused(key: str = "s-9", source: str = "3pl", seconds: float = 0) -> SnapshotFused:
    return SnapshotFused(
        at=START,
        key=Key(key),
        location=HERE,
        source=source,
        as_of=START + timedelta(seconds=seconds),
        rows=40,
        falling=13,
        share_max=0.3,
        rows_min=10,
    )


def seen(source: str = "3pl", seconds: float = 0, location: LocationId = HERE) -> StockConfirmed:
    as_of = START + timedelta(seconds=seconds)
    return StockConfirmed(
        at=START, key=Key("s"), location=location, source=source, as_of=as_of, nets_open_orders=False, rows=((A, 1),)
    )


def test_a_refused_snapshot_is_an_alert_until_a_newer_one_of_its_source_and_place_is_applied(
    ears: Ears, conditions: Conditions
) -> None:
    """DESIGN.md law 8, lesson I2."""
    conditions.observed(seen())
    assert ears.heard() == {}
    conditions.snapshot_fused(fused())
    assert ears.heard() == {
        AlertKind.FUSE: f"3pl@{HERE}: snapshot s-9 was refused: 13 of 40 rows would fall to zero (more than 30 % and at"
        " least 10 is too much at once); look at the feed, and if it is true send it again with FORCE"
    }
    for other in (seen("erp"), seen(location=THERE), seen(seconds=-1)):
        conditions.observed(other)
        assert ears.heard() == {}, "another partner, another place, an older one that was under way"
    assert [finding.subject for finding in conditions.holding()] == [f"3pl@{HERE}"]
    conditions.observed(seen())
    assert ears.heard() == {AlertKind.FUSE: ""}, "the same, forced"
    assert list(conditions.holding()) == []


def test_of_refused_snapshots_the_newest_has_to_be_made_good(ears: Ears, conditions: Conditions) -> None:
    conditions.snapshot_fused(fused(seconds=60))
    conditions.snapshot_fused(fused("late"))
    ears.heard()
    conditions.observed(seen(seconds=59))
    assert ears.heard() == {}
    conditions.observed(seen(seconds=60))
    assert ears.heard() == {AlertKind.FUSE: ""}


def test_a_person_s_word_ends_a_refused_snapshot_and_no_account_s_fuse(ears: Ears, conditions: Conditions) -> None:
    conditions.account_paused(AccountPaused(at=START, account=SHOP, reason="fuse: 900 listings"))
    conditions.snapshot_fused(fused())
    ears.heard()
    for finding in tuple(conditions.holding()):
        conditions.resolved_by_hand(finding.key)
    assert [finding.subject for finding in conditions.holding()] == [SHOP]


def test_sources_that_anybody_may_name_are_not_kept_without_end(ears: Ears, conditions: Conditions) -> None:
    """Law 10."""
    for number in range(REFUSED_MAX + 5):
        conditions.snapshot_fused(fused(source=f"s{number}"))
    assert len(list(conditions.holding())) == REFUSED_MAX


def test_a_broken_law_holds_until_a_scan_says_otherwise(ears: Ears, conditions: Conditions) -> None:
    conditions.violation_found(ViolationFound(at=START, law="sum", sku=A, location=HERE, expected=3, found=4))
    assert ears.heard() == {AlertKind.LEDGER_VIOLATION: f"A@{HERE}: sum: expected 3, found 4"}
    conditions.violation_cleared(ViolationCleared(at=START, law="other", sku=A, location=HERE))
    assert ears.heard() == {}
    conditions.violation_cleared(ViolationCleared(at=START, law="sum", sku=A, location=HERE))
    assert ears.heard() == {AlertKind.LEDGER_VIOLATION: ""}


def counted(units: int, expected: int) -> StockCounted:
    return StockCounted(
        at=START,
        sku=A,
        key=Key("c"),
        location=HERE,
        counted=units,
        taken_at=START,
        expected=expected,
        delta=units - expected,
        applied=True,
        on_hand=units,
    )


@pytest.mark.parametrize(
    ("units", "expected", "text"),
    [
        (97, 100, ""),
        (96, 100, f"A@{HERE}: counted 96, expected 100: -4.0 % (limit 3 %)"),
        (104, 100, f"A@{HERE}: counted 104, expected 100: +4.0 % (limit 3 %)"),
        (1, 0, f"A@{HERE}: counted 1, expected 0: where none was expected (limit 3 %)"),
        (0, 0, ""),
    ],
)
def test_a_count_may_differ_by_a_share(
    ears: Ears, conditions: Conditions, units: int, expected: int, text: str
) -> None:
    conditions.counted(counted(units, expected))
    assert ears.heard() == {AlertKind.COUNT_VARIANCE: text}


# -- accounts


def standing(state: str = "live", *, lag_seconds: float = 0.0, rejected: Mapping[str, str] | None = None) -> Standing:
    return Standing(SHOP, state, "connection refused", lag_seconds, rejected or {})


class Watch:
    """Looks at one account every ten seconds."""

    def __init__(self, ears: Ears, expire_on: date | None = None) -> None:
        terms = AccountHealthTerms(sync_seconds=60, unaccepted_seconds=100, credentials_days=14)
        self.health = AccountHealth(ears.findings, terms, {} if expire_on is None else {SHOP: expire_on})
        self.now = START
        self.ears = ears

    def look(self, *standings: Standing) -> list[str]:
        said = []
        for each in standings:
            self.health.look([each], self.now)
            said.append(self.ears.heard().get(AlertKind.SYNC_FAILURE, "unknown"))
            self.now += timedelta(seconds=10)
        return said


def test_an_account_may_be_away_for_a_while(ears: Ears) -> None:
    said = Watch(ears).look(*[standing("unreachable")] * 8, standing("catching_up"), standing())
    assert said[:6] == ["unknown"] * 6
    assert said[6:8] == [f"{SHOP}: unreachable for {seconds} s: connection refused" for seconds in (60, 70)]
    assert said[8:] == ["unknown", ""]


def test_orders_that_are_never_caught_up_are_a_failure(ears: Ears) -> None:
    assert Watch(ears).look(*[standing("catching_up")] * 7)[-1].startswith(f"{SHOP}: catching_up for 60 s")


def test_a_change_that_is_not_accepted_is_a_failure(ears: Ears) -> None:
    assert Watch(ears).look(standing(lag_seconds=99), standing(lag_seconds=100)) == [
        "",
        f"{SHOP}: a change has not been accepted for 100 s",
    ]


def test_rejected_credentials_are_a_failure_at_once(ears: Ears) -> None:
    said = Watch(ears).look(standing(rejected={"ensure_webhooks": "HTTP 401"}))
    assert said == [f"{SHOP}: the channel refuses our credentials for ensure_webhooks: HTTP 401"]


def test_what_a_person_paused_is_no_failure(ears: Ears) -> None:
    assert Watch(ears).look(standing("paused", lag_seconds=1e6), standing("off", lag_seconds=1e6)) == ["unknown", ""]


@pytest.mark.parametrize(
    ("day", "text"),
    [
        (date(2026, 11, 26), ""),
        (date(2026, 11, 25), f"{SHOP}: credentials expire on 2026-11-25 (14 days left)"),
        (date(2026, 11, 11), f"{SHOP}: credentials expire on 2026-11-11 (0 days left)"),
        (date(2026, 11, 10), f"{SHOP}: credentials expired on 2026-11-10"),
    ],
)
def test_a_person_is_told_before_credentials_expire(ears: Ears, day: date, text: str) -> None:
    Watch(ears, day).health.look([], START)
    assert ears.heard() == {AlertKind.CREDENTIALS_EXPIRING: text}


# -- cancellations


class Shop:
    """Orders of one line each."""

    def __init__(self, ears: Ears, **terms: float) -> None:
        self.oversold: dict[Sku, Finding] = {}
        settings = CancellationTerms(**({"percent": 10, "days": 7, "lines_min": 10} | terms))  # type: ignore[arg-type]
        self.cancellations = Cancellations(ears.findings, settings, self.oversold)
        self.now = START
        self.ears = ears

    def order(self, number: int, *, cancelled: int = 0, status: str = "") -> None:
        lines = (order_line("A", 2, cancelled=cancelled),)
        snapshot = msgspec.structs.replace(order(*lines, order_id=str(number)), channel_status=status)
        self.cancellations.recorded(OrderRecorded(at=self.now, snapshot=snapshot, skus=(A,)))
        self.cancellations.changed(
            DemandSet(at=self.now, sku=A, account=SHOP, order_id=OrderId(str(number)), line_id=LineId("1"))
        )

    def said(self) -> str:
        return self.ears.heard().get(AlertKind.STOCK_CANCELLATIONS, "unknown")


def test_cancellations_while_a_sku_is_oversold_are_counted_against_all_lines(ears: Ears) -> None:
    shop = Shop(ears)
    for number in range(20):
        shop.order(number)
    shop.order(0, cancelled=2)
    assert shop.said() == "", "cancelled for another reason"
    shop.oversold[A] = Finding(kind=AlertKind.OVERSELL, subject="A", text="")
    shop.order(1, cancelled=1)
    shop.order(2, cancelled=2)
    shop.order(2, cancelled=2)
    assert shop.said() == "", "two of twenty are ten percent, which may be"
    shop.order(3, cancelled=2)
    assert shop.said() == (
        f"{SHOP}: 3 of 20 order lines of 7 days were cancelled for want of stock: 15.0 % (limit 10 %)"
    )
    for number in range(20, 30):
        shop.order(number)
    assert shop.said() == ""


def test_what_left_the_window_is_no_order_any_more_whether_or_not_anybody_has_looked(ears: Ears) -> None:
    """Replay looks only when something happens; live, every fifteen seconds."""
    looked, did_not = Shop(ears, lines_min=2), Shop(ears, lines_min=2)
    for shop in (looked, did_not):
        shop.oversold[A] = Finding(kind=AlertKind.OVERSELL, subject="A", text="")
        shop.order(1, cancelled=2)
        shop.now += timedelta(days=8)
    looked.cancellations.look(looked.now)
    for shop in (looked, did_not):
        shop.order(1, cancelled=2)
        assert [len(each.orders) for each in shop.cancellations._windows.values()] == [1]
        assert [len(each.cancelled) for each in shop.cancellations._windows.values()] == [1]


def test_a_change_is_judged_by_the_order_that_brought_it_and_no_earlier_one(ears: Ears) -> None:
    shop = Shop(ears, lines_min=1)
    snapshot = order(order_line("A", 2, cancelled=2), order_id="1")
    shop.cancellations.recorded(OrderRecorded(at=START, snapshot=snapshot, skus=(A,)), 1)
    shop.oversold[A] = Finding(kind=AlertKind.OVERSELL, subject="A", text="")
    moved = DemandSet(at=START, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"))
    shop.cancellations.changed(moved, 2)
    assert shop.said() == ""


def test_one_of_few_lines_is_no_trend(ears: Ears) -> None:
    shop = Shop(ears)
    for number in range(9):
        shop.order(number, status="Out of stock", cancelled=2)
    assert shop.said() == ""
    shop.order(9, status="out-of-stock", cancelled=2)
    assert "10 of 10" in shop.said()


def test_what_left_the_window_counts_no_more(ears: Ears) -> None:
    shop = Shop(ears)
    for number in range(10):
        shop.order(number, status="OUT_OF_STOCK", cancelled=2)
    assert shop.said() != ""
    shop.now += timedelta(days=7, seconds=1)
    shop.cancellations.look(shop.now)
    assert shop.said() == ""
    window = shop.cancellations._windows[SHOP]
    assert (window.lines, len(window.orders), len(window.cancelled)) == (0, 0, 0)


@pytest.mark.slow
def test_of_very_many_orders_the_newest_are_remembered(ears: Ears) -> None:
    """Law 10."""
    shop = Shop(ears)
    for number in range(ORDERS_MAX + 10):
        shop.order(number)
    window = shop.cancellations._windows[SHOP]
    assert (window.lines, len(window.orders)) == (ORDERS_MAX, ORDERS_MAX)


# -- findings


def test_in_replay_only_what_is_found_at_an_instant_is_kept_until_its_alert_is_replayed() -> None:
    known: set[object] = set()
    findings = Findings(ignored=(), is_known=known.__contains__)
    count = Finding(kind=AlertKind.COUNT_VARIANCE, subject="A", text="")
    findings.begin(count)
    findings.begin(Finding(kind=AlertKind.OVERSELL, subject="A", text=""))
    assert len(findings) == 1
    findings.settle(count.key)
    assert len(findings) == 0
    known.add(count.key)
    findings.begin(count)
    assert len(findings) == 0
    findings.end(count.key)
    assert len(findings) == 1


def test_what_is_ignored_is_not_found() -> None:
    findings = Findings(ignored=(AlertKind.DRIFT,), is_known=lambda _: False)
    findings.live = True
    findings.begin(Finding(kind=AlertKind.DRIFT, subject="A", text=""))
    findings.happen(Finding(kind=AlertKind.DRIFT, subject="A", text=""))
    assert len(findings) == 0


def test_ends_of_what_nobody_was_told_of_are_not_kept() -> None:
    findings = Findings(ignored=(), is_known=lambda _: False)
    findings.live = True
    findings.end((AlertKind.DRIFT, "A"))
    assert len(findings) == 0
