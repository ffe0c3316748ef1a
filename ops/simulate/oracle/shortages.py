"""How short a pool of locations can ever have been: nothing larger may be on record as an oversell."""

from collections.abc import Iterator
from typing import Final

from ops.simulate.oracle.facts import Facts
from ops.simulate.oracle.orders import Taken, taken_at

_PROMISED: Final = 0
_THERE: Final = 1
_GIVEN_BACK: Final = 2
"""Steps of a shortage, in the order in which those of one instant are taken."""

Step = tuple[float, int, int]
"""When, how, units."""


def worst_shortage(facts: Facts, sku: str, pool: int) -> int:
    """Return the most units of a SKU, and of what went into it, that a pool can ever have been short of.

    Each member is taken for itself: before a merge one may have been short while the other had plenty.
    """
    return sum(_worst(facts, member, pool) for member in facts.merges.members(sku))


def _worst(facts: Facts, sku: str, pool: int) -> int:
    """Return the most that was promised beyond what there was, or that one place alone owed and did not have."""
    places = facts.pools[pool]
    whole = _climb([*_hold_steps(facts, sku, pool), *_steps(facts, sku, places, pool)])
    alone = 0
    for spot in places:
        if _is_fetched_at(facts, spot):
            alone += _climb(_steps(facts, sku, (spot,), len(facts.pools) + facts.spots.index(spot), alone=True))
    return max(whole, alone)


def _climb(steps: list[Step]) -> int:
    """Return the most that was promised beyond what was there; of one instant, the worst comes first."""
    promised = least = worst = 0
    for _, step, units in sorted(steps):
        if step == _THERE:
            least = units
        else:
            promised += units if step == _PROMISED else -units
        worst = max(worst, promised - least)
    return worst


def _hold_steps(facts: Facts, sku: str, pool: int) -> Iterator[Step]:
    if set(facts.pools[pool]).isdisjoint(facts.places["direct"]):
        return
    for case, units in facts.holds_of(sku):
        yield case.sent_at, _PROMISED, units
        if case.ended_at is not None:
            yield case.ended_at, _GIVEN_BACK, units


def _steps(facts: Facts, sku: str, places: tuple[str, ...], group: int, *, alone: bool = False) -> list[Step]:
    """Return what orders took from some places, and what was there. `alone`: owed only where a buyer comes for it."""
    found: list[Step] = []
    for order in facts.orders.values():
        taken = taken_at(places, facts.places[order.account], surely=False)
        rises = order.rises(sku, facts.weights(order.account), _alone(taken) if alone else taken)
        found += [(at, _PROMISED, units) for at, units in rises]
    found += [(at, _THERE, there[group]) for at, _, there in facts.shelves[sku].past]
    return found


def _alone(taken: Taken) -> Taken:
    """Count open units only of lines that are picked up: no other place makes those good."""
    return lambda claim, open_counts: taken(claim, open_counts and bool(claim.pickup))


def _is_fetched_at(facts: Facts, spot: str) -> bool:
    return any(claim.pickup == spot for case in facts.orders.values() for claim in case.states[0].claims)
