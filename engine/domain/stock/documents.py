"""Papers over several SKUs: purchase orders, and transfers between our locations. All lines or none, in one frame.

A purchase order is a level: told again it changes nothing, told otherwise it is amended. A transfer is an act: told
again it is answered as the first time, told otherwise it is a conflict.
"""

from collections.abc import Sequence
from datetime import datetime

from engine.domain.commands import EndPurchase, LoseTransfer, Moved, OrderPurchase, ReceiveTransfer, SendTransfer
from engine.domain.events import PurchaseOrdered, PurchaseOrderEnded, TransferArrived, TransferLost, TransferSent
from engine.domain.stock.book import Book
from engine.domain.stock.decision import Books, Decision, refuse
from engine.domain.stock.records import PurchaseLine, TransferLine
from engine.domain.units import Sku


def _refuse_sku(books: Books, sku: Sku) -> Decision | None:
    book = books.get(sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={sku}")
    if book.merged_into is not None:
        return refuse("MERGED", f"sku={sku} was merged into {book.merged_into} meanwhile: repeat")
    if book.is_bundle:
        return refuse("BUNDLE", f"sku={sku} has no stock of its own: move its components")
    return None


# -- purchase orders


def order_purchase(books: Books, command: OrderPurchase, now: datetime) -> Decision:
    """Bring every line of a purchase order to its level; a line that is named no more stands at 0.

    Args:
        books: those of the SKUs it names, and of those that it named before.
        command: what is asked.
        now: the instant of the decision.
    """
    for sku in command.skus:
        refusal = _refuse_sku(books, sku)
        if refusal is not None:
            return refusal
    lines = dict(command.lines)
    standing: list[PurchaseOrdered] = []
    changed: list[PurchaseOrdered] = []
    ended: PurchaseOrderEnded | None = None
    for sku, book in sorted(books.items()):
        known = book.records.purchases.get(command.purchase_order)
        if known is None and sku not in lines:
            continue  # noted for an order that was refused
        line = _ordered(command, sku, lines.get(sku, 0), now)
        if known is not None and _same_order(known, line):
            line = known.ordered
        else:
            changed.append(line)
        if known is not None and known.ended is not None:
            ended = known.ended
        if sku in lines:
            standing.append(line)
    if changed and ended is not None:
        return refuse("ENDED", f"purchase_order={command.purchase_order} {_how_ended(ended)}")
    return Decision(tuple(changed), Moved(movements=tuple(standing)))


def _ordered(command: OrderPurchase, sku: Sku, quantity: int, now: datetime) -> PurchaseOrdered:
    return PurchaseOrdered(
        at=now,
        sku=sku,
        purchase_order=command.purchase_order,
        location=command.location,
        quantity=quantity,
        expected_at=command.expected_at,
        supplier=command.supplier,
        by=command.by,
        reference=command.reference,
    )


def _same_order(known: PurchaseLine, wanted: PurchaseOrdered) -> bool:
    if known.ordered.quantity == wanted.quantity == 0:
        return True
    fields = ("location", "quantity", "expected_at", "supplier", "reference")
    return all(getattr(known.ordered, field) == getattr(wanted, field) for field in fields)


def _how_ended(ended: PurchaseOrderEnded) -> str:
    return f"was {'cancelled' if ended.cancelled else 'closed'} at {ended.at:%Y-%m-%dT%H:%M:%SZ}"


def end_purchase(books: Books, command: EndPurchase, now: datetime) -> Decision:
    """Expect nothing more on a purchase order, whatever was received of it."""
    lines = {
        sku: line
        for sku, book in sorted(books.items())
        if (line := book.records.purchases.get(command.purchase_order)) is not None
    }
    if not lines:
        return refuse("NOSUCHPO", f"purchase_order={command.purchase_order}")
    ended = [line.ended for line in lines.values() if line.ended is not None]
    if any(end.cancelled != command.cancelled for end in ended):
        return refuse("CONFLICT", f"purchase_order={command.purchase_order} {_how_ended(ended[0])}")
    if ended:
        return Decision((), Moved(movements=tuple(ended)))
    events = tuple(
        PurchaseOrderEnded(
            at=now,
            sku=sku,
            purchase_order=command.purchase_order,
            cancelled=command.cancelled,
            reason=command.reason,
            by=command.by,
        )
        for sku in lines
    )
    return Decision(events, Moved(movements=events))


# -- transfers


def send_transfer(books: Books, command: SendTransfer, now: datetime) -> Decision:
    """Take every line out of its source; what is promised or set aside there stays, safety stock may travel.

    Args:
        books: those of the SKUs it names, and of those that a transfer of this id named before.
        command: what is asked.
        now: the instant of the decision.
    """
    seen = [
        line.sent
        for _, book in sorted(books.items())
        if (line := book.records.transfers.get(command.transfer)) is not None
    ]
    if seen:
        # a shard that had more to remember may have forgotten its part: then that line is not told again
        same = _same_transfer(books, seen[0], command)
        return Decision((), Moved(movements=tuple(seen))) if same else _sent_before(seen[0])
    if command.source == command.target:
        return refuse("BADARG", f"target {command.target!r}: transfer={command.transfer} is sent from there")
    for sku, quantity in command.lines:
        refusal = _refuse_sku(books, sku) or _refuse_short(books[sku], command, quantity)
        if refusal is not None:
            return refusal
    events = tuple(
        TransferSent(
            at=now,
            sku=sku,
            transfer=command.transfer,
            source=command.source,
            target=command.target,
            quantity=quantity,
            on_hand=books[sku].on_hand_at(command.source) - quantity,
            asked=command.lines if len(command.lines) > 1 else (),
            expected_at=command.expected_at,
            reason=command.reason,
            by=command.by,
            reference=command.reference,
        )
        for sku, quantity in command.lines
    )
    return Decision(events, Moved(movements=events))


def _refuse_short(book: Book, command: SendTransfer, quantity: int) -> Decision | None:
    position = book.positions.get(command.source)
    free = position.free if position is not None else 0
    if quantity <= free:
        return None
    return refuse("OUTOFSTOCK", f"sku={book.sku} requested={quantity} free={free} location={command.source}")


def _same_transfer(books: Books, sent: TransferSent, command: SendTransfer) -> bool:
    fields = ("source", "target", "expected_at", "reason", "reference")
    lines_are_same = _are_same(books, _lines(sent), command.lines)
    return lines_are_same and all(getattr(sent, field) == getattr(command, field) for field in fields)


def _are_same(books: Books, sent: Sequence[tuple[Sku, int]], asked: Sequence[tuple[Sku, int]]) -> bool:
    """Compare lines. What was merged since is asked for under the name of an heir, however many merges lie between."""
    left = dict(asked)
    inherited = 0
    for sku, units in sent:
        book = books.get(sku)
        if book is not None and book.merged_into is not None:
            inherited += units
        else:
            left[sku] = left.get(sku, 0) - units
    return min(left.values()) >= 0 and sum(left.values()) == inherited


def _lines(sent: TransferSent) -> tuple[tuple[Sku, int], ...]:
    return sent.asked or ((sent.sku, sent.quantity),)


def _sent_before(sent: TransferSent) -> Decision:
    lines = _lines(sent)
    said = " ".join(f"{sku} {units}" for sku, units in lines[:3]) + (" ..." if len(lines) > 3 else "")
    return refuse("CONFLICT", f"transfer={sent.transfer} was sent from {sent.source} to {sent.target} with {said}")


def receive_transfer(book: Book, command: ReceiveTransfer, now: datetime) -> Decision:
    """Take in what has arrived of a transfer: no more than is under way."""
    line = book.records.transfers.get(command.transfer)
    if line is None or command.quantity > line.under_way:
        return _refuse_end(line, command)
    event = TransferArrived(
        at=now,
        sku=command.sku,
        key=command.key,
        transfer=command.transfer,
        location=line.sent.target,
        quantity=command.quantity,
        on_hand=book.on_hand_at(line.sent.target) + command.quantity,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def lose_transfer(book: Book, command: LoseTransfer, now: datetime) -> Decision:
    """Give up on units that are under way."""
    line = book.records.transfers.get(command.transfer)
    if line is None or command.quantity > line.under_way:
        return _refuse_end(line, command)
    event = TransferLost(
        at=now,
        sku=command.sku,
        key=command.key,
        transfer=command.transfer,
        location=line.sent.target,
        quantity=command.quantity,
        reason=command.reason,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def _refuse_end(line: TransferLine | None, command: ReceiveTransfer | LoseTransfer) -> Decision:
    named = f"transfer={command.transfer} sku={command.sku}"
    if line is None:
        return refuse("NOSUCHTRANSFER", f"{named}: there is no such transfer, or this SKU is not on it")
    return refuse(
        "EXCEEDS",
        f"{named} sent={line.sent.quantity} arrived={line.arrived} lost={line.lost} quantity={command.quantity}",
    )
