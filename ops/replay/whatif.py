"""The past with other rules: what every listing would have been told, from the same stock, demand, quotas and lags."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, get_args

import msgspec

from engine.actors.fanout import at_each
from engine.domain.audit.pushed import name_rule
from engine.domain.audit.whatif import AccountSums, Pair, WhatIf
from engine.domain.availability import Availability, Component
from engine.domain.catalogue.catalogue import NAMING_EVENTS
from engine.domain.events import (
    CampaignEvent,
    Event,
    ItemDescribed,
    OrderRecorded,
    OversellRecorded,
    PushPlanned,
    PushSettled,
    RecipeSet,
    RulesSet,
)
from engine.domain.offers.fences import Fences, QuotaSales
from engine.domain.offers.offers import Facts, Fence, Offer, Offering
from engine.domain.offers.pace import Pace
from engine.domain.offers.rules import RuleBook
from engine.domain.units import DIRECT, AccountId, Instant, Sku
from engine.machines.listing import SETTLED, Change, Listing
from engine.machines.toldlevels import touched_by
from engine.ports import Frame
from ops.node import Node
from ops.preview import DERIVED, as_next
from ops.replay.offers import Moment

RULES_MAX: Final = 20
_DEMAND_EVERY: Final = timedelta(hours=1)
"""Between two looks at every listing where buffers follow demand, as a daemon takes them."""
CANNOT: Final = (
    "Buyers are taken to have done what they did. Shown less, some would have bought elsewhere, or later, or the same"
    " at another account; shown more, some would have bought more. A sale that would not have been also leaves its"
    " units to others, who are not followed. Orders are compared with what their own listing had accepted when they"
    " were placed, to the second of the channel's clock. Last units are given to the account that had them."
)


class WhatIfFound(msgspec.Struct, frozen=True, kw_only=True):
    """What other rules would have come to."""

    since: Instant
    until: Instant
    accounts: dict[AccountId, AccountSums]
    rules: dict[str, int]
    """Of pushes with another number: the term that makes it so and its rule, and how many."""
    cannot: str
    """What no computation can know."""


class Trial:
    """Looks on behind an `OfferProof`, which says what each push was computed from (`PushListener`)."""

    def __init__(self, node: Node, book: RuleBook, since: datetime) -> None:
        """Try a book that was checked, from an instant on."""
        self._node = node
        self._desk = node.offers
        self._book = book
        self._since = since
        self._until = since
        self.sums = WhatIf(since)
        self._rules: Counter[str] = Counter()
        self._moment: Moment | None = None
        """Of the push that is being computed."""
        self._lags: dict[AccountId, float] = {}
        """As the newest pushes reckoned with them."""
        self._pace = Pace()
        self._walk_at: datetime | None = None
        self._begun = False
        self._fences: Fences | None = None
        self._base: dict[AccountId, Offering] = {}
        self._tried: dict[AccountId, Offering] = {}
        node.projections.add((RulesSet,), lambda _position, event: self._use_rules(event.at))
        node.projections.add(NAMING_EVENTS, lambda _position, _event: self._forget_names())
        regrouping = (RecipeSet, ItemDescribed, *get_args(CampaignEvent))
        node.projections.add(regrouping, lambda _position, _event: self._forget_bundles())

    def result(self) -> WhatIfFound:
        """Add up to the last frame that was seen."""
        self.sums.end(self._until)
        return WhatIfFound(
            since=self._since,
            until=self._until,
            accounts=dict(sorted(self.sums.accounts.items())),
            rules=dict(self._rules.most_common(RULES_MAX)),
            cannot=CANNOT,
        )

    # -- looking on

    def ahead(self, frame: Frame, events: Sequence[Event]) -> None:
        """Wait until the node knows of it."""

    def told(self, frame: Frame, events: Sequence[Event]) -> None:
        """Take in who bought what, and what the frame changed of both sums."""
        if not self._is_on(frame.written_at):
            return
        at = self._until = max(self._until, frame.written_at)
        while self._walk_at is not None and self._walk_at <= at:
            self._walk(self._walk_at)
        for event in events:
            match event:
                case OrderRecorded() if event.snapshot.account in self._base:
                    self.sums.ordered(event)
                case OversellRecorded() if event.account in self._base:
                    self.sums.oversold(event)
                case PushSettled() if SETTLED.get(event.verdict) is Change.ACCEPTED:
                    self.sums.accepted(event.account, event.listing_id, event.version, event.at)
                case _:
                    pass
        self.sums.frame_ended()
        recipes = self._node.fanout.recipes
        for sku in touched_by(events):
            for each in (sku, *recipes.bundles_above(sku)):
                self._show(each, at)

    def pushed(self, plan: PushPlanned, moment: Moment | None) -> None:
        """Compute what would have been sent instead."""
        if plan.lag_seconds is not None:
            self._lags[plan.account] = plan.lag_seconds
        if not self._is_on(plan.at):
            return
        tried: int | None = None
        if moment is not None:
            self._moment = moment
            offer = self._tried[plan.account].explain(moment.level, moment.pack_units, plan.at)
            self._moment = None
            tried = offer.quantity
            pair = Pair(plan.quantity, tried)
            self.sums.shows(plan.account, plan.listing_id, plan.at, pair, pack_units=moment.pack_units, sent=None)
            if tried != plan.quantity:
                self._rules[_name_cause(plan, offer)] += 1
        self.sums.planned(plan, tried)

    # -- both sets of rules

    def _is_on(self, at: datetime) -> bool:
        if not self._begun and at >= self._since:
            self._begin(at)
        return self._begun

    def _begin(self, at: datetime) -> None:
        """Let both sets of rules count from here, as the node stands."""
        self._begun, self._since, self._until, self.sums = True, at, at, WhatIf(at)
        now = self._desk.versions.now
        rules = as_next(now, self._book)
        begun = frozenset(name for name, since in rules.quotas_since.items() if since == rules.version)
        base = msgspec.structs.replace(self._desk.facts, lag_seconds=self._lag_of, last_open=self._is_last_open)
        tried = self._with_pace(msgspec.structs.replace(base, fences=self._fences_of), now.book)
        for account, offering in self._desk.offerings.items():
            self._base[account] = offering.under(now, base)
            self._tried[account] = offering.under(rules, tried)
        sales = _Sales(self._desk.sales, self._tried, rules.version if begun else None)
        self._fences = Fences(self._tried, sales, rules, self._desk.campaigns, self._desk.bundles)
        self._desk.sold_too = lambda sku, account, units, at: self._sold(sales, sku, account, units, at)
        self._walk(at)

    def _with_pace(self, facts: Facts, now: RuleBook) -> Facts:
        """Let rules that follow demand have a pace, where those in force ask for none."""
        if _follows_demand(now) or not _follows_demand(self._book):
            return facts
        demand, pace = self._desk.demand, self._pace
        return msgspec.structs.replace(
            facts,
            rate_elsewhere=lambda sku, account, at: max(
                demand.rate_elsewhere(sku, account, at), pace.rate_elsewhere(sku, account, at)
            ),
            rate_beside=lambda component, bundle, account, at: max(
                demand.rate_beside(component, bundle, account, at), pace.rate_elsewhere(component[0], account, at)
            ),
            rate_direct=lambda sku, at: pace.rate_of(sku, DIRECT, at),
        )

    def _sold(self, sales: "_Sales", sku: Sku, account: AccountId, units: int, at: datetime) -> None:
        sales.sold(sku, account, units)
        self._pace.sold(sku, account, units, at)

    def _lag_of(self, account: AccountId) -> float | None:
        return self._lags.get(account) if self._moment is None else self._moment.lag_seconds

    def _is_last_open(self, sku: Sku, account: AccountId) -> bool:
        if self._moment is not None:
            return self._moment.last_open
        return self._desk.facts.last_open(sku, account)

    def _use_rules(self, at: datetime) -> None:
        for offering in self._base.values():
            offering.use(self._desk.versions.now)
        if self._begun:
            self._walk(at)

    def _forget_names(self) -> None:
        for offering in (*self._base.values(), *self._tried.values()):
            offering.forget_names()
        self._forget_bundles()

    def _forget_bundles(self) -> None:
        if self._fences is not None:
            self._fences.forget_bundles()

    def _fences_of(self, sku: Sku, account: AccountId, level: Availability, at: datetime) -> Sequence[Fence]:
        assert self._fences is not None, "nobody asks before both sets of rules count"
        return self._fences.of(sku, account, level, at)

    # -- what both show

    def _walk(self, at: datetime) -> None:
        """Compute every listing: the clock or the rules may have changed any of them."""
        for account in self._base:
            for listing in self._node.accounts[account].pusher.listings():
                self._show_one(account, listing, self._level_of(listing.sku, at), at)
        self._walk_at = self._next_walk(at)

    def _next_walk(self, after: datetime) -> datetime | None:
        turns = [
            turn
            for offering in (*self._base.values(), *self._tried.values())
            for rise in offering.rule(Sku("")).rises
            for turn in (rise.begins_at, rise.ends_at)
            if turn > after
        ]
        campaign = self._desk.campaigns.next_turn_at(after)
        if campaign is not None:
            turns.append(campaign)
        if _follows_demand(self._desk.versions.now.book) or _follows_demand(self._book):
            turns.append(after + _DEMAND_EVERY)
        return min(turns, default=None)

    def _show(self, sku: Sku, at: datetime) -> None:
        level = self._level_of(sku, at)
        for account in self._base:
            for listing in self._node.accounts[account].pusher.listings_of(sku):
                self._show_one(account, listing, level, at)

    def _show_one(self, account: AccountId, listing: Listing, level: Availability | None, at: datetime) -> None:
        if level is None:
            return
        pair = Pair(
            self._base[account].quantity(level, listing.pack_units, at),
            self._tried[account].quantity(level, listing.pack_units, at),
        )
        sent = listing.pushed if listing.version else None
        self.sums.shows(account, listing.listing_id, at, pair, pack_units=listing.pack_units, sent=sent)

    def _level_of(self, sku: Sku, at: datetime) -> Availability | None:
        """Return what there is of a SKU as the node stands; None: no such SKU."""
        fanout, position = self._node.fanout, self._node.journal.position
        if sku not in fanout.recipes:
            book = self._node.router.ledger_of(sku).books.get(sku)
            if book is None:
                return None
            return Availability(sku=sku, position=position, atp=book.levels(), changed_at=at)
        made = fanout.recipes.made(sku)
        components: list[Component] = []
        for leaf, units in made.leaves:
            book = self._node.router.ledger_of(leaf).books.get(leaf)
            atp = () if book is None else book.levels()
            components.append(Component(units, Availability(sku=leaf, position=position, atp=atp, changed_at=at)))
        retired = fanout.is_retired(sku)
        return Availability(
            sku=sku,
            position=position,
            atp=() if retired else at_each(components),
            changed_at=at,
            components=() if retired else tuple(components),
            together=made.together,
        )


class _Sales(QuotaSales):
    """What was sold of quotas: of those that the tried rules leave as they are, what counts for them already."""

    def __init__(self, desk: QuotaSales, tried: dict[AccountId, Offering], begun: int | None) -> None:
        super().__init__(self._rule_of_tried)
        self._desk = desk
        self._tried = tried
        self._begun = begun
        """The version as which new quotas begin; None: there are none."""

    def of(self, sku: Sku, account: AccountId, since: int) -> int:
        """Return units sold of the quota that counts since a version."""
        return super().of(sku, account, since) if since == self._begun else self._desk.of(sku, account, since)

    def _rule_of_tried(self, sku: Sku, account: AccountId) -> tuple[int, int]:
        offering = self._tried.get(account)
        if offering is None:
            return 0, 0
        rule = offering.rule(sku)
        return rule.quota.value, rule.quota_since


def _follows_demand(book: RuleBook) -> bool:
    return any(terms.buffer_from is not None for _, _, terms in book.layers())


def _name_cause(plan: PushPlanned, offer: Offer) -> str:
    """Name the first term that is another one, and the rule that says so."""
    was = {term: (value, rule) for term, value, rule in plan.terms}
    for term, value, rule in offer.terms:
        if term not in DERIVED and was.get(term, ("",))[0] != value:
            return f"{plan.account}: {term}, {name_rule(rule)}"
    gone = next((term for term in was if term not in {each for each, _, _ in offer.terms}), "offer")
    return f"{plan.account}: no {gone}"
