"""What holds for one SKU at one account: each term from the most particular rule that sets it, with its name."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Generic, TypeVar

import msgspec

from engine.domain.offers.buffers import (
    NO_BUFFER,
    TIERS,
    Buffer,
    ByTier,
    Computed,
    Part,
    Tier,
    Units,
    choose_percent,
    part_of,
)
from engine.domain.offers.rules import OfferTerms, RulesVersion, View, name_account, name_category, name_sku
from engine.domain.units import AccountId, LocationId, Sku

T = TypeVar("T")

BUILT_IN_RULE = "built in"
"""The rule behind a value that nobody set."""

EPSILON = 0.01
"""One computed buffer in a hundred is exceeded before the lower number lands."""
LAG_SECONDS = 60.0
"""Until pushes were measured: a settled push and its verification take seconds, a poll in between a minute."""
SEVERITY = 0.5

Layer = tuple[str, OfferTerms]


class Term(msgspec.Struct, Generic[T], frozen=True):
    """A value and the name of the rule it came from."""

    value: T
    rule: str


class Rise(msgspec.Struct, frozen=True):
    """A window as it counts for one account: from `begins_at` and before `ends_at`, at least this part is withheld."""

    name: str
    begins_at: datetime
    ends_at: datetime
    part: Fraction


class ResolvedRule(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one SKU at one account."""

    view: Term[View]
    where: frozenset[LocationId]
    """Whose ATP counts: the account's locations, or those of them that a region names."""
    share: Term[Fraction]
    buffer: Term[Buffer]
    epsilon: Term[float]
    lag_seconds: Term[float]
    severity: Term[float]
    count_error: Term[Units | Part]
    last_units: Term[bool]
    zero_below: Term[int]
    """0: a single one is shown."""
    cap: Term[int | None]
    """None: no cap."""
    floor: Term[int]
    quota: Term[int]
    """Of this account, of this SKU; 0: none."""
    quota_since: int
    """The version of the rules from which on sales count against it."""
    rises: tuple[Rise, ...]
    fixed: int | None
    """Base units withheld whatever happens, which makes most offers cheap; None: they depend on stock or the day."""


def resolve_rule(
    sku: Sku,
    account: AccountId,
    category: str | None,
    locations: Sequence[LocationId],
    rules: RulesVersion,
) -> ResolvedRule:
    """Take each term from the most particular rule that sets it: SKU, category, account, default.

    Args:
        sku: one without a rule of its own stands for all of its category.
        account: whose offer it is.
        category: of the SKU; None: it has none.
        locations: where the account sells from.
        rules: the version in force.
    """
    book = rules.book
    layers: list[Layer] = []
    if sku in book.skus:
        layers.append((name_sku(sku), book.skus[sku]))
    if category is not None and category in book.categories:
        layers.append((name_category(category), book.categories[category]))
    if account in book.accounts:
        layers.append((name_account(account), book.accounts[account]))
    layers.append(("default", book.default))

    def first(read: Callable[[OfferTerms], T | None], otherwise: T) -> Term[T]:
        for name, terms in layers:
            value = read(terms)
            if value is not None:
                return Term(value, f"{name} v{rules.version}")
        return Term(otherwise, BUILT_IN_RULE)

    usual: View = "buffered"
    view: Term[View] = first(lambda terms: terms.view, usual)
    severity = first(lambda terms: terms.severity, SEVERITY)
    epsilon = first(lambda terms: terms.epsilon, EPSILON)
    tiers = book.tiers or TIERS
    buffer: Term[Buffer] = first(lambda terms: _buffer_of(terms, tiers, severity.value, epsilon.value), NO_BUFFER)
    if view.value == "real_time":
        buffer = Term(NO_BUFFER, view.rule)
    count_error: Term[Units | Part] = first(_count_error_of, NO_BUFFER)
    last_units = first(lambda terms: terms.last_units, otherwise=False)
    share = first(lambda terms: terms.share, 1.0)
    rises = () if view.value == "real_time" else tuple(_rises_for(account, rules, severity.value))
    constant = isinstance(buffer.value, Units) and isinstance(count_error.value, Units)
    return ResolvedRule(
        view=view,
        where=_where(layers, view.value, locations),
        share=Term(Fraction(str(share.value)), share.rule),
        buffer=buffer,
        epsilon=epsilon,
        lag_seconds=first(lambda terms: terms.lag_seconds, LAG_SECONDS),
        severity=severity,
        count_error=count_error,
        last_units=last_units,
        zero_below=first(lambda terms: terms.zero_below, 0),
        cap=first(lambda terms: terms.cap, None),
        floor=first(lambda terms: terms.floor, 0),
        quota=first(lambda terms: (terms.quotas or {}).get(account), 0),
        quota_since=_quota_since(layers, account, rules),
        rises=rises,
        fixed=_fixed(buffer.value, count_error.value) if constant and not rises and not last_units.value else None,
    )


def _where(layers: Iterable[Layer], view: View, locations: Sequence[LocationId]) -> frozenset[LocationId]:
    if view == "regional":
        region = next(terms.locations for _, terms in layers if terms.view is not None)
        return frozenset(locations) & frozenset(region or ())
    return frozenset(locations)


def _buffer_of(terms: OfferTerms, tiers: tuple[Tier, ...], severity: float, epsilon: float) -> Buffer | None:
    if terms.buffer is not None:
        return Units(terms.buffer)
    if terms.buffer_percent is not None:
        return Part(part_of(terms.buffer_percent))
    match terms.buffer_from:
        case "tiers":
            return ByTier(tiers, severity)
        case "computed":
            return Computed(epsilon)
        case None:
            return None


def _count_error_of(terms: OfferTerms) -> Units | Part | None:
    if terms.count_error is not None:
        return Units(terms.count_error)
    return None if terms.count_error_percent is None else Part(part_of(terms.count_error_percent))


def _fixed(buffer: Buffer, count_error: Units | Part) -> int | None:
    return buffer.units + count_error.units if isinstance(buffer, Units) and isinstance(count_error, Units) else None


def _quota_since(layers: Iterable[Layer], account: AccountId, rules: RulesVersion) -> int:
    for name, terms in layers:
        if terms.quotas and account in terms.quotas:
            return rules.quotas_since.get(name, rules.version)
    return 0


def _rises_for(account: AccountId, rules: RulesVersion, severity: float) -> Iterable[Rise]:
    for window in rules.book.windows:
        if not window.accounts or account in window.accounts:
            around = timedelta(hours=window.around_hours)
            percent = choose_percent(window.percent_least, window.percent_most, severity)
            yield Rise(window.name, window.starts_at - around, window.ends_at + around, part_of(percent))
