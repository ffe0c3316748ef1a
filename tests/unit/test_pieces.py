"""A planned import in pieces: nothing is lost or parted, and each is small."""

import zlib
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.catalogue.items import Details
from engine.domain.catalogue.pieces import BYTES_MAX, Pieces, Planned, open_now, unpack
from engine.domain.events import ItemDescribed, ListingMapped, SkuAdded, StockAdjusted, StockReceived
from engine.domain.stock.booking import apply
from engine.domain.units import Key, ListingId, Sku
from tests.fakes.books import HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

LATER = START + timedelta(seconds=5)


def added(sku: Sku, name: str = "") -> SkuAdded:
    return SkuAdded(at=START, sku=sku, name=name)


def described(sku: Sku, category: str = "x") -> ItemDescribed:
    return ItemDescribed(at=START, sku=sku, details=Details(category=category))


def opened(sku: Sku, units: int = 5) -> StockAdjusted:
    return StockAdjusted(
        at=START, sku=sku, key=Key(f"opening:{sku}"), location=HERE, delta=units, on_hand=units, reason="opening stock"
    )


def mapped(listing: str, sku: Sku = A) -> ListingMapped:
    return ListingMapped(at=START, account=SHOP, listing_id=ListingId(listing), sku=sku, source="import")


def cut(events: list[Planned], events_max: int) -> list[list[Planned]]:
    pieces = Pieces()
    for event in events:
        if isinstance(event, ListingMapped):
            pieces.add_listing(event)
        else:
            pieces.add(event)
    return [unpack(piece) for piece in pieces.cut(events_max)]


@given(
    st.lists(
        st.builds(
            lambda make, sku: make(sku), st.sampled_from([added, described, opened]), st.sampled_from([A, B, Sku("C")])
        ),
        max_size=20,
    ),
    st.integers(0, 5),
    st.integers(1, 8),
)
def test_every_event_comes_once_and_those_of_a_sku_in_their_order_in_one_piece(
    events: list[Planned], listings: int, events_max: int
) -> None:
    mappings: list[Planned] = [mapped(f"l-{number}") for number in range(listings)]
    found = cut(mappings[:2] + events + mappings[2:], events_max)
    in_order = [event for piece in found for event in piece]
    assert in_order[len(events) :] == mappings, "listings come last"
    for sku in (A, B, Sku("C")):
        assert [event for event in in_order[: len(events)] if event.sku == sku] == [
            event for event in events if event.sku == sku
        ]
        assert sum(any(event.sku == sku for event in piece if event not in mappings) for piece in found) <= 1
    for piece in found:
        assert len(piece) <= events_max or len({event.sku for event in piece}) == 1


def test_a_piece_is_bounded_by_its_bytes_too() -> None:
    long = "x" * (BYTES_MAX // 2)
    skus = [Sku(f"S-{number}") for number in range(4)]
    found = cut([described(sku, long) for sku in skus], 1000)
    assert [len(piece) for piece in found] == [1, 1, 1, 1]
    assert [len(piece) for piece in cut([described(sku) for sku in skus], 1000)] == [4]


def test_what_is_taken_out_is_not_cut_again() -> None:
    pieces = Pieces()
    for event in (added(A), added(B), opened(A)):
        pieces.add(event)
    assert unpack(pieces.take([A, Sku("unknown")])) == [added(A), opened(A)]
    assert unpack(pieces.take([])) == []
    assert [unpack(piece) for piece in pieces.cut()] == [[added(B)]]
    assert list(pieces.cut()) == []


def test_bytes_that_are_no_piece_are_refused() -> None:
    with pytest.raises(zlib.error):
        unpack(b"no")
    with pytest.raises(msgspec.ValidationError):
        unpack(zlib.compress(msgspec.msgpack.encode([{"kind": "hold_released"}])))


def test_opening_stock_is_added_to_what_has_come_since() -> None:
    """Receipt and opening, opening and receipt come to the same."""
    one, other = Shelf(A=0).book(A), Shelf(A=0).book(A)
    for book, kinds in ((one, "receipt opening"), (other, "opening receipt")):
        for kind in kinds.split():
            event: StockReceived | StockAdjusted | None = StockReceived(
                at=LATER, sku=A, key=Key("d"), location=HERE, quantity=8, on_hand=book.on_hand_at(HERE) + 8
            )
            if kind == "opening":
                event = open_now(book, opened(A), LATER)
            assert event is not None
            assert event.at == LATER
            apply(book, event)
    assert one.on_hand_at(HERE) == other.on_hand_at(HERE) == 13


def test_a_count_since_the_plan_leaves_no_room_for_opening_stock() -> None:
    shelf = Shelf(A=0)
    shelf.count(30, key="unsure")
    assert open_now(shelf.book(A), opened(A), LATER) is not None, "a count that wants a recount has said nothing yet"
    shelf.count(0)
    assert open_now(shelf.book(A), opened(A), LATER) is None
    elsewhere = msgspec.structs.replace(opened(A), location=THERE)
    assert open_now(shelf.book(A), elsewhere, LATER) is not None, "another place was not counted"
