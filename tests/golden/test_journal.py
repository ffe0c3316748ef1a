"""Today's program reads yesterday's journals and makes of them what yesterday's made.

`tests/golden/recording.py` says how a journal is recorded.
"""

from typing import get_args

import msgspec
import pytest
from trio.testing import MockClock

from engine.actors.journal import decode_events
from engine.domain.catalogue.pieces import Planned, unpack
from engine.domain.events import Event, ImportStaged
from tests.golden.recording import FOLDER, describe, read_description, read_frames, recover

RECORDED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_journal_is_replayed_to_the_recorded_figures(autojump_clock: MockClock, name: str) -> None:
    described = describe(await recover(read_frames(name)))
    assert msgspec.json.decode(msgspec.json.encode(described)) == read_description(name)


def test_every_kind_of_event_is_on_record() -> None:
    recorded = {type(event) for name in RECORDED for frame in read_frames(name) for event in decode_events(frame)}
    assert recorded == set(get_args(Event)), "let the new kind into `tell_story` and record another journal"


def test_pieces_of_imports_on_record_can_be_carried_out_still() -> None:
    recorded = [event for frame in read_frames("journal-imports") for event in decode_events(frame)]
    pieces = [unpack(event.packed) for event in recorded if isinstance(event, ImportStaged)]
    assert [len(piece) for piece in pieces] == [3, 3, 3, 3, 1]
    assert {type(event) for piece in pieces for event in piece} == {*get_args(Planned)}


def test_no_two_kinds_share_a_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in get_args(Event)]
    assert len(set(tags)) == len(tags)
