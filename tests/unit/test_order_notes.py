"""What orders leave open, per account, as CHANNEL LIST shows it."""

import msgspec

from engine.domain.events import OrderRecorded
from engine.domain.units import AccountId
from ops.ordernotes import NOTED_MAX, OrderNotes
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line


def recorded(number: int, *notes: str) -> OrderRecorded:
    snapshot = msgspec.structs.replace(order(order_line("A", 1), order_id=str(number)), notes=notes)
    return OrderRecorded(at=START, snapshot=snapshot, skus=(None,))


def test_the_newest_orders_come_first_and_what_is_settled_goes() -> None:
    notes = OrderNotes()
    for event in (recorded(1, "odd"), recorded(2), recorded(3, "even", "odder")):
        notes.apply(event)
    assert notes.of(SHOP) == ("order 3: even", "order 3: odder", "order 1: odd")
    notes.apply(recorded(3))
    notes.apply(recorded(1, "odder"))
    assert notes.of(SHOP) == ("order 1: odder",)
    assert notes.of(AccountId("other")) == ()


def test_only_so_many_orders_are_kept() -> None:
    notes = OrderNotes()
    for number in range(NOTED_MAX + 7):
        notes.apply(recorded(number, "odd"))
    assert len(notes.of(SHOP)) == NOTED_MAX
    assert notes.of(SHOP)[0] == f"order {NOTED_MAX + 6}: odd"
    assert notes.of(SHOP)[-1] == "order 7: odd"
