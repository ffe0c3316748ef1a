"""What a channel may show: one sum per listing, exact, and printable with the rule behind every term.

`offer = clamp(floor(share x (ATP over the account's locations - what is fenced for others)) - buffer - count error,
floor, cap)`.

- Share, buffer and count error act on base units of the SKU, for there the risk lies. Whole packs are counted after
  that. `zero_below`, cap and floor are numbers that the channel shows, so they act last and in listing units.
- ATP is summed with its sign over the account's own locations. A shortage at one of them is owed to buyers already and
  will be met from the others: showing those units again would sell them twice. A shortage anywhere else is not this
  account's business and takes nothing from it.
- The result is never negative. A cap below the floor wins: showing less is the safer mistake. A floor wins over
  `zero_below`: it is there for goods that need no stock.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import NamedTuple

import msgspec

from engine.domain.availability import Availability
from engine.domain.catalogue.codes import Codes
from engine.domain.catalogue.making import count_available, count_spare, explain_components
from engine.domain.events import Line
from engine.domain.offers.buffers import (
    Buffer,
    ByTier,
    Computed,
    Part,
    Units,
    choose_percent,
    cover_demand,
    find_tier,
    part_of,
    round_up,
)
from engine.domain.offers.naming import find_written
from engine.domain.offers.resolve import ResolvedRule, Rise, Term, resolve_rule
from engine.domain.offers.rules import BUILT_IN, RulesVersion
from engine.domain.units import AccountId, LocationId, Sku


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """A number to show and the whole sum that led to it: term, value, rule."""

    quantity: int
    terms: tuple[tuple[str, str, str], ...]
    lag_seconds: float | None = None
    """What the buffer reckoned with until the number is shown; None: it is so many units, whatever comes."""


class Fence(NamedTuple):
    """Units of a SKU that one account alone may show."""

    account: AccountId
    units: int
    rule: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What offers depend on beside rules and stock. Every answer is O(1), in the accounts at most."""

    codes: Codes = msgspec.field(default_factory=Codes)
    """What SKUs are called, for rules name them as people do."""
    category_of: Callable[[Sku], str | None] = lambda _sku: None
    is_retired: Callable[[Sku], bool] = lambda _sku: False
    """Whether a SKU is to be shown nowhere."""
    daily_sales: Callable[[Sku, datetime], float | None] = lambda _sku, _at: None
    """Units sold on a day in stock, over all accounts, a bundle's as such; None: nobody knows."""
    rate_elsewhere: Callable[[Sku, AccountId, datetime], float] = lambda _sku, _account, _at: 0.0
    """Units that are sold in a second by anybody, the direct account included, but by the account's own listing."""
    rate_beside: Callable[[Line, Sku, AccountId, datetime], float] = lambda _component, _bundle, _account, _at: 0.0
    """The same of a bundle's component (SKU, units in one), for the account's listing of that bundle."""
    lag_seconds: Callable[[AccountId], float | None] = lambda _account: None
    """Measured time until the account shows a new number; None: not measured yet."""
    fences: Callable[[Sku, AccountId, Availability, datetime], Sequence[Fence]] = lambda *_: ()
    """What is ring-fenced for accounts other than this one, of a component as its part of bundles, too."""
    last_open: Callable[[Sku, AccountId], bool] = lambda _sku, _account: False
    """Whether every other account is verified at zero and this is the one to show the last units."""
    rate_direct: Callable[[Sku, datetime], float] = lambda _sku, _at: 0.0
    """Units that the direct account sells in a second just now: by the true stock, beside the last one open."""


class Offering:
    """One account's offers under the rules in force. O(1) per offer, however many rules there are."""

    def __init__(
        self,
        account: AccountId,
        locations: Sequence[LocationId],
        facts: Facts | None = None,
        rules: RulesVersion = BUILT_IN,
    ) -> None:
        """Offer what lies at `locations`; naming one twice counts it once."""
        self.account = account
        self.locations = tuple(dict.fromkeys(locations))
        self._facts = facts or Facts()
        self.use(rules)

    def use(self, rules: RulesVersion) -> None:
        """Let these rules hold from the next offer on."""
        self.rules = rules
        self._written: Mapping[Sku, Sku] | None = None
        """By id, the code that the rule of a SKU is written under; None: to be found out when next asked."""
        self._categories = rules.book.categories
        self._common = self._resolve(Sku(""), None)
        self._nothing = msgspec.structs.replace(self._common, cap=Term(0, "retired"))
        self._resolved: dict[tuple[Sku | None, str | None], ResolvedRule] = {}
        """Rules of SKUs and categories that have one, as they are first asked for; bounded by the book."""

    def forget_names(self) -> None:
        """Find out anew which rule is whose: a SKU is called otherwise, or is another one."""
        self._written = None

    def under(self, rules: RulesVersion, facts: Facts | None = None) -> "Offering":
        """Return what this account would offer under other rules, or with other facts."""
        return Offering(self.account, self.locations, facts or self._facts, rules)

    def rule(self, sku: Sku) -> ResolvedRule:
        """Return what holds for a SKU."""
        if self._facts.is_retired(sku):
            return self._nothing
        if self._written is None:
            self._written = find_written(self.rules.book.skus, self._facts.codes)
        own = self._written.get(sku)
        category = self._facts.category_of(sku) if self._categories else None
        if category not in self._categories:
            category = None
        if own is None and category is None:
            return self._common
        found = self._resolved.get((own, category))
        if found is None:
            found = self._resolved[own, category] = self._resolve(own or Sku(""), category)
        return found

    def quantity(self, level: Availability, pack_units: int, at: datetime) -> int:
        """Return the offer without its reasons: the part that runs for every change."""
        rule = self.rule(level.sku)
        where = rule.where
        total = 0
        if level.components:
            total = count_available(level, where, self._fenced(at))
        else:
            for place, units in level.atp:
                if place in where:
                    total += units
            for fence in self._facts.fences(level.sku, self.account, level, at):
                total -= fence.units
        shared = _share(total, rule)
        withheld = rule.fixed
        if withheld is None:
            withheld = self._buffer(level, rule, total, at) + _evaluate(rule.count_error.value, shared)
        return _clamp((shared - withheld) // pack_units, rule)

    def explain(self, level: Availability, pack_units: int, at: datetime) -> Offer:
        """Return the offer of a listing with its reasons.

        Args:
            level: what there is; a location left out has nothing.
            pack_units: base units in one unit of the listing, at least 1.
            at: windows and measured demand are those of this instant.
        """
        rule = self.rule(level.sku)
        atp = dict(level.atp)
        places = [(place, atp.get(place, 0)) for place in self.locations if place in rule.where]
        fenced = self._fenced(at)
        total = count_available(level, rule.where, fenced)
        # those of a bundle are taken off its components
        fences = () if level.components else self._facts.fences(level.sku, self.account, level, at)
        left = total - sum(fence.units for fence in fences)
        shared = _share(left, rule)
        buffer = self._buffer(level, rule, left, at)
        error = _evaluate(rule.count_error.value, shared)
        packs = (shared - buffer - error) // pack_units
        quantity = _clamp(packs, rule)
        region = f"the region of {rule.view.rule}" if rule.view.value == "regional" else "the account's locations"
        counted = f"what the components make over {region}" if level.components else f"sum over {region}"
        terms = [
            *explain_components(level, rule.where, fenced),
            *((f"atp {place}", str(units), "stock") for place, units in places if not level.components),
            ("atp", str(total), counted),
            *(("ring-fenced", str(fence.units), f"for {fence.account}: {fence.rule}") for fence in fences),
            ("share", _decimal(rule.share.value), rule.share.rule),
            ("shared", str(shared), "what is left x share, rounded down" if fences else "atp x share, rounded down"),
            ("buffer", str(buffer), self._describe(level, rule, left, at)),
            *([("count error", str(error), rule.count_error.rule)] if error else ()),
            ("pack", str(pack_units), "listing"),
            ("packs", str(packs), f"(shared - buffer{' - count error' if error else ''}) / pack, rounded down"),
            *([("zero below", str(rule.zero_below.value), rule.zero_below.rule)] if rule.zero_below.value else ()),
            ("floor", str(rule.floor.value), rule.floor.rule),
            ("cap", "none" if rule.cap.value is None else str(rule.cap.value), rule.cap.rule),
            ("offer", str(quantity), "packs between floor and cap, never negative"),
        ]
        lag_seconds = self.lag_seconds(rule) if rule.fixed is None else None
        return Offer(quantity=quantity, terms=tuple(terms), lag_seconds=lag_seconds)

    def _fenced(self, at: datetime) -> Callable[[Availability], int]:
        """Return what says how much of a bundle's component is ring-fenced for other accounts."""
        return lambda level: sum(fence.units for fence in self._facts.fences(level.sku, self.account, level, at))

    def lag_seconds(self, rule: ResolvedRule) -> float:
        """Return how long it takes until the account shows a new number: as measured, else as the rule says."""
        measured = self._facts.lag_seconds(self.account)
        return rule.lag_seconds.value if measured is None else measured

    def _resolve(self, sku: Sku, category: str | None) -> ResolvedRule:
        return resolve_rule(sku, self.account, category, self.locations, self.rules)

    def _buffer(self, level: Availability, rule: ResolvedRule, left: int, at: datetime) -> int:
        """Return the base units that the rule's buffer and the window of the day withhold of what is left of fences."""
        own = self._units_of(rule.buffer.value, level, rule, left, at)
        rise = _rise(rule.rises, at)
        withheld = own if rise is None else max(own, round_up(_share(left, rule), rise.part))
        beside = self._beside_last(level, rule, at)
        # Never more: an account that shows less for being the last one open would close, be the last one no longer,
        # show more for that, and be it again, for ever.
        return withheld if beside is None else min(withheld, beside)

    def _beside_last(self, level: Availability, rule: ResolvedRule, at: datetime) -> int | None:
        """Return what sales of our own ask for beside last units; None: this account does not show those."""
        if not rule.last_units.value or not self._facts.last_open(level.sku, self.account):
            return None
        return cover_demand(self._mean_direct(level.sku, rule, at), rule.epsilon.value)

    def _units_of(self, buffer: Buffer, level: Availability, rule: ResolvedRule, left: int, at: datetime) -> int:
        match buffer:
            case Units() | Part():
                return _evaluate(buffer, _share(left, rule))
            case ByTier():
                percent = self._percent(buffer, level.sku, at)
                if percent is not None:
                    return round_up(_share(left, rule), part_of(percent))
                return self._units_of(Computed(rule.epsilon.value), level, rule, left, at)
            case Computed(epsilon=epsilon) if not level.components:
                elsewhere = self._facts.rate_elsewhere(level.sku, self.account, at)
                return cover_demand(elsewhere * self.lag_seconds(rule), epsilon)
            case Computed(epsilon=epsilon):
                covered = [cover_demand(mean, epsilon) - spare for mean, spare in self._means(level, rule, left, at)]
                return max(0, *covered)

    def _percent(self, buffer: ByTier, sku: Sku, at: datetime) -> float | None:
        tier = find_tier(buffer.tiers, self._facts.daily_sales(sku, at) or 0.0)
        least = tier.percent_least
        return None if least is None else choose_percent(least, tier.percent_most, buffer.severity)

    def _means(self, level: Availability, rule: ResolvedRule, left: int, at: datetime) -> list[tuple[float, int]]:
        """Return the units that others are expected to sell before this account shows a new number; and what is spare.

        Of a bundle, for each component: in bundles that it would have made, and how many of it lie beyond what there is
        of the bundle, to be sold first.
        """
        lag = self.lag_seconds(rule)
        if not level.components:
            return [(self._facts.rate_elsewhere(level.sku, self.account, at) * lag, 0)]
        spare = count_spare(level, rule.where, self._fenced(at), left)
        rates = [
            self._facts.rate_beside((component.sku, units), level.sku, self.account, at) / units
            for units, component in level.components
        ]
        return [(rate * lag, more) for rate, more in zip(rates, spare, strict=True)]

    def _mean_direct(self, sku: Sku, rule: ResolvedRule, at: datetime) -> float:
        """Return the units that the direct account is expected to sell before this account shows a new number."""
        if rule.view.value == "real_time":  # whoever wants no buffer gets none
            return 0.0
        return self._facts.rate_direct(sku, at) * self.lag_seconds(rule)

    def _describe(self, level: Availability, rule: ResolvedRule, left: int, at: datetime) -> str:
        """Name the rule behind the buffer, and what it made of the day's figures."""
        sku = level.sku
        beside_last = self._beside_last(level, rule, at)
        if beside_last is not None and beside_last <= self._buffer(level, rule, left, at):
            mean, lag = self._mean_direct(sku, rule, at), self.lag_seconds(rule)
            beside = f"; {mean:.3g} sold directly in {lag:.3g} s" if mean else ""
            return f"{rule.last_units.rule}: last units, every other account is verified at zero{beside}"
        own = self._units_of(rule.buffer.value, level, rule, left, at)
        rise = _rise(rule.rises, at)
        if rise is not None and round_up(_share(left, rule), rise.part) > own:
            return f"window {rise.name} v{self.rules.version}: {_percentage(rise.part)} of shared, rounded up"
        return rule.buffer.rule + self._detail(rule.buffer.value, level, rule, left, at)

    def _detail(self, buffer: Buffer, level: Availability, rule: ResolvedRule, left: int, at: datetime) -> str:
        match buffer:
            case Units():
                return ""
            case Part(part=part):
                return f": {_percentage(part)} of shared, rounded up"
            case ByTier():
                sold = self._facts.daily_sales(level.sku, at)
                sales = "sales unknown" if sold is None else f"{sold:.1f} sold a day"
                percent = self._percent(buffer, level.sku, at)
                if percent is None:
                    return f": {sales}" + self._detail(Computed(rule.epsilon.value), level, rule, left, at)
                return f": {sales}, {percent:g} % of shared, rounded up"
            case Computed(epsilon=epsilon):
                lag, means = self.lag_seconds(rule), self._means(level, rule, left, at)
                covered = [cover_demand(mean, epsilon) - spare for mean, spare in means]
                number = covered.index(max(covered))
                mean, spare = means[number]
                of = f" of component {level.components[number].level.sku}" if level.components else ""
                beyond = f", {spare} of them spare" if spare else ""
                cases = f"exceeded in {100 * epsilon:g} % of cases{beyond}"
                return f": {mean:.3g}{of} sold elsewhere in {lag:.3g} s, {cases}"


def _evaluate(buffer: Units | Part, shared: int) -> int:
    return buffer.units if isinstance(buffer, Units) else round_up(shared, buffer.part)


def _rise(rises: Sequence[Rise], at: datetime) -> Rise | None:
    """Return the window of this instant, the one that withholds most; None: there is none."""
    now = [rise for rise in rises if rise.begins_at <= at < rise.ends_at]
    return max(now, key=lambda rise: rise.part, default=None)


def _share(total: int, rule: ResolvedRule) -> int:
    # A shortage is owed in full, whatever the share.
    share = rule.share.value
    return total if total <= 0 else total * share.numerator // share.denominator


def _clamp(packs: int, rule: ResolvedRule) -> int:
    if packs < rule.zero_below.value:
        packs = 0
    raised = max(packs, rule.floor.value, 0)
    return raised if rule.cap.value is None else min(raised, rule.cap.value)


def _decimal(value: Fraction) -> str:
    return f"{float(value):g}" if value.denominator != 1 else str(value.numerator)


def _percentage(part: Fraction) -> str:
    return f"{float(100 * part):g} %"
