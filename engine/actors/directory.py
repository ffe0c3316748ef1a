"""Where a hold is found: commands that end one name its id alone."""

from functools import lru_cache

import msgspec

from engine.domain.units import DIRECT, AccountId, HoldId, Sku


class Placed(msgspec.Struct, frozen=True, gc=False):
    """What a hold's id stands for."""

    skus: tuple[Sku, ...]
    account: AccountId


Directory = dict[HoldId, Placed]
"""Every id that a book knows. The router adds, the shards take away."""


def new_directory() -> Directory:
    """Return an empty directory that keeps the hash of each id beside it.

    CPython leaves the hashes out of a dictionary that has never had a key but strings, and looks at the key where two
    collide. Of a million ids hardly one is in the processor's cache: a look-up took 1.5 times as long.
    """
    mixed: dict[object, Placed] = {None: Placed((), DIRECT)}
    del mixed[None]
    return mixed  # type: ignore[return-value]  # nothing is in it


def placed_on(skus: tuple[Sku, ...], account: AccountId) -> Placed:
    """Return the entry of a hold; those over one SKU share theirs, for there are millions of them."""
    return placed_on_one(skus[0], account) if len(skus) == 1 else Placed(skus, account)


@lru_cache(maxsize=1 << 16)
def placed_on_one(sku: Sku, account: AccountId) -> Placed:
    """Return the entry that holds over one SKU share."""
    return Placed((sku,), account)
