"""How many units an account is not shown: fixed, a percentage, by the tier of daily sales, or computed from demand.

Every buffer counts base units and is rounded up: a unit too few on show costs a sale that can be had later, a unit too
many costs a cancelled order. So a percentage of the last unit withholds it; the last-units rule gives it back.
"""

from fractions import Fraction
from functools import lru_cache
from math import exp, floor, lgamma, log, log10, sqrt
from typing import Annotated

import msgspec

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]

MEAN_MIN = 1e-9
MEAN_MAX = 1_000_000.0
"""Units sold elsewhere before a number lands. Nobody sells as many; a limit keeps a wrong lag from costing time."""

_DIGITS = 3
"""Figures of a mean that count; the rest is rounded up, so that near demands share an answer."""


class Tier(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to withhold of a SKU that sells so many units a day, or more."""

    daily_sales: Annotated[float, msgspec.Meta(ge=0)]
    """From so many units a day on, up to the next tier."""
    percent_least: Percent | None = None
    """Of the units that could be shown, where a cancelled order costs little. None: computed from demand instead."""
    percent_most: Percent | None = None
    """Where it costs much: the account's severity chooses between the two. None: as `percent_least`."""


TIERS = (
    Tier(daily_sales=0.0, percent_least=20.0, percent_most=30.0),
    Tier(daily_sales=10.0, percent_least=10.0, percent_most=20.0),
    Tier(daily_sales=50.0, percent_least=5.0, percent_most=10.0),
    Tier(daily_sales=200.0),
)
"""DESIGN.md section 5. What sells less than one a day, or was never seen to sell, is in the most careful tier."""


class Units(msgspec.Struct, frozen=True):
    """A fixed number of units."""

    units: int


class Part(msgspec.Struct, frozen=True):
    """A part of what could be shown, 0 to 1."""

    part: Fraction


class ByTier(msgspec.Struct, frozen=True):
    """As the tier of the SKU's daily sales says."""

    tiers: tuple[Tier, ...]
    """By rising daily sales; the first begins at 0."""
    severity: float


class Computed(msgspec.Struct, frozen=True):
    """As many as others may sell, with a chance above `epsilon`, before a lower number lands."""

    epsilon: float


Buffer = Units | Part | ByTier | Computed

NO_BUFFER = Units(0)


@lru_cache(maxsize=1 << 12)
def part_of(percent: float) -> Fraction:
    """Return a percentage as an exact part, taken as the decimal it prints as."""
    return Fraction(str(percent)) / 100


def round_up(units: int, part: Fraction) -> int:
    """Return a part of some units, rounded up; nothing of nothing."""
    return -(-units * part.numerator // part.denominator) if units > 0 else 0


def choose_percent(least: float, most: float | None, severity: float) -> float:
    """Choose a point of a range: 0 is its beginning, 1 its end. A millionth of a percent is as fine as it gets."""
    return least if most is None else round(least + (most - least) * severity, 6)


def find_tier(tiers: tuple[Tier, ...], daily_sales: float) -> Tier:
    """Return the last tier that begins at or below these sales."""
    found = tiers[0]
    for tier in tiers:
        if tier.daily_sales > daily_sales:
            break
        found = tier
    return found


def cover_demand(mean: float, epsilon: float) -> int:
    """Return the least number of units that a Poisson demand exceeds with a chance of at most `epsilon`.

    Args:
        mean: units expected; counted to three figures, rounded up, and to a million at most.
        epsilon: above 0, at most 1.
    """
    return _cover(_coarse(min(max(mean, MEAN_MIN), MEAN_MAX)), epsilon) if mean > 0 else 0


def chance_above(units: int, mean: float) -> float:
    """Return the chance that a Poisson demand of this mean exceeds some units, to about twelve figures."""
    if mean <= 0:
        return 0.0
    if units < 0:
        return 1.0
    # The shorter tail is summed from its largest term, so that nothing cancels out.
    if units >= mean:
        return _sum_up(units + 1, mean)
    return max(0.0, 1.0 - _sum_down(units, mean))


def _sum_up(first: int, mean: float) -> float:
    term = total = exp(first * log(mean) - mean - lgamma(first + 1))
    k = first
    while term > total * 1e-17:
        k += 1
        term *= mean / k
        total += term
    return total


def _sum_down(last: int, mean: float) -> float:
    term = total = exp(last * log(mean) - mean - lgamma(last + 1))
    for k in range(last, 0, -1):
        term *= k / mean
        total += term
        if term <= total * 1e-17:
            break
    return total


@lru_cache(maxsize=1 << 14)
def _cover(mean: float, epsilon: float) -> int:
    low, high = -1, int(mean + 8 * sqrt(mean) + 8)
    while chance_above(high, mean) > epsilon:
        low, high = high, 2 * high
    while high - low > 1:  # low is exceeded too often, high is not
        middle = (low + high) // 2
        if chance_above(middle, mean) > epsilon:
            low = middle
        else:
            high = middle
    return high


def _coarse(mean: float) -> float:
    """Round up to three figures."""
    step = 10.0 ** (floor(log10(mean)) + 1 - _DIGITS)
    return -(-mean // step) * step
