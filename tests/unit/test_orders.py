"""Snapshots are compared by version and content, never by arrival."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from engine.domain.orders import Freshness, OrderLine, OrderSnapshot, OrderStatus, check_snapshot, judge_freshness
from engine.domain.units import AccountId, LineId, OrderId, Sku

NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


def snapshot(**changes: object) -> OrderSnapshot:
    base = OrderSnapshot(
        account=AccountId("shop"),
        order_id=OrderId("1"),
        status=OrderStatus.ACCEPTED,
        placed_at=NOON,
        modified_at=NOON,
        lines=(OrderLine(line_id=LineId("1"), sku=Sku("A"), ordered=2),),
    )
    return msgspec.structs.replace(base, **changes)


CANCELLED = (OrderLine(line_id=LineId("1"), sku=Sku("A"), ordered=2, cancelled=2),)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("known", "candidate", "verdict"),
    [
        (None, snapshot(), Freshness.NEWER),
        (snapshot(), snapshot(modified_at=NOON + SECOND), Freshness.NEWER),
        (snapshot(), snapshot(modified_at=NOON - SECOND, lines=CANCELLED), Freshness.STALE),
        (snapshot(), snapshot(), Freshness.REPEAT),
        (snapshot(), snapshot(read_at=NOON), Freshness.REPEAT),
        (snapshot(), snapshot(lines=CANCELLED), Freshness.UNSURE),
        (snapshot(), snapshot(lines=CANCELLED, read_at=NOON + SECOND), Freshness.NEWER),
        (snapshot(read_at=NOON), snapshot(lines=CANCELLED, read_at=NOON + SECOND), Freshness.NEWER),
        (snapshot(read_at=NOON + SECOND), snapshot(lines=CANCELLED, read_at=NOON), Freshness.STALE),
    ],
)
def test_newest_wins_and_a_tie_within_a_second_is_never_guessed(
    known: OrderSnapshot | None, candidate: OrderSnapshot, verdict: Freshness
) -> None:
    """Lessons D11, D15: repeats and late arrivals change nothing."""
    assert judge_freshness(known, candidate) is verdict


def test_contradictory_counts_are_named() -> None:
    bad = snapshot(lines=(OrderLine(line_id=LineId("7"), sku=Sku("A"), ordered=1, cancelled=1, shipped=1),))
    assert check_snapshot(bad) == "line 7: cancelled 1 + shipped 1 > ordered 1"
    assert check_snapshot(snapshot()) is None
