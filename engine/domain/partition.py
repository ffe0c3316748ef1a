"""Which shard owns a SKU."""

import zlib

from engine.domain.units import Sku


def shard_of(sku: Sku, shards: int) -> int:
    """Return the owner, 0 to `shards` - 1: CRC-32 of the UTF-8 bytes, the same in every process and release."""
    return zlib.crc32(sku.encode()) % shards
