"""Where orders are picked up: what WooCommerce says of it, and what the configuration makes of that."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.woocommerce.orders import build_snapshot
from adapters.channels.woocommerce.pickup import Pickup, find_pickup
from adapters.channels.woocommerce.wire import ORDER, WooCommerceSettings
from engine.domain.orders import OrderSnapshot, OrderStatus
from engine.domain.units import LocationId
from tests.unit.test_woocommerce_orders import NOW, ORDER_ROW, SETTINGS

BERLIN, HAMBURG = LocationId("berlin"), LocationId("hamburg")
PLACES = {"Mitte & Wedding": BERLIN, "Altona": HAMBURG, "local_pickup:3": BERLIN, "local_pickup": HAMBURG}


def line(method: str, instance: object = "0", name: str | None = None) -> dict[str, Any]:
    meta = [] if name is None else [{"id": 1, "key": "pickup_location", "value": name}]
    address = {"id": 2, "key": "pickup_address", "value": "Torstr. 1, Berlin"}
    return {"id": 9, "method_id": method, "instance_id": instance, "total": "0.00", "meta_data": [*meta, address]}


def find(*rows: object, places: dict[str, LocationId] = PLACES) -> Pickup:
    return find_pickup(ORDER.decode(json.dumps(ORDER_ROW | {"shipping_lines": rows})), places)


@pytest.mark.parametrize(
    ("row", "location"),
    [
        (line("pickup_location", "0", "Altona"), HAMBURG),
        (line("pickup_location", 0, "Mitte &amp; Wedding"), BERLIN),  # wp_kses_post
        (line("pickup_location", "0", " mitte  & wedding "), BERLIN),
        (line("local_pickup", "3"), BERLIN),
        (line("local_pickup", 3), BERLIN),
        (line("local_pickup", "4"), HAMBURG),
        (line("local_pickup"), HAMBURG),
        (line("local_pickup", "4", "Mitte &amp; Wedding"), BERLIN),  # the name says more than the method
    ],
)
def test_a_place_is_found_by_its_name_then_by_method_and_zone_then_by_method(
    row: dict[str, Any], location: LocationId
) -> None:
    assert find(row) == Pickup(location=location)


def test_a_plugins_own_method_is_a_pickup_once_it_is_configured() -> None:
    assert find(line("click_and_collect", "7")) == Pickup()
    assert find(line("click_and_collect", "7"), places={"click_and_collect": BERLIN}) == Pickup(location=BERLIN)


@pytest.mark.parametrize("rows", [(), (line("flat_rate", "2"),), (line("flat_rate"), line("free_shipping"))])
def test_an_order_that_is_sent_is_no_pickup(rows: tuple[dict[str, Any], ...]) -> None:
    assert find(*rows) == Pickup()


@pytest.mark.parametrize(
    ("row", "named"),
    [
        (line("pickup_location", "0", "Pankow"), "'Pankow'"),
        (line("pickup_location"), "'pickup_location'"),
        (line("local_pickup", "5"), "'local_pickup:5'"),
    ],
)
def test_a_place_that_nobody_configured_is_told_and_binds_nothing(row: dict[str, Any], named: str) -> None:
    note = f"picked up at {named}, for which `pickup` has no location: owed from anywhere"
    assert find(row, places={"Altona": HAMBURG}) == Pickup(note=note)


def test_an_order_that_is_picked_up_in_parts_binds_nothing_and_says_so() -> None:
    altona, mitte = line("pickup_location", "0", "Altona"), line("local_pickup", "3")
    assert find(altona, altona) == Pickup(location=HAMBURG)
    assert find(altona, line("flat_rate")).note == (
        "partly picked up and partly sent, and the shop does not say what: owed from anywhere"
    )
    assert find(altona, mitte).note == (
        "picked up at hamburg and berlin, and the shop does not say what where: owed from anywhere"
    )


def tell(changes: dict[str, Any], pickup: dict[str, LocationId] | None) -> OrderSnapshot:
    settings = msgspec.structs.replace(SETTINGS, pickup=pickup)
    return build_snapshot(ORDER.decode(json.dumps(ORDER_ROW | changes)), (), settings, read_at=NOW)


def test_every_line_of_a_pickup_is_bound_to_its_store_when_it_leaves_too() -> None:
    second = ORDER_ROW["line_items"][0] | {"id": 2}
    changes = {"line_items": [ORDER_ROW["line_items"][0], second], "shipping_lines": [line("local_pickup", "3")]}
    for status in ("processing", "completed"):
        snapshot = tell(changes | {"status": status}, PLACES)
        assert [each.location for each in snapshot.lines] == [BERLIN, BERLIN]
        assert snapshot.notes == ()


def test_an_unknown_place_is_noted_while_it_makes_a_difference() -> None:
    changes = {"shipping_lines": [line("pickup_location", "0", "Pankow")]}
    snapshot = tell(changes, {})
    assert [each.location for each in snapshot.lines] == [None]
    assert len(snapshot.notes) == 1
    assert snapshot.status is OrderStatus.ACCEPTED
    assert tell(changes | {"status": "completed"}, {}).notes == ()
    assert tell(changes, None).notes == (), "who sells from one location need not say which"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["method_id", "instance_id", "meta_data", "key", "value", "x"]), inner)
    ),
    max_leaves=12,
)


@given(told=JSON)
def test_no_shipping_line_that_a_plugin_can_write_costs_an_order(told: object) -> None:
    """Law: whatever stands there, the order counts (lesson D16: bodies are whatever plugins make of them)."""
    order = ORDER.decode(json.dumps(ORDER_ROW | {"shipping_lines": told}))
    settings: WooCommerceSettings = msgspec.structs.replace(SETTINGS, pickup=PLACES)
    snapshot = build_snapshot(order, (), settings, read_at=NOW)
    assert [each.ordered for each in snapshot.lines] == [3]
    assert {each.location for each in snapshot.lines} <= {None, BERLIN, HAMBURG}
