"""What every figure must be once everything is certain: plain sums over what happened."""

from collections import Counter
from typing import NamedTuple

from ops.simulate.oracle.oracle import Oracle


class Figures(NamedTuple):
    """One SKU over all locations."""

    on_hand: int
    committed: int
    reserved: int
    unavailable: int

    @property
    def shortage(self) -> int:
        """Units promised beyond what may be sold."""
        return max(0, self.committed + self.reserved + self.unavailable - self.on_hand)


def final_figures(oracle: Oracle, sku: str, daemon_seconds: float) -> Figures:
    """Add up one SKU.

    Args:
        oracle: nothing is unknown to it any more.
        sku: one that has stock.
        daemon_seconds: the daemon's time now.
    """
    shelf = oracle.shelves[sku]
    on_hand = sum(shelf.least.values())
    committed = reserved = 0
    for case in oracle.orders.values():
        newest = case.states[-1]
        for claim in newest.claims:
            options = oracle.leaves(case.account, claim.listing)
            each = case.made_of.get(claim.line, options[-1] if options else {}).get(sku, 0)
            on_hand -= (claim.shipped - claim.returned) * each
            if newest.held_until is None:
                committed += claim.open * each
            elif newest.held_until > daemon_seconds:
                reserved += claim.open * each
    for hold in oracle.holds.values():
        units = hold.skus.get(sku, 0)
        if hold.state == "committed" and not hold.taken_over:
            committed += units
        elif hold.state == "granted" and (hold.expires is None or hold.expires > daemon_seconds):
            reserved += units
    return Figures(on_hand, committed, reserved, sum(shelf.aside_least.values()))


def units_shipped(oracle: Oracle) -> Counter[str]:
    """Return the units of every SKU that ever left."""
    shipped: Counter[str] = Counter()
    for case in oracle.orders.values():
        for claim in case.states[-1].claims:
            options = oracle.leaves(case.account, claim.listing)
            for sku, each in case.made_of.get(claim.line, options[-1] if options else {}).items():
                shipped[sku] += claim.shipped * each
    return shipped
