"""Nodes told what others say of themselves, by way of bytes, as a snapshot does."""

from datetime import datetime

import msgspec

from engine.domain.stated import Statement
from ops.node import Node
from ops.state import Restorer, state

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Statement)


def said_by(node: Node, as_of: datetime) -> list[tuple[str, bytes]]:
    """Return all that a node says: section, and a statement in bytes."""
    return [(section, _ENCODER.encode(statement)) for section, statement in state(node, as_of)]


def tell_node(node: Node, said: list[tuple[str, bytes]], position: int) -> None:
    """Bring a new node to where another one was."""
    restorer = Restorer(node)
    for section, statement in said:
        restorer.restore(section, [_DECODER.decode(statement)])
    node.journal.position = position


def assert_alike(one: list[tuple[str, bytes]], other: list[tuple[str, bytes]]) -> None:
    """Compare what two nodes say, section by section; the first statement that differs is shown."""
    for section in dict.fromkeys(name for name, _ in (*one, *other)):
        here, there = ([said for name, said in each if name == section] for each in (one, other))
        for left, right in zip(here, there, strict=False):
            assert left == right, (section, _DECODER.decode(left), _DECODER.decode(right))
        assert len(here) == len(there), (section, [_DECODER.decode(said) for said in (here or there)][-3:])
