"""Today's program reads yesterday's journals and makes of them what yesterday's made.

`tests/golden/recording.py` says how a journal is recorded.
"""

from typing import get_args

import msgspec
import pytest
from trio.testing import MockClock

from engine.actors.journal import decode_events, encode_events
from engine.domain.catalogue.pieces import Planned, unpack
from engine.domain.events import Event, ImportStaged
from tests.golden.recording import FOLDER, describe, read_description, read_frames, recover
from tests.golden.recording_defaults import find_changed, list_defaults, read_defaults

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


def test_what_a_journal_leaves_out_is_what_it_always_was() -> None:
    """A field that has its default need not be written: another default would change the past."""
    today, recorded = list_defaults(), read_defaults()
    assert find_changed(recorded, today) == []
    assert today == recorded, "record the new ones: python -m tests.golden.recording_defaults"


def test_a_default_that_is_another_one_is_noticed() -> None:
    today = list_defaults()
    kind, fields = next((kind, fields) for kind, fields in today.items() if fields)
    field = next(iter(fields))
    assert find_changed(today, today | {kind: fields | {field: "another"}}) == [
        f"{kind}.{field}: {fields[field]!r} became 'another'"
    ]
    assert find_changed(today, today | {kind: {}})


def test_journals_are_read_alike_with_their_defaults_and_without() -> None:
    """Versions before this one wrote every field."""
    recorded = read_defaults()
    for name in RECORDED:
        for frame in read_frames(name):
            events = decode_events(frame)
            brief = encode_events(events)
            assert decode_events(msgspec.structs.replace(frame, payload=brief)) == events
            for written in msgspec.msgpack.decode(brief):
                empty = [field for field, default in recorded[written["kind"]].items() if default in (None, [])]
                assert not [field for field in empty if not written.get(field, True)]
