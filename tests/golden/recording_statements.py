"""What a node says of itself at the end of the recorded story, every kind of statement among it.

`python -m tests.golden.recording_statements snapshot-2` writes `snapshots/snapshot-2.jsonl` and `snapshot-2.json`:
sections and statements, one per line, and what a node knows that was told them. Do so when a kind of statement is
added or gains a field, after seeing to it that the story brings one about. What was recorded before stays as it is:
snapshots are forever, and so are these files.
"""

import base64
import sys
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import msgspec
import trio

from engine.actors.journal import encode_events
from engine.domain.events import Event, OrderRecorded
from engine.domain.stated import Statement
from engine.domain.stock import stating
from engine.ports import Frame
from ops import past
from ops.node import Node
from ops.state import Restorer, state
from tests.fakes.clocks import START
from tests.fakes.orders import order
from tests.golden.recording import FOLDER, describe, recover, tell_story
from tests.golden.recording_sales import describe_sales, tell_sales

SNAPSHOTS = FOLDER / "snapshots"
LATER = START + timedelta(minutes=3)
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Statement)


class Recorded(msgspec.Struct, frozen=True):
    """A line: a section, and one of its statements as msgpack in base64."""

    section: str
    statement: str

    def read(self) -> Statement:
        """Return the statement as today's program reads it."""
        statement: Statement = _DECODER.decode(base64.b64decode(self.statement))
        return statement


def read_statements(name: str) -> list[Recorded]:
    """Read what was recorded."""
    lines = (SNAPSHOTS / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Recorded) for line in lines]


def read_description(name: str) -> object:
    """Read what the program of its day made of it."""
    return msgspec.json.decode((SNAPSHOTS / f"{name}.json").read_bytes())


async def listen(recorded: list[Recorded]) -> Node:
    """Return a new node that was told all of it."""
    node = await recover([])
    restorer = Restorer(node)
    for line in recorded:
        restorer.restore(line.section, [line.read()])
    return node


def describe_all(node: Node) -> dict[str, Any]:
    """Say what a node knows."""
    return describe(node) | describe_sales(node)


async def _record(name: str) -> None:
    noted = msgspec.structs.replace(order(order_id="noted"), notes=("the shop says two things of its address",))
    story: list[list[Event]] = [*tell_story(), [OrderRecorded(at=START, snapshot=noted, skus=())], *tell_sales(3)]
    frames = [
        Frame(position=position, written_at=LATER, payload=encode_events(events))
        for position, events in enumerate(story, start=1)
    ]
    with patch.object(past, "COMMON_MAX", 20):  # so that some are forgotten
        node = await recover(frames)
    with patch.object(stating, "ENTRIES_MAX", 4):  # so that a book is continued
        recorded = [
            Recorded(section, base64.b64encode(_ENCODER.encode(statement)).decode())
            for section, statement in state(node, LATER)
        ]
    described = msgspec.json.format(msgspec.json.encode(describe_all(await listen(recorded))), indent=1)
    with (SNAPSHOTS / f"{name}.jsonl").open("xb") as file:  # nobody waits
        file.writelines(msgspec.json.encode(line) + b"\n" for line in recorded)
    with (SNAPSHOTS / f"{name}.json").open("xb") as file:
        file.write(described + b"\n")


if __name__ == "__main__":
    trio.run(_record, sys.argv[1])
