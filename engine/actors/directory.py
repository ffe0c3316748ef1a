"""Where a hold is found: commands that end one name its id alone."""

from functools import lru_cache

import msgspec

from engine.domain.units import AccountId, HoldId, Sku


class Placed(msgspec.Struct, frozen=True, gc=False):
    """What a hold's id stands for."""

    skus: tuple[Sku, ...]
    account: AccountId


Directory = dict[HoldId, Placed]
"""Every id that a book knows. The router adds, the shards take away."""


def placed_on(skus: tuple[Sku, ...], account: AccountId) -> Placed:
    """Return the entry of a hold; those over one SKU share theirs, for there are millions of them."""
    return placed_on_one(skus[0], account) if len(skus) == 1 else Placed(skus, account)


@lru_cache(maxsize=1 << 16)
def placed_on_one(sku: Sku, account: AccountId) -> Placed:
    """Return the entry that holds over one SKU share."""
    return Placed((sku,), account)
