"""Many small things in statements of some size each."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def in_parts(items: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """Yield the items in their order, so many at a time; nothing where there are none."""
    rest = iter(items)
    while part := tuple(islice(rest, most)):
        yield part
