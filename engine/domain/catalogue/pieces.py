"""A planned import cut into pieces, each small enough to be done in one step while buyers are served.

Everything that concerns one SKU lies in one piece, so a SKU appears with its item and its stock. Pieces are kept as
bytes: a hundred thousand full rows are some megabytes that way, and nothing that a garbage collector has to look at.
"""

import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

import msgspec

from engine.domain.events import ItemDescribed, ListingMapped, SkuAdded, StockAdjusted, StockCounted, StockObserved
from engine.domain.stock.book import Book
from engine.domain.units import Sku

Planned = SkuAdded | ItemDescribed | StockAdjusted | ListingMapped
"""What a piece is made of; `at` is when it was planned."""

EVENTS_MAX: Final = 64
"""Events in a piece: about two milliseconds of work, which is what a hold may have to wait for."""
BYTES_MAX: Final = 64 * 1024
"""Of a piece before it is packed; what one SKU needs is never parted, however long its texts are."""
_LEVEL: Final = 1
"""Of compression: a fifth of the bytes in a third of a millisecond; more effort gains little."""
_HEAD_BYTES: Final = 3
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Planned])


class Pieces:
    """What is to be done, by the SKU that it concerns; each entry a msgpack array of events."""

    def __init__(self) -> None:
        """Collect nothing yet."""
        self._of_sku: dict[Sku, bytes] = {}
        self._listings: list[bytes] = []

    def add(self, event: SkuAdded | ItemDescribed | StockAdjusted) -> None:
        """Let something happen to a SKU, behind what was added for it before."""
        known = self._of_sku.get(event.sku)
        self._of_sku[event.sku] = _extended(known, event)

    def add_listing(self, event: ListingMapped) -> None:
        """Let a listing be mapped when all SKUs are there."""
        self._listings.append(_extended(None, event))

    def take(self, skus: Iterable[Sku]) -> bytes:
        """Take out all that concerns some SKUs, as one piece of whatever size; no SKU in it: an empty one."""
        return _pack([found for sku in skus if (found := self._of_sku.pop(sku, None)) is not None])

    def cut(self, events_max: int = EVENTS_MAX) -> Iterator[bytes]:
        """Take out everything, a piece at a time: SKUs in the order in which they were added, then the listings."""
        some: list[bytes] = []
        events = size = 0
        for each in self._drain():
            count = _count_of(each)
            if some and (events + count > events_max or size + len(each) > BYTES_MAX):
                yield _pack(some)
                some, events, size = [], 0, 0
            some.append(each)
            events += count
            size += len(each)
        if some:
            yield _pack(some)

    def _drain(self) -> Iterator[bytes]:
        of_sku, self._of_sku = self._of_sku, {}
        for sku in list(of_sku):
            yield of_sku.pop(sku)
        listings, self._listings = self._listings[::-1], []
        while listings:
            yield listings.pop()


def unpack(packed: bytes) -> list[Planned]:
    """Read a piece.

    Raises:
        msgspec.MsgspecError, zlib.error: bytes that `Pieces` has not made.
    """
    return _DECODER.decode(zlib.decompress(packed))


def open_now(book: Book, planned: StockAdjusted, now: datetime) -> StockAdjusted | None:
    """Return opening stock as it comes to a book that people have been using since it was decided.

    What came and went since is added to it, as if it had come in front. A count or a partner's figure since then is
    the whole truth of that location: None.
    """
    for movement in book.movements.values():
        if movement.location == planned.location and _is_whole_truth(movement):
            return None
    on_hand = book.on_hand_at(planned.location) + planned.delta
    return msgspec.structs.replace(planned, at=now, on_hand=on_hand)


def _is_whole_truth(movement: object) -> bool:
    return isinstance(movement, StockObserved) or (isinstance(movement, StockCounted) and movement.applied)


def _extended(known: bytes | None, event: Planned) -> bytes:
    if known is None:
        return _head(1) + _ENCODER.encode(event)
    return _head(_count_of(known) + 1) + known[_HEAD_BYTES:] + _ENCODER.encode(event)


def _pack(entries: list[bytes]) -> bytes:
    count = sum(map(_count_of, entries))
    long_head = b"\xdd" + count.to_bytes(4, "big")
    return zlib.compress(b"".join([long_head, *[each[_HEAD_BYTES:] for each in entries]]), _LEVEL)


def _head(count: int) -> bytes:
    """Build the head of an array; source: the MessagePack specification, section "array format family"."""
    return b"\xdc" + count.to_bytes(2, "big")


def _count_of(entry: bytes) -> int:
    return int.from_bytes(entry[1:_HEAD_BYTES], "big")
