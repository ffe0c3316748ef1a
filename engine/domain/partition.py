"""Which shard owns a SKU."""

import zlib
from functools import lru_cache
from typing import Final

from engine.domain.units import Sku

_SKUS_MAX: Final = 1 << 16
"""SKUs that are not hashed again: those of which something happens just now."""


@lru_cache(maxsize=_SKUS_MAX)
def shard_of(sku: Sku, shards: int) -> int:
    """Return the owner, 0 to `shards` - 1: CRC-32 of the UTF-8 bytes, the same in every process and release."""
    return zlib.crc32(sku.encode()) % shards
