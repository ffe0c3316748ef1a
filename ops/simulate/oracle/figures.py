"""What every figure must be once everything is certain: plain sums over what happened.

A SKU is asked for with all that went into it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from ops.simulate.oracle.facts import Facts
from ops.simulate.oracle.formula import Bounds
from ops.simulate.oracle.orders import Claim, OrderCase


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


class FiguresAt(NamedTuple):
    """One SKU at one location: what is not bound to a place may be anywhere where its account sells from."""

    on_hand: Bounds
    committed: Bounds
    reserved: Bounds
    unavailable: Bounds
    bound: int
    """Units that this location alone owes, or holds for who has not paid yet."""


class _Share(NamedTuple):
    """What one line of the newest state of an order comes to of one SKU."""

    case: OrderCase
    claim: Claim
    each: int
    owed: int
    held: int
    """Unpaid, in time."""


def final_figures(facts: Facts, sku: str, daemon_seconds: float) -> Figures:
    """Add up one SKU.

    Args:
        facts: nothing is unknown any more.
        sku: one that has stock, and has not gone into another one.
        daemon_seconds: the daemon's time now.
    """
    members = facts.merges.members(sku)
    shelves = [facts.shelves[member] for member in members]
    on_hand = sum(units for shelf in shelves for units in shelf.least.values())
    committed = reserved = 0
    for share in _shares(facts, members, daemon_seconds):
        on_hand -= share.claim.away * share.each
        committed += share.owed
        reserved += share.held
    for _, units, is_owed in _hold_parts(facts, members, daemon_seconds):
        if is_owed:
            committed += units
        else:
            reserved += units
    unavailable = sum(units for shelf in shelves for units in shelf.aside_least.values())
    return Figures(on_hand, committed, reserved, unavailable)


def final_figures_at(facts: Facts, sku: str, place: str, daemon_seconds: float) -> FiguresAt:
    """Add up one SKU at one location, as `final_figures` does over all."""
    members = facts.merges.members(sku)
    shelves = [facts.shelves[member] for member in members]
    away = committed = reserved = Bounds(0, 0)
    bound = 0
    for share in _shares(facts, members, daemon_seconds):
        left = share.claim.away * share.each
        if share.claim.pickup == place:
            bound += share.owed + share.held
            away, committed, reserved = (
                Bounds(least + units, most + units)
                for (least, most), units in ((away, left), (committed, share.owed), (reserved, share.held))
            )
        elif not share.claim.pickup and place in facts.places[share.case.account]:
            away, committed, reserved = (
                Bounds(least, most + units)
                for (least, most), units in ((away, left), (committed, share.owed), (reserved, share.held))
            )
    for at, units, is_owed in _hold_parts(facts, members, daemon_seconds):
        if at == place and is_owed:
            committed = Bounds(committed.least + units, committed.most + units)
        elif at == place:
            reserved = Bounds(reserved.least + units, reserved.most + units)
    there = sum(shelf.least.get(place, 0) for shelf in shelves)
    aside = sum(shelf.aside_least.get(place, 0) for shelf in shelves)
    on_hand = Bounds(there - away.most, there - away.least)
    return FiguresAt(on_hand, committed, reserved, Bounds(aside, aside), bound)


def _shares(facts: Facts, members: list[str], daemon_seconds: float) -> Iterator[_Share]:
    """Yield what each line takes, or took, of a SKU."""
    for case in facts.orders.values():
        newest = case.states[-1]
        for claim in newest.claims:
            options = facts.leaves(case.account, claim.listing)
            made_of = case.made_of.get(claim.line, options[-1] if options else {})
            each = sum(made_of.get(member, 0) for member in members)
            if each:
                is_paid = newest.held_until is None
                is_held = newest.held_until is not None and newest.held_until > daemon_seconds
                owed = claim.open * each if is_paid else 0
                yield _Share(case, claim, each, owed, claim.open * each if is_held else 0)


def _hold_parts(facts: Facts, members: list[str], daemon_seconds: float) -> Iterator[tuple[str, int, bool]]:
    """Yield what holds have of a SKU: where, units, and whether those are owed by now."""
    for hold in facts.holds.values():
        is_owed = hold.state == "committed" and not hold.taken_over
        is_held = hold.state == "granted" and (hold.expires is None or hold.expires > daemon_seconds)
        if is_owed or is_held:
            for (sku, place), units in hold.lines.items():
                if sku in members:
                    yield place, units, is_owed


def misplaced(facts: Facts, case: OrderCase, daemon_seconds: float) -> Iterator[str]:
    """Say what is owed of lines that are picked up, and is not where their buyers come."""
    newest = case.states[-1]
    counts = newest.held_until is None or newest.held_until > daemon_seconds
    for claim in newest.claims:
        if not claim.pickup:
            continue
        options = facts.leaves(case.account, claim.listing)
        made_of = case.made_of.get(claim.line, options[-1] if options else {})
        owed = {(sku, claim.pickup): claim.open * each for sku, each in made_of.items() if claim.open and counts}
        if facts.alike(case.owed_at.get(claim.line, {})) != facts.alike(owed):
            yield f"line {claim.line} is picked up: {owed} must be owed, and {case.owed_at.get(claim.line)} are"


def units_shipped(facts: Facts, sku: str) -> int:
    """Return the units of a SKU that ever left."""
    members, shipped = facts.merges.members(sku), 0
    for case in facts.orders.values():
        for claim in case.states[-1].claims:
            options = facts.leaves(case.account, claim.listing)
            made_of = case.made_of.get(claim.line, options[-1] if options else {})
            shipped += claim.shipped * sum(made_of.get(member, 0) for member in members)
    return shipped
