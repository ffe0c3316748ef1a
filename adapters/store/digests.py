"""What tells that a frame is as it was written: its payload, and where and when it says it belongs.

A digest has 33 bits. Journals of earlier versions have frames whose digest has 32 and covers the payload alone.
"""

import struct
import zlib
from datetime import timedelta
from typing import Final

from engine.domain.units import EPOCH
from engine.ports import Frame

_HEAD: Final = struct.Struct(">qq")
_COVERS_ALL: Final = 1 << 32
_MICROSECOND: Final = timedelta(microseconds=1)


def digest_of(frame: Frame) -> int:
    """Return the digest that is kept beside a frame."""
    head = _HEAD.pack(frame.position, (frame.written_at - EPOCH) // _MICROSECOND)
    return _COVERS_ALL | zlib.crc32(frame.payload, zlib.crc32(head))


def is_intact(frame: Frame, digest: int) -> bool:
    """Whether a frame that was read back is the one that was written."""
    return digest == (digest_of(frame) if digest >= _COVERS_ALL else zlib.crc32(frame.payload))
