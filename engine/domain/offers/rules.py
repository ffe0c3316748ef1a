"""The rules of what accounts may show: written down as one book, of which every edit makes a new version.

A rule sets some terms and leaves the others to a wider one: SKU, then category, then account, then default. A book is
checked as a whole before it counts, and a version says who changed it and why.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec

from engine.domain.offers.buffers import Percent, Tier
from engine.domain.units import AccountId, Instant, LocationId, Sku, Units

T = TypeVar("T")

View = Literal["real_time", "buffered", "regional"]
BufferFrom = Literal["tiers", "computed"]
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]

WINDOW_HOURS_MAX = 24.0 * 31
"""Longest time that a window reaches beyond its event. A typing error must not buffer a whole year."""


class OfferTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rule as written. None: the wider rule decides.

    `buffer`, `buffer_percent` and `buffer_from` are one decision, of which a rule takes at most one; so are
    `count_error` and `count_error_percent`. Written to the journal: new fields get defaults, none is renamed.
    """

    view: View | None = None
    """real_time: no buffer, whatever wider rules say. regional: only `locations` count."""
    locations: tuple[LocationId, ...] | None = None
    """Of the account's locations, those that a regional view counts."""
    share: Part | None = None
    """Part of the available units that may be shown, 0 to 1, taken as the decimal it prints as."""
    quotas: dict[AccountId, Units] | None = None
    """By account: base units of each SKU that no other account may show until the account has sold as many."""
    buffer: Units | None = None
    """Base units withheld."""
    buffer_percent: Percent | None = None
    """Part of what could be shown that is withheld, rounded up."""
    buffer_from: BufferFrom | None = None
    """tiers: a percentage by daily sales. computed: what others may sell before a number lands."""
    epsilon: Annotated[float, msgspec.Meta(gt=0, le=0.5)] | None = None
    """Computed buffer: chance that others sell more than it."""
    lag_seconds: Seconds | None = None
    """Computed buffer: time until the account shows a new number, until enough pushes were measured."""
    severity: Part | None = None
    """What a cancelled order costs there, 0 to 1: chooses the point of a range of percentages."""
    count_error: Units | None = None
    """Base units withheld because counts are wrong, on top of any buffer."""
    count_error_percent: Percent | None = None
    last_units: bool | None = None
    """Once every other account is verified at zero, the one still open gets no buffer."""
    zero_below: Units | None = None
    """Show zero rather than fewer listing units than this."""
    cap: Units | None = None
    """Most listing units ever shown."""
    floor: Units | None = None
    """Least listing units ever shown, stock or no stock."""


class Window(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event in which everybody sells at once: buffers are at least this percentage."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    starts_at: Instant
    ends_at: Instant
    around_hours: Annotated[float, msgspec.Meta(ge=0, le=WINDOW_HOURS_MAX)] = 24.0
    """It counts so long before its start and after its end already."""
    percent_least: Percent = 15.0
    percent_most: Percent = 20.0
    """The account's severity chooses between the two."""
    accounts: tuple[AccountId, ...] = ()
    """Empty: every account."""


class RuleBook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All rules that hold at one time."""

    default: OfferTerms = OfferTerms()
    accounts: dict[AccountId, OfferTerms] = {}
    categories: dict[str, OfferTerms] = {}
    skus: dict[Sku, OfferTerms] = {}
    tiers: tuple[Tier, ...] = ()
    """By rising daily sales, the first from 0 on; empty: the built-in table."""
    windows: tuple[Window, ...] = ()

    def layers(self) -> Iterator[tuple[str, str, OfferTerms]]:
        """Yield every rule, the widest first: its path in the book, the name that EXPLAIN prints, its terms."""
        yield "default", "default", self.default
        for account, terms in self.accounts.items():
            yield f"accounts.{account}", name_account(account), terms
        for category, terms in self.categories.items():
            yield f"categories.{category}", name_category(category), terms
        for sku, terms in self.skus.items():
            yield f"skus.{sku}", name_sku(sku), terms


def name_account(account: AccountId) -> str:
    """Name an account's rule."""
    return f"account {account}"


def name_category(category: str) -> str:
    """Name a category's rule."""
    return f"category {category}"


def name_sku(sku: Sku) -> str:
    """Name a SKU's rule."""
    return f"sku {sku}"


def check_book(book: RuleBook, accounts: Mapping[AccountId, Sequence[LocationId]]) -> list[str]:
    """Say everything that is wrong with a book: path, value and rule of each problem; empty when it may be used.

    Args:
        book: bounds of single values were checked when it was decoded.
        accounts: every channel account there is, with the locations it sells from.
    """
    problems: list[str] = []
    for account in book.accounts:
        problems += _check_account(f"accounts.{account}", account, accounts)
    for path, _, terms in book.layers():
        problems += _check_terms(path, terms, accounts)
    for path, _, terms in book.layers():
        problems += _check_crossing(path, terms, book)
    problems += _check_regions(book, accounts)
    problems += _check_tiers(book.tiers)
    names: set[str] = set()
    for index, window in enumerate(book.windows):
        path = f"windows[{index}]"
        if window.name in names:
            problems.append(f"{path}.name: {window.name!r} is given twice")
        names.add(window.name)
        if window.ends_at <= window.starts_at:
            problems.append(f"{path}.ends_at: must be after starts_at, {window.starts_at.isoformat()}")
        if window.percent_most < window.percent_least:
            problems.append(f"{path}.percent_most: must not be below percent_least, {window.percent_least:g}")
        for account in window.accounts:
            problems += _check_account(f"{path}.accounts", account, accounts)
    return problems


def _check_account(path: str, account: AccountId, accounts: Mapping[AccountId, object]) -> Iterator[str]:
    if account not in accounts:
        yield f"{path}: no account has the id {account!r} (known: {', '.join(sorted(accounts)) or 'none'})"


def _check_terms(path: str, terms: OfferTerms, accounts: Mapping[AccountId, Sequence[LocationId]]) -> Iterator[str]:
    for group in (("buffer", "buffer_percent", "buffer_from"), ("count_error", "count_error_percent")):
        given = [name for name in group if getattr(terms, name) is not None]
        if len(given) > 1:
            yield f"{path}.{given[1]}: a rule takes one of {', '.join(group)}; {given[0]} is set, too"
    if (terms.view == "regional") != (terms.locations is not None):
        yield f"{path}.locations: needed by view 'regional', and by no other (view is {terms.view or 'not set'})"
    known = {location for locations in accounts.values() for location in locations}
    for location in terms.locations or ():
        if location not in known:
            names = ", ".join(sorted(known)) or "none"
            yield f"{path}.locations: no account sells from {location!r} (known: {names})"
    for account in terms.quotas or ():
        yield from _check_account(f"{path}.quotas", account, accounts)


def _check_crossing(path: str, terms: OfferTerms, book: RuleBook) -> Iterator[str]:
    """Find a floor above the cap that then holds, or the other way round."""
    if terms.floor is not None and terms.cap is not None:
        if terms.floor > terms.cap:
            yield f"{path}.floor: {terms.floor} must not be above the cap, which is {terms.cap}"
        return  # nothing of a wider rule is used
    if terms.floor is None and terms.cap is None:
        return
    for where, other in _wider(path, book):
        if terms.floor is not None and other.cap is not None and terms.floor > other.cap:
            yield f"{path}.floor: {terms.floor} must not be above {where}.cap, which is {other.cap}"
        if terms.cap is not None and other.floor is not None and terms.cap < other.floor:
            yield f"{path}.cap: {terms.cap} must not be below {where}.floor, which is {other.floor}"


def _wider(path: str, book: RuleBook) -> Iterator[tuple[str, OfferTerms]]:
    kind = path.partition(".")[0]
    if kind == "default":
        return
    yield "default", book.default
    if kind in {"categories", "skus"}:
        yield from ((f"accounts.{account}", terms) for account, terms in book.accounts.items())
    if kind == "skus":
        yield from ((f"categories.{name}", terms) for name, terms in book.categories.items())


def _check_regions(book: RuleBook, accounts: Mapping[AccountId, Sequence[LocationId]]) -> Iterator[str]:
    for account, terms in book.accounts.items():
        if terms.locations is not None and account in accounts and not set(terms.locations) & set(accounts[account]):
            sold = ", ".join(accounts[account])
            yield f"accounts.{account}.locations: the account sells from none of them (it sells from {sold})"


def _check_tiers(tiers: Sequence[Tier]) -> Iterator[str]:
    if tiers and tiers[0].daily_sales != 0:
        yield f"tiers[0].daily_sales: must be 0, so that every SKU has a tier; it is {tiers[0].daily_sales:g}"
    for index, tier in enumerate(tiers):
        if index and tier.daily_sales <= tiers[index - 1].daily_sales:
            yield f"tiers[{index}].daily_sales: must be above that of the tier before"
        if tier.percent_most is not None and (tier.percent_least is None or tier.percent_most < tier.percent_least):
            yield f"tiers[{index}].percent_most: needs a percent_least that is not above it"


class RulesVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A book and how it came to be."""

    version: int
    """0: nobody ever set a rule. Rises by one with each edit."""
    book: RuleBook
    at: Instant | None
    by: str
    note: str
    source: str
    """`command`, `file` or, for version 0, `built in`."""
    quotas_since: dict[str, int]
    """By name of a rule that has quotas: the version that last changed them. Units sold before do not count."""


BUILT_IN = RulesVersion(version=0, book=RuleBook(), at=None, by="", note="", source="built in", quotas_since={})
