"""Movements asked twice: the same key for the same thing is answered as the first time, for another it is a conflict.

One comparison for all kinds: whatever a command and its event have in common by name must be equal. `by` is left out:
who asks again does not change what was asked.
"""

from collections.abc import Iterable
from typing import Final

from engine.domain.commands import (
    Adjust,
    ChangeState,
    Count,
    LoseTransfer,
    Moved,
    Observe,
    Receive,
    ReceiveTransfer,
    Refusal,
    Return,
)
from engine.domain.events import (
    StateChanged,
    StockAdjusted,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
)
from engine.domain.stock.book import Book, Keyed

KeyedCommand = Adjust | Receive | Return | ChangeState | Count | Observe | ReceiveTransfer | LoseTransfer

_RECORDED_AS: Final[dict[type[KeyedCommand], tuple[str, type[Keyed]]]] = {
    Adjust: ("ADJUST", StockAdjusted),
    Receive: ("RECEIVE", StockReceived),
    Return: ("RETURN", StockReturned),
    ChangeState: ("INSPECT", StateChanged),
    Count: ("COUNT", StockCounted),
    Observe: ("SNAPSHOT", StockObserved),
    ReceiveTransfer: ("TRANSFER RECEIVE", TransferArrived),
    LoseTransfer: ("TRANSFER LOSE", TransferLost),
}
"""What people call a command, and the event that it becomes."""

_CONTENT: Final = {
    command: tuple(
        field for field in command.__struct_fields__ if field in event.__struct_fields__ and field not in {"key", "by"}
    )
    for command, (_, event) in _RECORDED_AS.items()
}
_ASKED_BY: Final = {event: command for command, (_, event) in _RECORDED_AS.items()}
_SAID_FIRST: Final = frozenset({"sku", "location", "quantity", "delta", "counted"})
"""Said without their names, as on the socket."""


def answer_as_before(book: Book, command: KeyedCommand) -> Moved | Refusal | None:
    """Answer a key that the book remembers; None when it is new."""
    before = book.movements.get(command.key)
    if before is None:
        return None
    if _ASKED_BY[type(before)] is type(command) and all(
        getattr(before, field) == getattr(command, field) for field in _content_of(book, command)
    ):
        return Moved(movements=(before,))
    return Refusal(code="CONFLICT", text=f"key={command.key} was used for {_describe(before)} before")


def _content_of(book: Book, command: KeyedCommand) -> Iterable[str]:
    """Name what must be equal: not the SKU of a movement that came here with another one, which its caller may name."""
    content = _CONTENT[type(command)]
    if command.key not in book.records.inherited:
        return content
    return (field for field in content if field != "sku")


def _describe(before: Keyed) -> str:
    """Say what was asked, in the words of the socket: `ADJUST A-1 main -2 'damaged'`."""
    asked = _ASKED_BY[type(before)]
    said = [_RECORDED_AS[asked][0]]
    for field in _CONTENT[asked]:
        value = getattr(before, field)
        if field in _SAID_FIRST:
            said.append(str(value))
        elif field == "reason":
            said += [repr(value)] if value else []
        elif value not in {None, ""}:
            said.append(f"{field}={value}")
    return " ".join(said)
