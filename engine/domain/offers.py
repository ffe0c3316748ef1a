"""What a channel may show: one sum per listing, exact, and printable with the rule behind every term.

`offer = clamp(floor(share x sum of ATP over the account's locations) - buffer, floor, cap)`.

- Share and buffer act on base units of the SKU, for there the risk lies. Whole packs are counted after that. Cap and
  floor are numbers that the channel shows, so they act last and in listing units.
- ATP is summed with its sign over the account's own locations. A shortage at one of them is owed to buyers already and
  will be met from the others: showing those units again would sell them twice. A shortage anywhere else is not this
  account's business and takes nothing from it.
- The result is never negative. A cap below the floor wins: showing less is the safer mistake.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Generic, TypeVar

import msgspec

from engine.domain.units import AccountId, LocationId, Sku

T = TypeVar("T")

BUILT_IN = "built in"
"""The rule behind a value that nobody set."""


class OfferTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as written. None: the wider rule decides."""

    share: float | None = None
    """Part of the available units that may be shown, 0 to 1, taken as the decimal it prints as."""
    buffer: int | None = None
    """Base units withheld."""
    cap: int | None = None
    """Most listing units ever shown."""
    floor: int | None = None
    """Least listing units ever shown, stock or no stock."""


class Term(msgspec.Struct, Generic[T], frozen=True):
    """A value and the name of the rule it came from."""

    value: T
    rule: str


class ResolvedRule(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one SKU at one account."""

    share: Term[Fraction]
    buffer: Term[int]
    cap: Term[int | None]
    """None: no cap."""
    floor: Term[int]


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A number to show and the whole sum that led to it: term, value, rule."""

    quantity: int
    terms: tuple[tuple[str, str, str], ...]


def resolve_rule(
    sku: Sku,
    account: AccountId,
    default: OfferTerms,
    accounts: Mapping[AccountId, OfferTerms],
    skus: Mapping[Sku, OfferTerms],
) -> ResolvedRule:
    """Take each field from the most particular rule that sets it: SKU, then account, then default."""
    layers: list[tuple[str, OfferTerms]] = []
    if sku in skus:
        layers.append((f"sku {sku}", skus[sku]))
    # Categories take their place here, once SKUs have any.
    if account in accounts:
        layers.append((f"account {account}", accounts[account]))
    layers.append(("default", default))
    share = _first(layers, lambda terms: terms.share, 1.0)
    return ResolvedRule(
        share=Term(Fraction(str(share.value)), share.rule),
        buffer=_first(layers, lambda terms: terms.buffer, 0),
        cap=_first(layers, lambda terms: terms.cap, None),
        floor=_first(layers, lambda terms: terms.floor, 0),
    )


def rules_of(
    account: AccountId, default: OfferTerms, accounts: Mapping[AccountId, OfferTerms], skus: Mapping[Sku, OfferTerms]
) -> Callable[[Sku], ResolvedRule]:
    """Return `resolve_rule` for one account; SKUs without a rule of their own share one answer."""
    common = resolve_rule(Sku(""), account, default, accounts, {})
    own = {sku: resolve_rule(sku, account, default, accounts, skus) for sku in skus}
    return lambda sku: own.get(sku, common)


def compute_quantity(
    atp: Mapping[LocationId, int], locations: Sequence[LocationId], rule: ResolvedRule, pack_units: int
) -> int:
    """Return the offer without its reasons: the part that runs for every change."""
    total = sum(atp.get(location, 0) for location in dict.fromkeys(locations))
    return _clamp((_shared(total, rule) - rule.buffer.value) // pack_units, rule)


def compute_offer(
    atp: Mapping[LocationId, int], locations: Sequence[LocationId], rule: ResolvedRule, pack_units: int
) -> Offer:
    """Return the offer of a listing with its reasons.

    Args:
        atp: base units by location; a location left out has none.
        locations: where the account sells from; naming one twice counts it once.
        rule: what holds for this SKU and account.
        pack_units: base units in one unit of the listing, at least 1.
    """
    places = [(place, atp.get(place, 0)) for place in dict.fromkeys(locations)]
    total = sum(units for _, units in places)
    shared = _shared(total, rule)
    packs = (shared - rule.buffer.value) // pack_units
    quantity = _clamp(packs, rule)
    terms = [
        *((f"atp {place}", str(units), "stock") for place, units in places),
        ("atp", str(total), "sum over the account's locations"),
        ("share", _decimal(rule.share.value), rule.share.rule),
        ("shared", str(shared), "atp x share, rounded down"),
        ("buffer", str(rule.buffer.value), rule.buffer.rule),
        ("pack", str(pack_units), "listing"),
        ("packs", str(packs), "(shared - buffer) / pack, rounded down"),
        ("floor", str(rule.floor.value), rule.floor.rule),
        ("cap", "none" if rule.cap.value is None else str(rule.cap.value), rule.cap.rule),
        ("offer", str(quantity), "packs between floor and cap, never negative"),
    ]
    return Offer(quantity=quantity, terms=tuple(terms))


def _first(layers: Sequence[tuple[str, OfferTerms]], read: Callable[[OfferTerms], T | None], otherwise: T) -> Term[T]:
    for name, terms in layers:
        value = read(terms)
        if value is not None:
            return Term(value, name)
    return Term(otherwise, BUILT_IN)


def _shared(total: int, rule: ResolvedRule) -> int:
    # A shortage is owed in full, whatever the share.
    return total if total <= 0 else total * rule.share.value.numerator // rule.share.value.denominator


def _clamp(packs: int, rule: ResolvedRule) -> int:
    raised = max(packs, rule.floor.value, 0)
    return raised if rule.cap.value is None else min(raised, rule.cap.value)


def _decimal(value: Fraction) -> str:
    return f"{float(value):g}" if value.denominator != 1 else str(value.numerator)
