"""Whether there was room for a hold: at most, when it was granted; at least, when it was refused."""

from typing import NamedTuple

from ops.simulate.oracle.facts import Facts
from ops.simulate.oracle.holds import HoldCase


class Promised(NamedTuple):
    """What was promised of a SKU beyond doubt when its last hold was granted, and the most there can have been."""

    held: int
    owed: int
    most: int


def most_promised(facts: Facts, newest: HoldCase, sku: str) -> Promised | None:
    """Add up what was promised beyond doubt when the last of the holds was that are open now; None: `newest` is over.

    That was after the last of these holds was asked for, and not after now; each of them was open then.
    """
    since, members, certain = _open_for_sure(facts, sku)
    if newest not in certain:
        return None
    held = sum(case.skus.get(member, 0) for case in certain for member in members)
    owed = sum(
        case.least_known(member, facts.weights(case.account), since, facts.least_taken[case.account])
        for member in members
        for case in facts.orders_by_sku[member].values()
    )
    most = sum(facts.shelves[member].most_sellable(since) for member in members)
    for gone in facts.merges.perhaps(sku, members):
        shelf = facts.shelves[gone]
        most += max(0, shelf.most_sellable(since) + shelf.kept_back)
    return Promised(held, owed, most)


def _open_for_sure(facts: Facts, sku: str) -> tuple[float, list[str], list[HoldCase]]:
    """Return when the last of the holds was asked for that are open beyond doubt, of which SKUs they are, and which.

    What had gone into the SKU by then counts; what went into it later, or perhaps, does not.
    """
    since = float("inf")
    while True:
        members = facts.merges.members(sku, since)
        cases = {hold: case for member in members for hold, case in facts.holds_by_sku[member].items()}
        certain = [case for case in cases.values() if case.is_open_for_sure(facts.daemon_seconds)]
        last = max((case.sent_at for case in certain), default=since)
        if len(members) == 1 or last >= since:
            return last, members, certain
        since = last


def least_there(facts: Facts, refused: HoldCase, sku: str, daemon_seconds: float, enough: int) -> int:
    """Return the least units that were there when a hold was refused; anything up to `enough`: no more than that.

    What others had held until that instant was free at it, whoever had noticed (lessons B10, B11).
    """
    members = facts.merges.members(sku, refused.sent_at)
    least = sum(_least_unheld(facts, member, refused, daemon_seconds) for member in members)
    if least <= enough:
        return least  # the sums over orders are the dear ones
    least -= sum(_most_owed(facts, member) for member in members)
    for gone in facts.merges.perhaps(sku, members):
        least += min(0, _least_unheld(facts, gone, refused, daemon_seconds) - _most_owed(facts, gone))
    return least


def _least_unheld(facts: Facts, sku: str, refused: HoldCase, daemon_seconds: float) -> int:
    """Return the least units that no other hold can have had."""
    least = facts.shelves[sku].least_sellable(refused.sent_at)
    for other, units in facts.holds_of(sku):
        if other is not refused and not other.is_over_for_sure(refused.sent_at, daemon_seconds):
            least -= units
    return least


def _most_owed(facts: Facts, sku: str) -> int:
    """Return the most units that orders can take from where the storefront sells."""
    return sum(
        case.most_known(sku, facts.weights(case.account), facts.most_taken[case.account])
        for case in facts.orders_by_sku[sku].values()
    )
