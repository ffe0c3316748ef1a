"""Long work in short slices, so that nobody who waits for an answer waits for it."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

import trio

T = TypeVar("T")


class Pace(NamedTuple):
    """How long to work, and how long to rest; others go first after each slice, however short the rest."""

    slice_seconds: float
    rest_seconds: float


BRISK = Pace(0.0005, 0.0)
"""One slice in each round of the loop: a hold waits for one or two on its way from the socket to the disk and back.

No rest, for the shortest sleep is a millisecond. Whoever runs this must let threads have the interpreter soon
(`sys.setswitchinterval`): a commit in a thread would wait for it five milliseconds at a time.
"""
IDLE = Pace(0.0005, 0.01)
"""A twentieth of one processor: for what may take an hour."""

_CHUNK = 16
"""Items between two looks at the clock: well under a tenth of a slice."""


async def in_slices(items: Iterable[T], work: Callable[[Sequence[T]], None], pace: Pace) -> None:
    """Hand items to `work`, a few at a time; rest when a slice is used up.

    Others run between two slices: `items` must stand that what it walks through changes.
    """
    rest = iter(items)
    ends = trio.current_time() + pace.slice_seconds
    while chunk := tuple(islice(rest, _CHUNK)):
        work(chunk)
        if trio.current_time() >= ends:
            await trio.sleep(pace.rest_seconds)
            ends = trio.current_time() + pace.slice_seconds
