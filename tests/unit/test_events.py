"""What is written today must be readable for ever, whatever it adds up to."""

import msgspec
import pytest

from engine.actors.journal import decode_events, encode_events
from engine.domain.events import Event, OrderRecorded, PushPlanned
from engine.domain.orders import LINES_MAX, check_snapshot
from engine.domain.units import EPOCH, UNITS_MAX, ListingId
from engine.ports import Frame
from tests.fakes.books import BOTH, THERE, A, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line


def read_back(events: list[Event]) -> list[Event]:
    return decode_events(Frame(position=1, written_at=EPOCH, payload=encode_events(events)))


def test_sums_of_the_largest_commands_are_read_back() -> None:
    """One command is bounded, their sum is not: a limit on it would lock the daemon out of its own journal."""
    shelf = Shelf()
    for number in range(3):
        shelf.receive(A, UNITS_MAX, key=f"r{number}")
    shelf.record(0, shipped=3 * UNITS_MAX + 5, locations=BOTH)
    shelf.record(2 * UNITS_MAX)
    shelf.adjust(-UNITS_MAX)
    shelf.adjust(-UNITS_MAX, location=THERE)
    shelf.record(9 * UNITS_MAX)
    events: list[Event] = [event for event in shelf.events if not isinstance(event, OrderRecorded)]
    assert shelf.book().oversold > UNITS_MAX
    assert read_back(events) == events


def test_an_offer_of_all_of_it_is_read_back() -> None:
    planned = PushPlanned(
        at=START, account=SHOP, listing_id=ListingId("l"), sku=A, version=1, quantity=3 * UNITS_MAX, basis=1
    )
    assert read_back([planned]) == [planned]


@pytest.mark.parametrize("lines", [0, 1, LINES_MAX])
def test_a_snapshot_that_passes_the_check_is_read_back(lines: int) -> None:
    snapshot = order(*(order_line("A", UNITS_MAX, line=str(number)) for number in range(lines)))
    assert check_snapshot(snapshot) is None
    recorded = OrderRecorded(at=START, snapshot=snapshot, skus=(A,) * lines)
    assert read_back([recorded]) == [recorded]


def test_a_snapshot_of_too_many_lines_does_not_pass() -> None:
    snapshot = order(*(order_line("A", 1, line=str(number)) for number in range(LINES_MAX + 1)))
    assert check_snapshot(snapshot) == "10001 lines: at most 10000"
    with pytest.raises(msgspec.ValidationError):
        read_back([OrderRecorded(at=START, snapshot=snapshot, skus=())])
