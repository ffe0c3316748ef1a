"""Units promised beyond what there is: judged for each pool of locations that stand in for one another, never over all.

What a marketplace keeps and ships itself does not help our own buyers, nor our shelf its buyers. An order line counts
against the pool of the location that it is allocated to; units that no location has fall to the first one of the
account's list, so that a backorder is short where it would be met from.
"""

from engine.domain.states import State
from engine.domain.stock.book import Book
from engine.domain.stock.places import Pool, Pools


def find_shortages(book: Book, pools: Pools) -> dict[Pool, int]:
    """Return what each pool is short of, in order of its first location; no zeros. O(locations of the SKU).

    In a pool, what one location alone owes (a buyer picks it up there) no other makes good.
    """
    for position in book.positions.values():
        if position.free < 0:
            break
    else:
        return {}  # a shortage is some location's before it is its pool's
    bound = book.records.bound
    lacking_bound: dict[Pool, int] = {}
    free: dict[Pool, int] = {}
    for location, position in book.positions.items():
        pool = pools.of(location)
        lacking = max(0, bound.get(location, 0) - position.standing(State.SELLABLE))
        lacking_bound[pool] = lacking_bound.get(pool, 0) + lacking
        free[pool] = free.get(pool, 0) + position.free + lacking
    short = {pool: lacking + max(0, -free[pool]) for pool, lacking in lacking_bound.items()}
    return {pool: units for pool, units in short.items() if units}
