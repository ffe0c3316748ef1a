"""Papers that announce units and follow them: PO and TRANSFER, over several SKUs each."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from engine.domain.commands import EndPurchase, LoseTransfer, OrderPurchase, ReceiveTransfer, Refusal, SendTransfer
from engine.domain.units import UNITS_MAX, DocumentId, Sku
from ops.node import Node
from ops.sizes import DOCUMENT_LINES_MAX, TEXT_CHARACTERS_MAX
from ops.socket import arguments as read
from ops.socket import options
from ops.socket.command import Arguments
from ops.socket.options import WHO
from ops.socket.resp import ErrorReply
from ops.socket.session import Mapped, Reply, Session
from ops.socket.views.documents import purchase_summary, purchase_view, transfer_summary, transfer_view

Handler = Callable[[Node, Session, Arguments, Reply], Awaitable[None] | None]

OPEN_MAX: Final = 100_000
"""Documents of a kind that are open at once: what nobody closes would fill the memory."""

_PO: Final = "PO SET|CLOSE|CANCEL|GET|LIST ..."
_TRANSFER: Final = "TRANSFER SEND|RECEIVE|LOSE|GET|LIST ..."
_SET: Final = {"EXPECTED": 1, "SUPPLIER": 1, **WHO}
_END: Final = {"REASON": 1, "BY": 1}
_SEND: Final = {"EXPECTED": 1, "REASON": 1, **WHO}


def purchase_order(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """PO."""
    return _act(_PURCHASE_ACTIONS, _PO, node, session, arguments, reply)


def transfer(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """TRANSFER."""
    return _act(_TRANSFER_ACTIONS, _TRANSFER, node, session, arguments, reply)


class _Action:
    """What a word behind PO or TRANSFER does."""

    __slots__ = ("_handler", "_least", "_syntax")

    def __init__(self, handler: Handler, syntax: str, least: int) -> None:
        """Need at least so many arguments behind the word."""
        self._handler = handler
        self._syntax = syntax
        self._least = least

    def begin(self, node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
        """Begin it, if it has the arguments it needs."""
        if len(arguments) - 2 < self._least:
            raise ErrorReply("ERR", self._syntax)
        return self._handler(node, session, arguments, reply)


def _act(
    actions: dict[bytes, _Action], usage: str, node: Node, session: Session, arguments: Arguments, reply: Reply
) -> Awaitable[None] | None:
    action = actions.get(arguments[1].upper())
    if action is None:
        raise ErrorReply("ERR", usage)
    return action.begin(node, session, arguments, reply)


# -- purchase orders


def _set(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    document = options.document_id("purchase-order", arguments[2])
    location = node.names.location(read.location_id(arguments[3]))
    found, lines = options.options_and_lines(arguments, 4, _SET, least=0, lines_max=DOCUMENT_LINES_MAX)
    levels = _sum(lines)
    if document not in node.papers.purchases.open and len(node.papers.purchases.open) >= OPEN_MAX:
        raise ErrorReply("BUSY", f"{OPEN_MAX} purchase orders are open: close those that are done with")
    command = OrderPurchase(
        purchase_order=document,
        location=location,
        lines=tuple(sorted(levels.items())),
        expected_at=options.optional_instant(found, "EXPECTED"),
        supplier=options.text(found, "SUPPLIER"),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, Mapped(reply, _show_purchase(node, document)))


def _close(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    document = options.document_id("purchase-order", arguments[2])
    found = options.options(arguments, 3, _END)
    command = EndPurchase(
        purchase_order=document,
        cancelled=arguments[1].upper() == b"CANCEL",
        reason=options.text(found, "REASON"),
        by=options.who(found, session),
    )
    return node.router.begin(command, Mapped(reply, _show_purchase(node, document)))


def _show_purchase(node: Node, document: DocumentId) -> Callable[[object], object]:
    """Answer with the purchase order as it stands once the change is durable."""

    def show(answer: object) -> object:
        return answer if isinstance(answer, Refusal) else _purchase(node, document)

    return show


def _purchase(node: Node, document: DocumentId) -> object:
    paper = node.papers.purchases.find(document)
    return ErrorReply("NOSUCHPO", f"purchase_order={document}") if paper is None else purchase_view(paper)


def _get_purchase(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None]:
    options.options(arguments, 3, {})
    document = options.document_id("purchase-order", arguments[2])
    return _behind(node, document, Mapped(reply, lambda _: _purchase(node, document)))


def _list_purchases(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    limit, also_finished = _which(arguments)
    reply.give([purchase_summary(paper) for paper in node.papers.purchases.newest(limit, also_finished=also_finished)])


# -- transfers


def _send(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    document = options.document_id("transfer", arguments[2])
    source = node.names.location(read.location_id(arguments[3]))
    target = node.names.location(read.location_id(arguments[4]))
    if source == target:
        raise read.bad("target", target, "must be another location than the source: units that stay are no transfer")
    found, lines = options.options_and_lines(arguments, 5, _SEND, least=1, lines_max=DOCUMENT_LINES_MAX)
    if document not in node.papers.transfers.open and len(node.papers.transfers.open) >= OPEN_MAX:
        raise ErrorReply("BUSY", f"{OPEN_MAX} transfers are under way: receive or lose those that are done with")
    command = SendTransfer(
        transfer=document,
        source=source,
        target=target,
        lines=tuple(sorted(_sum(lines).items())),
        expected_at=options.optional_instant(found, "EXPECTED"),
        reason=options.text(found, "REASON"),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )

    def show(answer: object) -> object:
        return answer if isinstance(answer, Refusal) else _transfer(node, document)

    return node.router.begin(command, Mapped(reply, show))


def _arrive(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    found = options.options(arguments, 6, WHO)
    command = ReceiveTransfer(
        key=read.key(arguments[2]),
        transfer=options.document_id("transfer", arguments[3]),
        sku=read.sku(arguments[4]),
        quantity=read.quantity(arguments[5]),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, reply)


def _lose(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    found = options.options(arguments, 7, WHO)
    reason = read.text("reason", arguments[6], maximum=TEXT_CHARACTERS_MAX).strip()
    if not reason or not reason.isprintable():
        raise read.bad("reason", arguments[6], "must be one line and not empty: units do not vanish without a word")
    command = LoseTransfer(
        key=read.key(arguments[2]),
        transfer=options.document_id("transfer", arguments[3]),
        sku=read.sku(arguments[4]),
        quantity=read.quantity(arguments[5]),
        reason=reason,
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, reply)


def _transfer(node: Node, document: DocumentId) -> object:
    paper = node.papers.transfers.find(document)
    return ErrorReply("NOSUCHTRANSFER", f"transfer={document}") if paper is None else transfer_view(paper)


def _get_transfer(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None]:
    options.options(arguments, 3, {})
    document = options.document_id("transfer", arguments[2])
    return _behind(node, document, Mapped(reply, lambda _: _transfer(node, document)))


def _list_transfers(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    limit, also_finished = _which(arguments)
    reply.give([transfer_summary(paper) for paper in node.papers.transfers.newest(limit, also_finished=also_finished)])


# -- both


def _behind(node: Node, document: DocumentId, slot: Mapped) -> Awaitable[None]:
    """Answer once all that was asked of the document's SKUs before is durable."""
    return node.router.look_at(node.router.skus_of_document(document), lambda _books, _now: None, slot)


def _sum(lines: list[tuple[Sku, int]]) -> dict[Sku, int]:
    """Sum the lines of one SKU: papers of suppliers name one twice."""
    summed: Counter[Sku] = Counter()
    for sku, quantity in lines:
        summed[sku] += quantity
        if summed[sku] > UNITS_MAX:
            raise ErrorReply("BADARG", f"sku={sku} quantity={summed[sku]}: at most {UNITS_MAX} in all lines together")
    return dict(summed)


def _which(arguments: Arguments) -> tuple[int, bool]:
    """Read `[OPEN|ALL] [LIMIT n]`: how many, and whether finished ones too."""
    word = arguments[2].upper() if len(arguments) > 2 else b"OPEN"
    start = 3 if len(arguments) > 2 and word in {b"OPEN", b"ALL"} else 2
    return read.limit(arguments, start), word == b"ALL"


_PURCHASE_ACTIONS: Final = {
    b"SET": _Action(
        _set,
        "PO SET id location [EXPECTED instant] [SUPPLIER name] [BY who] [REF reference]"
        " LINES sku quantity [sku quantity ...]",
        4,
    ),
    b"CLOSE": _Action(_close, "PO CLOSE id [REASON text] [BY who]", 1),
    b"CANCEL": _Action(_close, "PO CANCEL id [REASON text] [BY who]", 1),
    b"GET": _Action(_get_purchase, "PO GET id", 1),
    b"LIST": _Action(_list_purchases, "PO LIST [OPEN|ALL] [LIMIT n]", 0),
}
_TRANSFER_ACTIONS: Final = {
    b"SEND": _Action(
        _send,
        "TRANSFER SEND id source target [EXPECTED instant] [REASON text] [BY who] [REF reference]"
        " LINES sku quantity [sku quantity ...]",
        5,
    ),
    b"RECEIVE": _Action(_arrive, "TRANSFER RECEIVE key id sku quantity [BY who] [REF reference]", 4),
    b"LOSE": _Action(_lose, "TRANSFER LOSE key id sku quantity reason [BY who] [REF reference]", 5),
    b"GET": _Action(_get_transfer, "TRANSFER GET id", 1),
    b"LIST": _Action(_list_transfers, "TRANSFER LIST [OPEN|ALL] [LIMIT n]", 0),
}
