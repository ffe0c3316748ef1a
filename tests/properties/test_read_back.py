"""Whatever is decided can be read back: a journal with one event that cannot would never start again."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from engine.actors.journal import decode_events, encode_events
from engine.ports import Frame
from tests.fakes.clocks import START
from tests.fakes.histories import STEPS, Story

LESS_THAN_NOTHING: list[tuple[Any, ...]] = [
    *[("receive", "A", "here", 1, None)] * 4,
    ("send", 1, 1, 1),
    *[("receive", "A", "here", 1, None)] * 4,
    ("receive", "B", "here", 1, None),
    ("count", "B", "here", 0, 2, 100),
    ("count", "B", "here", 0, 1, 0),
]
"""A second count, taken before what the first one took away had come: the books had less than nothing then."""


@given(history=st.lists(STEPS, max_size=25))
@example(history=LESS_THAN_NOTHING)
def test_every_event_that_is_decided_is_read_back_as_it_was(history: list[tuple[Any, ...]]) -> None:
    story = Story()
    for step in history:
        story.play(step)
    for position, events in enumerate(story.frames, 1):
        frame = Frame(position=position, written_at=START, payload=encode_events(events))
        assert decode_events(frame) == list(events)
