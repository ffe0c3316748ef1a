"""The scanner's part of the recorded story: what was found, found again, and found gone."""

from typing import Any

from engine.domain.audit.laws import COMMITTED, SHORTAGE
from engine.domain.events import BooksCompared, Event, ViolationCleared, ViolationFound
from ops.node import Node
from tests.fakes.books import HERE, A, B
from tests.fakes.clocks import START


def tell_laws() -> list[Event]:
    """Return one frame in which every kind of event of the scanner happens."""
    return [
        BooksCompared(at=START, part=0, books=((A, "0123456789abcdef"), (B, "fedcba9876543210"))),
        ViolationFound(at=START, law=SHORTAGE, sku=B, location=None, expected=2, found=0, detail="hold h"),
        ViolationFound(at=START, law=COMMITTED, sku=A, location=HERE, expected=2, found=3),
        ViolationFound(at=START, law=COMMITTED, sku=A, location=HERE, expected=2, found=-4, positions=(1, 2), origin=2),
        ViolationCleared(at=START, law=SHORTAGE, sku=B, location=None),
    ]


def describe_laws(node: Node) -> dict[str, Any]:
    """Say what the scanner has on record, if it has anything."""
    listed = [
        [event.law, event.sku, event.location, event.expected, event.found, event.positions, event.origin]
        for event in node.scanner.open.values()
    ]
    return {"violations": listed} if listed else {}
