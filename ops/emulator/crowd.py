"""A crowd of buyers, planned from a seed: who comes when, takes what, and thinks better of it. No IO."""

import random
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec

from ops.emulator.faults import Amount, Share
from ops.emulator.model import Wanted

Afterwards = Literal["keep", "cancel", "refund", "pay", "abandon"]


class CrowdPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to let loose. The same plan over the same catalogue is the same crowd.

    `skus` maps SKUs to weights; without it everything in the catalogue is wanted, the n-th SKU in its order with weight
    1 / n ** zipf. Shares are of all buyers, drawn once per buyer in the order cancel, refund, pending, on hold.
    """

    seed: int = 0
    rate_per_second: Annotated[float, msgspec.Meta(gt=0)] = 20
    seconds: Amount = 10
    skus: dict[str, float] | None = None
    zipf: Amount = 0
    quantity_max: Annotated[int, msgspec.Meta(ge=1)] = 1
    lines_max: Annotated[int, msgspec.Meta(ge=1)] = 1
    cancel_share: Share = 0
    """Paid, then cancelled."""
    refund_share: Share = 0
    """Paid, then refunded in full with restock."""
    pending_share: Share = 0
    """Begun and unpaid; paid or abandoned afterwards."""
    abandon_share: Share = 0.3
    """Of the unpaid, those that are cancelled."""
    on_hold_share: Share = 0
    afterwards_min_seconds: Amount = 0.2
    afterwards_max_seconds: Amount = 2


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """One buyer: seconds after the start, the basket, the order's first status, and what follows how much later."""

    at_seconds: float
    basket: tuple[Wanted, ...]
    status: str
    afterwards: Afterwards
    afterwards_seconds: float


def visits(plan: CrowdPlan, catalogue: Sequence[str]) -> Iterator[Visit]:
    """Yield the buyers of a plan in the order in which they come; `catalogue` lists what can be bought."""
    rng = random.Random(plan.seed)  # noqa: S311  # a crowd must repeat, not surprise
    skus = list(plan.skus) if plan.skus else list(catalogue)
    weights = list(plan.skus.values()) if plan.skus else [1 / rank**plan.zipf for rank in range(1, len(skus) + 1)]
    at_seconds = rng.expovariate(plan.rate_per_second)
    while skus and at_seconds < plan.seconds:
        lines = rng.randint(1, plan.lines_max)
        chosen = dict.fromkeys(rng.choices(skus, weights, k=lines))
        status, afterwards = _mood(plan, rng)
        yield Visit(
            at_seconds=at_seconds,
            basket=tuple(Wanted(sku=sku, quantity=rng.randint(1, plan.quantity_max)) for sku in chosen),
            status=status,
            afterwards=afterwards,
            afterwards_seconds=rng.uniform(plan.afterwards_min_seconds, plan.afterwards_max_seconds),
        )
        at_seconds += rng.expovariate(plan.rate_per_second)


def _mood(plan: CrowdPlan, rng: random.Random) -> tuple[str, Afterwards]:
    drawn = rng.random() - plan.cancel_share
    if drawn < 0:
        return "processing", "cancel"
    if (drawn := drawn - plan.refund_share) < 0:
        return "processing", "refund"
    if (drawn := drawn - plan.pending_share) < 0:
        return "pending", "abandon" if rng.random() < plan.abandon_share else "pay"
    return ("on-hold" if drawn < plan.on_hold_share else "processing"), "keep"
