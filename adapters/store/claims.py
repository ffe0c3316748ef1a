"""Who owned a store and since when: the same for every kind of store that outlives the process."""

from datetime import datetime
from typing import Final

import msgspec

PARTITION: Final = 0
"""The one partition that there is: all SKUs. Epochs and frames are kept per partition from the start."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One owner. What it wrote are the frames above `after_position`, up to that of the next claim."""

    epoch: int
    owner: str
    claimed_at: datetime
    """By the clock of the store: the database server's, or this machine's for an embedded one."""
    after_position: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds."""

    frames: int
    """All that were ever written, wherever they are now: the position of the last one."""
    last_at: datetime | None
    """When the last one was written; None: there is none."""
    stored_bytes: int
    """What it takes on disk, nearly."""
    schema_version: int
    """0: there are no tables yet."""
    first: int = 1
    """Position of the oldest frame in the store itself; those before it were put away. 0: there is none."""
