"""What a batch will ask for is named ahead: the cases that histories seldom come to."""

from datetime import timedelta

import msgspec

from engine.domain.events import (
    DemandLapsed,
    DemandSet,
    Event,
    HoldReleased,
    OrderRecorded,
    PaperForgotten,
    PurchaseOrdered,
    SkuMerged,
    TransferSent,
    UnitsHeld,
)
from engine.domain.reading.asking import asked_by
from engine.domain.reading.papers import PURCHASES, TRANSFERS
from engine.domain.reading.promises import HOLDS
from engine.domain.reading.reading import Reading
from engine.domain.reading.rows import Asked, Changes, Table, Values, moment
from engine.domain.reading.sales import SALES
from engine.domain.units import DocumentId, HoldId, LineId, OrderId, Sku
from tests.fakes.clocks import START
from tests.fakes.orders import order, order_line
from tests.fakes.rules import HERE, SHOP, THERE, A, B

KIT = Sku("KIT")
LINE = (SHOP, OrderId("1"), LineId("1"))


def line(sku: Sku, units: int) -> DemandSet:
    account, order_id, line_id = LINE
    parts = ((HERE, units),) if units else ()
    return DemandSet(at=START, sku=sku, account=account, order_id=order_id, line_id=line_id, reserved=parts)


def never(table: Table[msgspec.Struct], key: Values) -> tuple[Values, ...]:
    raise AssertionError(f"nobody has foreseen that {table.name} would be asked for {key}")


class Far:
    """Rows that only whoever asked ahead gets."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Values, Values]] = {}

    def play(self, frame: list[Event]) -> list[Asked]:
        """Hear one frame as a new process; return what was asked, in order."""
        reading, told = Reading(never), []
        asked = reading.asked([frame])
        while asked:
            told.extend(sorted(asked, key=repr))
            further: set[Asked] = set()
            for table, key in asked:
                held = self.rows.get(table.name, {})
                found = [row[len(key) :] for row in held.values() if row[: len(key)] == key]
                further |= reading.know((table, key), found)
            asked = further
        reading.hear(1, frame)
        self.write(reading.take())
        return told

    def write(self, changes: list[Changes]) -> None:
        for table, put, dropped in changes:
            width = len(table.key) + len(table.tail)
            held = self.rows.setdefault(table.name, {})
            for key in dropped:
                del held[key]
            held.update({row[:width]: row for row in put})


def test_the_line_of_a_component_asks_for_that_of_its_bundle() -> None:
    """Which bundle it is, only the component's row tells: the order was recorded in another frame."""
    snapshot = msgspec.structs.replace(order(order_line(KIT, 3), order_id="1"), placed_at=START)
    recorded = OrderRecorded(at=START, snapshot=snapshot, skus=(KIT,), components=(((A, 2), (B, 1)),))
    far = Far()
    far.play([recorded, line(A, 6), line(B, 3)])
    assert far.rows["sales"][(KIT, *LINE)][5] == 3
    account, order_id, line_id = LINE
    lapsed = DemandLapsed(at=START, sku=A, account=account, order_id=order_id, line_id=line_id)
    asked = far.play([lapsed])
    assert [key for table, key in asked if table is SALES] == [(A, *LINE), (KIT, *LINE)]
    assert far.rows["sales"][(KIT, *LINE)][5] == 0


def test_a_merge_asks_for_the_lines_of_its_heir() -> None:
    merged = SkuMerged(at=START, sku=A, into=B)
    far = Far()
    snapshot = msgspec.structs.replace(order(order_line(A, 3), order_id="1"), placed_at=START)
    far.play([OrderRecorded(at=START, snapshot=snapshot, skus=(A,), components=((),)), line(A, 3)])
    far.play([line(A, 0), merged])
    assert far.rows["sales"][(B, *LINE)][5] == 3


def test_a_hold_that_begins_in_the_batch_is_not_asked_for_but_one_that_ended_before_is() -> None:
    """Its id may come again; what comes before it begins is about the one of an earlier batch."""
    hold = HoldId("h")
    begun = UnitsHeld(at=START, sku=A, account=SHOP, hold_id=hold, parts=((HERE, 1),), expires_at=None)
    ended = HoldReleased(at=START + timedelta(seconds=1), sku=A, hold_id=hold)
    assert (HOLDS, (hold, A)) not in asked_by([[begun], [ended]])
    assert (HOLDS, (hold, A)) in asked_by([[ended], [begun]])


def test_a_line_that_is_forgotten_asks_for_its_document() -> None:
    """Whatever is forgotten stands in a frame of its own, long after everything else of the document."""
    purchase, transfer = DocumentId("po-1"), DocumentId("t-1")
    far = Far()
    far.play([PurchaseOrdered(at=START, sku=A, purchase_order=purchase, location=HERE, quantity=0)])
    sent = TransferSent(at=START, sku=A, transfer=transfer, source=HERE, target=THERE, quantity=1, on_hand=0)
    far.play([sent])
    assert (PURCHASES, (purchase,)) in far.play([PaperForgotten(at=START, sku=A, purchase_order=purchase)])
    assert (TRANSFERS, (transfer,)) in far.play([PaperForgotten(at=START, sku=A, transfer=transfer)])
    for table in (PURCHASES, TRANSFERS):
        assert [row[-1] for row in far.rows[table.name].values()] == [moment(START)]
