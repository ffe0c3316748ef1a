"""What a decision is, and the words that all of them share."""

from collections.abc import Mapping, Sequence

import msgspec

from engine.domain.commands import Answer, Refusal
from engine.domain.events import BookEvent
from engine.domain.stock.book import Book
from engine.domain.units import Sku

Books = Mapping[Sku, Book]


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Events to apply and journal in one frame, and what to tell the caller once they are durable."""

    events: Sequence[BookEvent]
    answer: Answer


def refuse(code: str, text: str) -> Decision:
    """Decide that nothing happens."""
    return Decision((), Refusal(code=code, text=text))
