"""What accounts may show: the rules that the daemon starts with, and takes over again whenever they change here."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from config.values import Section

Units = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class OfferRule(Section, frozen=True, kw_only=True):
    """What a channel may show of what is available. Options left out come from the wider rule."""

    view: Literal["real_time", "buffered", "regional"] | None = None
    """real_time: no buffer, whatever wider rules say. buffered: with it. regional: only `locations` count."""
    locations: tuple[str, ...] | None = None
    """Of the account's locations, those that a regional view counts."""
    share: Part | None = None
    """Part of the available units this account may show."""
    quotas: dict[str, Units] | None = None
    """By account: units of each SKU (of a bundle: its components) that no other may show until this one sold them."""
    buffer: Units | None = None
    """Units withheld. A rule takes one of `buffer`, `buffer_percent` and `buffer_from`."""
    buffer_percent: Percent | None = None
    """Percentage withheld of what could be shown, rounded up."""
    buffer_from: Literal["tiers", "computed"] | None = None
    """tiers: a percentage by daily sales. computed: what the others may sell before a number lands."""
    epsilon: Annotated[float, msgspec.Meta(gt=0, le=0.5)] | None = None
    """Computed buffer: the chance that others sell more than it; 0.01 unless told."""
    lag_seconds: Annotated[float, msgspec.Meta(ge=0, le=86_400)] | None = None
    """Computed buffer: time until the account shows a new number, until it has been measured; 60 unless told."""
    severity: Part | None = None
    """What a cancelled order costs here: 0 takes the least of a range of percentages, 1 the most; 0.5 unless told."""
    count_error: Units | None = None
    """Units withheld because counts are wrong, on top of any buffer. A rule takes this or `count_error_percent`."""
    count_error_percent: Percent | None = None
    """The same as a percentage of what could be shown, rounded up."""
    last_units: bool | None = None
    """Once every other account is verified at zero, the one still open gets no buffer."""
    zero_below: Units | None = None
    """Show zero rather than less than this."""
    cap: Units | None = None
    """Never show more than this."""
    floor: Units | None = None
    """Never show less than this, even with nothing to sell: for goods made on demand. Oversells by design."""


class OfferTier(Section, frozen=True, kw_only=True):
    """One line of the table for `buffer_from = "tiers"`; the first begins at 0, with none the built-in table holds."""

    daily_sales: Annotated[float, msgspec.Meta(ge=0)]
    """From so many units a day in stock on, up to the next tier."""
    percent_least: Percent | None = None
    """Withheld where a cancelled order costs little; none: computed from demand."""
    percent_most: Percent | None = None
    """Withheld where it costs much: the account's severity chooses between the two; none: as `percent_least`."""


class OfferWindow(Section, frozen=True, kw_only=True):
    """An event in which everybody sells at once: buffers are at least this percentage."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    """For people and EXPLAIN."""
    starts_at: Instant
    """When it begins."""
    ends_at: Instant
    """When it is over."""
    around_hours: Annotated[float, msgspec.Meta(ge=0, le=744)] = 24.0
    """It counts so long before its start and after its end already."""
    percent_least: Percent = 15.0
    """Withheld where a cancelled order costs little."""
    percent_most: Percent = 20.0
    """Withheld where it costs much: the account's severity chooses between the two."""
    accounts: tuple[str, ...] = ()
    """Accounts that it counts for; none named: all."""


class Offers(Section, frozen=True, kw_only=True):
    """Rules, the most particular first: `skus`, then `categories`, then `accounts`, then `default`."""

    default: OfferRule = OfferRule()
    """For every account and SKU; what it leaves out is share 1, buffer 0, no cap, floor 0."""
    accounts: dict[str, OfferRule] = msgspec.field(default_factory=dict)
    """By account id."""
    categories: dict[str, OfferRule] = msgspec.field(default_factory=dict)
    """By category of the catalogue, on every account."""
    skus: dict[str, OfferRule] = msgspec.field(default_factory=dict)
    """By SKU, under any code it ever had, on every account."""
    tiers: tuple[OfferTier, ...] = ()
    """By rising daily sales."""
    windows: tuple[OfferWindow, ...] = ()
    """In any order."""
