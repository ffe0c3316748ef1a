"""Orders and refunds as snapshots: every path nets to what is on the shelf."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.woocommerce.orders import OrderUnreadable, build_snapshot, needs_refunds
from adapters.channels.woocommerce.wire import (
    ORDER,
    REFUNDS,
    Scalar,
    WooCommerceSettings,
    format_instant,
    parse_instant,
)
from engine.domain.orders import OrderLine, OrderSnapshot, OrderStatus, check_snapshot
from engine.domain.units import AccountId

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
SETTINGS = WooCommerceSettings(
    account=AccountId("shop"), url="https://shop.test", consumer_key="ck_test", consumer_secret="cs_test"
)

Json = dict[str, Any]


def set_up(**changes: object) -> WooCommerceSettings:
    return msgspec.structs.replace(SETTINGS, **changes)


ORDER_ROW: Json = {
    "id": 727,
    "status": "processing",
    "date_created_gmt": "2026-11-11T10:00:00",
    "date_modified_gmt": "2026-11-11T11:00:00",
    "date_completed_gmt": None,
    "line_items": [{"id": 1, "product_id": 10, "variation_id": 12, "sku": "A-1", "quantity": 3, "meta_data": []}],
    "refunds": [],
}


def meta(**notes: object) -> list[Json]:
    return [{"id": n, "key": key, "value": value} for n, (key, value) in enumerate(notes.items())]


def tell(changes: Json, refunds: list[Json] | None = None, **changed: object) -> OrderSnapshot:
    refunds = refunds or []
    mentioned = {"refunds": [{"id": refund["id"], "reason": "", "total": "-1"} for refund in refunds]}
    order = ORDER.decode(json.dumps(ORDER_ROW | mentioned | changes))
    read = REFUNDS.decode(json.dumps(refunds))
    return build_snapshot(order, read, set_up(**changed), read_at=NOW)


def counts(line: OrderLine) -> tuple[int, int, int, int]:
    return line.ordered, line.cancelled, line.shipped, line.returned


def lines(quantity: Scalar = 3, **notes: object) -> Json:
    row = ORDER_ROW["line_items"][0] | {"quantity": quantity, "meta_data": meta(**notes)}
    return {"line_items": [row]}


def refund(quantity: Scalar, at: str = "2026-11-11T10:30:00", *, of: int | None = 1) -> Json:
    named = meta(_refunded_item_id=str(of)) if of is not None else []
    row = {"id": 90, "product_id": 10, "variation_id": 12, "quantity": quantity, "meta_data": named}
    return {"id": 800, "date_created_gmt": at, "line_items": [row]}


@pytest.mark.parametrize(
    ("status", "read", "held_minutes", "counted"),
    [
        ("checkout-draft", OrderStatus.DRAFT, 10 - 120, (3, 0, 0, 0)),
        ("pending", OrderStatus.PENDING, 60 - 60, (3, 0, 0, 0)),
        ("on-hold", OrderStatus.ON_HOLD, None, (3, 0, 0, 0)),
        ("processing", OrderStatus.ACCEPTED, None, (3, 0, 0, 0)),
        ("completed", OrderStatus.SHIPPED, None, (3, 0, 3, 0)),
        ("cancelled", OrderStatus.CANCELLED, None, (3, 3, 0, 0)),
        ("failed", OrderStatus.CANCELLED, None, (3, 3, 0, 0)),
        ("refunded", OrderStatus.REFUNDED, None, (3, 3, 0, 0)),
        ("packed", OrderStatus.ACCEPTED, None, (3, 0, 0, 0)),
        ("trash", OrderStatus.CANCELLED, None, (3, 3, 0, 0)),
    ],
)
def test_every_status_says_what_becomes_of_the_units(
    status: str, read: OrderStatus, held_minutes: int | None, counted: tuple[int, int, int, int]
) -> None:
    """Lesson B8: bank transfer and cash on delivery never expire. A draft is held from its start, pending from its
    last change.
    """
    snapshot = tell({"status": status}, status_map={"packed": OrderStatus.ACCEPTED}, trashed="cancel")
    assert (snapshot.status, snapshot.channel_status, snapshot.notes) == (read, status, ())
    assert snapshot.held_until == (None if held_minutes is None else NOW + timedelta(minutes=held_minutes))
    assert counts(snapshot.lines[0]) == counted
    assert (snapshot.placed_at, snapshot.modified_at, snapshot.read_at) == (
        NOW - timedelta(hours=2),
        NOW - timedelta(hours=1),
        NOW,
    )


def test_a_shop_that_never_gives_up_on_unpaid_orders_keeps_them_held() -> None:
    snapshot = tell({"status": "pending"}, pending_minutes=None)
    assert snapshot.held_until is None


def test_a_completed_order_in_the_trash_was_tidied_away_not_cancelled() -> None:
    changes = {"status": "trash", "date_completed_gmt": "2026-11-11T10:40:00"}
    snapshot = tell(changes, trashed="cancel")
    assert counts(snapshot.lines[0]) == (3, 0, 3, 0)


COMPLETED = {"status": "completed", "date_completed_gmt": "2026-11-11T10:40:00"}
AFTER = "2026-11-11T10:50:00"


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("changes", "refunds", "restock", "counted"),
    [
        # before shipping
        (lines(_reduced_stock="2", _restock_refunded_items="1"), [refund(1)], "meta", (3, 1, 0, 0)),
        (lines(_reduced_stock="3"), [refund(1)], "meta", (3, 0, 1, 0)),
        (lines(_reduced_stock=2), [refund(1)], "meta", (3, 1, 0, 0)),  # versions before the tally
        (lines(), [refund(1)], "meta", (3, 1, 0, 0)),
        (lines(_reduced_stock="3"), [refund(1)], "always", (3, 1, 0, 0)),
        (lines(_restock_refunded_items="1"), [refund(1)], "never", (3, 0, 1, 0)),
        # after completion
        (lines(_restock_refunded_items="1") | COMPLETED, [refund(1, AFTER)], "meta", (3, 0, 3, 1)),
        (lines(_reduced_stock="3") | COMPLETED, [refund(1, AFTER)], "meta", (3, 0, 3, 0)),
        # one before, completed later
        (lines(_restock_refunded_items="1") | COMPLETED, [refund(1)], "meta", (3, 1, 2, 0)),
        (lines(_reduced_stock="3") | COMPLETED, [refund(1)], "meta", (3, 0, 3, 0)),
        # refunded: nothing is owed, and the notes say what came back
        (lines(_reduced_stock="0", _restock_refunded_items="3") | {"status": "refunded"}, [], "meta", (3, 3, 0, 0)),
        (lines(_reduced_stock="3") | {"status": "refunded"}, [], "meta", (3, 0, 3, 0)),
        (lines(_reduced_stock="3") | COMPLETED | {"status": "refunded"}, [], "meta", (3, 0, 3, 0)),
        (
            lines(_restock_refunded_items="2") | COMPLETED | {"status": "refunded"},
            [refund(1), refund(2, AFTER) | {"id": 801}],
            "meta",
            (3, 1, 2, 1),
        ),
        # cancelled after a refund: all came back, whatever was noted
        (lines(_restock_refunded_items="1") | {"status": "cancelled"}, [refund(1)], "meta", (3, 3, 0, 0)),
        # the refund was deleted again, its tally stays
        (lines(_restock_refunded_items="1"), [], "meta", (3, 0, 0, 0)),
        # completed once, reopened: what was refunded is not owed
        (lines() | COMPLETED | {"status": "processing"}, [refund(1, AFTER)], "meta", (3, 1, 0, 0)),
        # only money was given back
        (lines(), [refund(0)], "meta", (3, 0, 0, 0)),
    ],
)
def test_a_refund_moves_units_once_and_only_where_they_went(
    changes: Json,
    refunds: list[Json],
    restock: str,
    counted: tuple[int, int, int, int],
    sign: int,
) -> None:
    """Lessons B1, C5, C8: every path nets to what is on the shelf; WooCommerce writes refunded quantities negative."""
    for one in refunds:
        one["line_items"][0]["quantity"] = sign * abs(one["line_items"][0]["quantity"])
    snapshot = tell(changes, refunds, refund_restock=restock)
    assert (counts(snapshot.lines[0]), snapshot.notes) == (counted, ())


def test_a_line_deleted_after_its_refund_restocks_nothing_twice() -> None:
    """Lesson C1: the refund names a line that is gone; another line of the same product is not its heir."""
    other = ORDER_ROW["line_items"][0] | {"id": 2}
    snapshot = tell({"line_items": [other]}, [refund(-1, of=1)])
    assert [counts(line) for line in snapshot.lines] == [(3, 0, 0, 0)]
    assert snapshot.notes == ()


def test_a_refund_that_names_no_line_is_matched_by_product_over_all_its_lines() -> None:
    second = ORDER_ROW["line_items"][0] | {"id": 2, "quantity": 2}
    both = {"line_items": [ORDER_ROW["line_items"][0], second]}
    snapshot = tell(both, [refund(-4, of=None)])
    assert [counts(line) for line in snapshot.lines] == [(3, 3, 0, 0), (2, 1, 0, 0)]
    assert snapshot.notes == ()


def test_more_refunded_than_ordered_is_clamped_and_told() -> None:
    snapshot = tell({}, [refund(-5)])
    assert counts(snapshot.lines[0]) == (3, 3, 0, 0)
    assert snapshot.notes == ("refund 800 has 2 units more of line 1 than were ordered",)


def test_a_refund_that_the_order_no_longer_mentions_counts_nothing() -> None:
    snapshot = tell({"refunds": []}, [refund(-1)])
    assert counts(snapshot.lines[0]) == (3, 0, 0, 0)


@pytest.mark.parametrize(
    ("row", "sku", "listing_id"),
    [
        ({"product_id": 10, "variation_id": 12, "sku": "A"}, "A", "10/12"),
        ({"product_id": 11, "variation_id": 0, "sku": ""}, None, "11"),
        ({"product_id": "11", "variation_id": "0", "sku": None}, None, "11"),
        ({"product_id": 0, "variation_id": 0, "sku": None}, None, None),
        ({"product_id": 0, "variation_id": 0, "sku": "FEE"}, "FEE", None),
    ],
)
def test_a_line_names_its_sku_and_listing_as_far_as_the_shop_knows_them(
    row: Json, sku: str | None, listing_id: str | None
) -> None:
    """Lesson C6: the line and listing ids stay when a SKU is renamed."""
    snapshot = tell({"line_items": [{"id": 5, "quantity": 1, **row}]})
    line = snapshot.lines[0]
    assert (line.line_id, line.sku, line.listing_id) == ("5", sku, listing_id)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "awaiting-pickup"}, "'awaiting-pickup' is unknown: say what it means in `status_map`"),
        (lines(1.5), "line 1: 1.5 is not a whole number"),
        (lines(-1), "line 1: quantity -1"),
        (lines(None), "line 1: quantity None"),
        ({"date_created_gmt": None, "date_modified_gmt": "-0001-11-30T00:00:00"}, "no usable date"),
        ({"line_items": ORDER_ROW["line_items"] * 2}, "line 1 appears twice"),
    ],
)
def test_an_order_that_cannot_be_told_without_guessing_is_not_told(changes: Json, why: str) -> None:
    with pytest.raises(OrderUnreadable, match=why):
        tell(changes)


def test_refunds_are_fetched_only_where_they_change_something() -> None:
    def needed(**changes: object) -> bool:
        return needs_refunds(ORDER.decode(json.dumps(ORDER_ROW | {"refunds": [{"id": 800}]} | changes)), SETTINGS)

    assert needed()
    assert needed(**COMPLETED)
    assert needed(status="refunded", date_completed_gmt="2026-11-11T10:40:00")
    assert not needed(refunds=[])
    assert not needed(status="cancelled")
    assert not needed(status="refunded")


@given(
    status=st.sampled_from(["pending", "processing", "completed", "cancelled", "refunded", "on-hold"]),
    quantity=st.integers(0, 5),
    refunded=st.lists(st.tuples(st.integers(-6, 6), st.booleans(), st.sampled_from([1, 2, None])), max_size=3),
    completed=st.booleans(),
    notes=st.dictionaries(st.sampled_from(["_reduced_stock", "_restock_refunded_items"]), st.integers(-2, 8)),
    restock=st.sampled_from(["meta", "always", "never"]),
)
def test_the_counts_of_a_line_never_contradict_each_other(
    status: str,
    quantity: int,
    refunded: list[tuple[int, bool, int | None]],
    completed: bool,
    notes: dict[str, int],
    restock: str,
) -> None:
    refunds = [
        refund(units, AFTER if late else "2026-11-11T10:30:00", of=of) | {"id": 800 + n}
        for n, (units, late, of) in enumerate(refunded)
    ]
    changes = lines(quantity, **notes) | {"status": status}
    if completed:
        changes["date_completed_gmt"] = "2026-11-11T10:40:00"
    snapshot = tell(changes, refunds, refund_restock=restock)
    line = snapshot.lines[0]
    assert check_snapshot(snapshot) is None
    assert line.ordered == quantity
    assert line.open_units >= 0
    if status in {"completed", "cancelled", "refunded"}:
        assert line.open_units == 0
    if restock == "never" and status != "cancelled":
        assert (line.cancelled, line.returned) == (0, 0)


@given(instant=st.datetimes(datetime(1990, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_dates_are_utc_without_a_zone_and_never_later_than_meant(instant: datetime) -> None:
    text = format_instant(instant)
    assert text.endswith(instant.strftime(":%S"))
    assert parse_instant(text) == instant.replace(microsecond=0)
