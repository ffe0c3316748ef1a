"""Rules of offers and all they depend on beside stock, wired together: versions, demand, quotas, siblings, walks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol, get_args

import msgspec
import trio

from config import schema
from engine.actors.campaigner import Campaigner
from engine.actors.journal import Journal
from engine.actors.pacer import Pacer
from engine.actors.projections import DERIVED, Projections
from engine.actors.pusher import Pusher
from engine.actors.reoffer import Reoffer, ReofferListener
from engine.actors.turns import Turns
from engine.domain.availability import Availability
from engine.domain.catalogue.catalogue import Catalogue
from engine.domain.catalogue.recipes import Recipes
from engine.domain.commands import Refusal
from engine.domain.errors import ConfigError
from engine.domain.events import (
    BookEvent,
    CampaignEnded,
    CampaignEvent,
    CampaignReturned,
    CampaignSet,
    DemandLapsed,
    DemandSet,
    Event,
    HoldCommitted,
    ItemDescribed,
    Line,
    OrderRecorded,
    RecipeSet,
    RulesSet,
    SkuMerged,
    SkuRenamed,
)
from engine.domain.offers.campaigns import Campaign, Campaigns, Phase, check_campaign
from engine.domain.offers.demand import Demand, Sold
from engine.domain.offers.fences import Bundles, Fences, QuotaSales
from engine.domain.offers.naming import note_names
from engine.domain.offers.offers import Facts, Fence, Offering
from engine.domain.offers.pace import Pace
from engine.domain.offers.rulebooks import Rulebooks
from engine.domain.offers.rules import RuleBook, RulesVersion, check_book
from engine.domain.stated.offers import FileRulesStated, RulesStated
from engine.domain.stock.book import Book, hold_line_id, units_of
from engine.domain.units import DIRECT, AccountId, Key, OrderId, Sku
from engine.machines.pushing import Around
from engine.machines.siblings import Siblings
from engine.ports import Clock
from ops.neighbours import Neighbours, Walked
from ops.rulefile import book_from, check_offers, places_of

_BOOK_EVENTS: Final = get_args(BookEvent)
CAMPAIGN_EVENTS: Final = get_args(CampaignEvent)
FROM_FILE: Final = "the configuration's [offers] had changed"


class BookOf(Protocol):
    """Finds the book of a SKU, whoever owns it."""

    def __call__(self, sku: Sku) -> Book | None:
        """Return it; None: no such SKU."""
        ...


class OfferDesk:
    """What accounts may show, in one place: each pusher asks its own `Offering`."""

    def __init__(
        self,
        settings: schema.Settings,
        *,
        clock: Clock,
        journal: Journal,
        book_of: BookOf,
        catalogue: Catalogue,
        recipes: Recipes,
        listener: ReofferListener,
    ) -> None:
        """Start with no rules and nothing sold; `keep` and replay tell the rest, `watch` completes it.

        `recipes` are those that are durable.

        Raises:
            ConfigError: the configuration's rules cannot be used.
        """
        problems = check_offers(settings)
        if problems:
            raise ConfigError(problems)
        self.places = places_of(settings)
        self._file = book_from(settings.offers)
        self.versions = Rulebooks()
        self.demand = Demand(self._sold)
        self.sold_too: Sold | None = None
        """Hears of every sale, too: whoever computes by other rules."""
        self.pace = Pace()
        self.pacer = Pacer(self.pace, self._retouch_everywhere, clock=clock)
        self._clock = clock
        self._journal = journal
        self._book_of = book_of
        self._recipes = recipes
        self._pushers: dict[AccountId, Pusher] = {}
        self.sales = QuotaSales(self._quota_of)
        self.siblings = Siblings(tuple(self.places), self._may_show_last)
        self.siblings.retouch = self._retouch
        self.facts = Facts(
            codes=catalogue.codes,
            category_of=catalogue.category_of,
            is_retired=catalogue.is_retired,
            daily_sales=self._daily_sales,
            rate_elsewhere=self._rate_elsewhere,
            rate_beside=self._rate_beside,
            lag_seconds=lambda account: self._pushers[account].lag_seconds,
            fences=self._fences_of,
            last_open=self._last_open,
            rate_direct=lambda sku, at: self.pace.rate_of(sku, DIRECT, at),
        )
        self.offerings = {account: Offering(account, places, self.facts) for account, places in self.places.items()}
        self.turns = Turns()
        """One pusher plans or settles in a round of the loop: a hundred rows take some milliseconds."""
        self.campaigns = Campaigns()
        self._setting: set[Sku] = set()
        """SKUs whose campaign is on its way to the disk: the next one is judged by what is there then."""
        self.campaigner = Campaigner(
            self.campaigns, self._pushers.get, self._retouch_claimed, clock=clock, journal=journal
        )
        self.bundles = Bundles(recipes, catalogue.category_of, catalogue.codes)
        self.fences = Fences(self.offerings, self.sales, self.versions.now, self.campaigns, self.bundles)
        self._last_units = False
        """Whether any rule gives the last units: asked for every few listings of a walk."""
        self._follows_demand = False
        """Whether any buffer does: else no sale needs to be told to the pace."""
        self._walked: dict[AccountId, Walked] = {}
        self.reoffer = Reoffer(
            self._walked, clock=clock, next_turn_at=self._next_turn_at, drifts=self._drifts, listener=listener
        )

    def watch(self, pushers: Mapping[AccountId, Pusher]) -> None:
        """Complete it with the accounts' pushers."""
        self._pushers.update(pushers)
        self._walked.update(
            (account, Walked(pusher, self.siblings, lambda: self._last_units)) for account, pusher in pushers.items()
        )

    def around(self, account: AccountId) -> Around:
        """Return what an account's pusher has to do with the other accounts and with campaigns."""
        return Neighbours(account, self.siblings, self.campaigns, self.campaigner)

    def keep(self, projections: Projections) -> None:
        """Ask for the events that rules and demand are made of."""
        add = projections.add
        add((RulesSet,), lambda _position, event: self._take(event), said_in="rules")
        add((RulesSet,), lambda _position, _event: self.reoffer.request("rules"), replayed=False)
        told = (OrderRecorded, DemandSet, DemandLapsed, SkuMerged)
        add(told, lambda position, event: self.demand.apply(event, position), said_in="demand")
        add((HoldCommitted,), lambda _position, event: self._committed(event), said_in="demand")
        add(CAMPAIGN_EVENTS, lambda _, event: self.campaigner.applied(self.campaigns.apply(event)), said_in="campaigns")
        add((ItemDescribed,), lambda _position, event: self._described(event.sku), replayed=False)
        add((SkuRenamed, SkuMerged), lambda _position, _event: self._forget_names(), said_in=DERIVED)
        add((SkuRenamed,), lambda _position, event: self._renamed(event.sku), replayed=False)
        add((SkuMerged,), lambda _position, event: self._renamed(event.into), replayed=False)
        regrouping = (RecipeSet, ItemDescribed, *CAMPAIGN_EVENTS)
        add(regrouping, lambda _position, _event: self.fences.forget_bundles(), said_in=DERIVED)

    def stocked(self, availability: Availability) -> None:
        """Note whether there is any of a SKU: only days in stock count as days on which it could be sold."""
        units = 0
        for _, here in availability.atp:
            units += here
        self.demand.stocked(availability.sku, availability.position, availability.changed_at, sellable=units > 0)

    def replayed(self, position: int, events: Iterable[Event]) -> None:
        """Note the same of what a frame of the past left behind."""
        changed_at = {event.sku: event.at for event in events if isinstance(event, _BOOK_EVENTS)}
        for sku, at in changed_at.items():
            book = self._book_of(sku)
            if book is not None:
                self.demand.stocked(sku, position, at, sellable=units_of(book.levels()) > 0)

    async def adopt_file(self) -> None:
        """Let the configuration's rules hold if they have changed since a version last came from there."""
        if self.versions.differs_from_file(self._file):
            await self.set(self._file, note=FROM_FILE, source="file")

    async def set(self, book: RuleBook, *, by: str = "", note: str = "", source: str = "command") -> RulesVersion:
        """Let a book hold that `check` found nothing wrong with; returns once it is durable and in force."""
        event = RulesSet(
            at=self._clock.now(),
            version=self.versions.next_version(),
            rules=book,
            by=by,
            note=note,
            source=source,
        )
        await self._journal.record([event])
        made = self.versions.get(event.version)
        assert made is not None, "what is durable was applied before"
        return made

    def check(self, book: RuleBook) -> list[str]:
        """Say what is wrong with a book."""
        return check_book(book, self.places)

    def notes(self, book: RuleBook) -> Iterator[str]:
        """Say what a book has that is allowed and probably not meant."""
        return note_names(book.skus, self.facts.codes, lambda sku: self._book_of(sku) is not None)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Compute offers anew whenever they may have changed without an event of stock."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.reoffer.run)
            await nursery.start(self.campaigner.run)
            await nursery.start(self.pacer.run)
            task_status.started()

    async def set_campaign(self, terms: CampaignSet) -> Refusal | Campaign:
        """Set units aside for a campaign; the same again answers as it stands, once it is durable."""
        known = self.campaigns.get(terms.key)
        if known is not None:
            same = msgspec.structs.replace(terms, at=known.terms.at, by=known.terms.by, note=known.terms.note)
            if same == known.terms:
                return known
            return Refusal(code="CONFLICT", text=f"campaign={terms.key} was set with other terms before")
        problem = check_campaign(self.campaigns, terms, lambda sku: self._book_of(sku) is not None)
        if problem is not None:
            return Refusal(code=problem[0], text=problem[1])
        if terms.sku in self._setting:
            return Refusal(code="BUSY", text=f"a campaign of {terms.sku} is being recorded: ask again")
        self._setting.add(terms.sku)
        try:
            await self._journal.record([terms])
        finally:
            self._setting.discard(terms.sku)
        return self.campaigns.get(terms.key) or Campaign(terms)

    async def end_campaign(self, key: Key, by: str, note: str) -> Refusal | Campaign:
        """End a campaign before its time; repeatable. What is left comes back once the listing was read."""
        known = self.campaigns.get(key)
        if known is None:
            return Refusal(code="NOSUCHCAMPAIGN", text=f"campaign={key}")
        if known.returned is None and known.ended_at is None:
            await self._journal.record([CampaignEnded(at=self._clock.now(), key=key, by=by, note=note)])
        return known

    async def return_campaign(self, key: Key, by: str, note: str) -> Refusal | Campaign:
        """Believe a person that the channel gave the rest back, before its listing was read; repeatable."""
        known = self.campaigns.get(key)
        if known is None:
            return Refusal(code="NOSUCHCAMPAIGN", text=f"campaign={key}")
        now = self._clock.now()
        if known.phase(now) in {Phase.PLANNED, Phase.RUNNING}:
            return Refusal(code="RUNNING", text=f"campaign={key} ends at {known.ends_at.isoformat()}: end it first")
        if known.returned is None:
            sold, rest = known.sold, known.remainder
            await self._journal.record([CampaignReturned(at=now, key=key, sold=sold, remainder=rest, by=by, note=note)])
        return known

    def pushers(self) -> Mapping[AccountId, Pusher]:
        """Return every account's pusher."""
        return self._pushers

    # -- how

    def restore_rules(self, statement: RulesStated | FileRulesStated) -> None:
        """Take in a version of the rules as a snapshot has it."""
        self.versions.restore(statement)
        self._use()

    def _take(self, event: RulesSet) -> None:
        self.versions.apply(event)
        self._use()

    def _use(self) -> None:
        rules = self.versions.now
        for offering in self.offerings.values():
            offering.use(rules)
        self.fences.use(rules)
        self._last_units = any(terms.last_units for _, _, terms in rules.book.layers())
        self._follows_demand = any(terms.buffer_from is not None for _, _, terms in rules.book.layers())

    def _committed(self, event: HoldCommitted) -> None:
        if event.owed:
            book = self._book_of(event.sku)
            key = (event.account, event.order_id or OrderId(event.hold_id), hold_line_id(event.hold_id))
            line = None if book is None else book.demand.get(key)
            self.demand.committed(event, 0 if line is None else units_of(line.committed))

    def _sold(self, sku: Sku, account: AccountId, units: int, at: datetime) -> None:
        if self._follows_demand:
            self.pace.sold(sku, account, units, at)
            self.pacer.sold()
        if account != DIRECT:
            self.sales.sold(sku, account, units)
            self.campaigns.sell(sku, account, units, at)
        if self.sold_too is not None:
            self.sold_too(sku, account, units, at)

    def _quota_of(self, sku: Sku, account: AccountId) -> tuple[int, int] | None:
        offering = self.offerings.get(account)
        if offering is None:
            return None
        rule = offering.rule(sku)
        return rule.quota.value, rule.quota_since

    def _rate_elsewhere(self, sku: Sku, account: AccountId, at: datetime) -> float:
        """As on an ordinary day, or as the last few sales came, whichever is faster."""
        return max(self.demand.rate_elsewhere(sku, account, at), self.pace.rate_elsewhere(sku, account, at))

    def _rate_beside(self, component: Line, bundle: Sku, account: AccountId, at: datetime) -> float:
        """The same of a bundle's component; of its last few sales, those that the account had no part in."""
        usual = self.demand.rate_beside(component, bundle, account, at)
        return max(usual, self.pace.rate_elsewhere(component[0], account, at))

    def _daily_sales(self, sku: Sku, at: datetime) -> float | None:
        """Return what is sold of a SKU, or of a bundle as such, on a day in stock."""
        if sku not in self._recipes:
            return self.demand.daily_sales(sku, at)
        return self.demand.daily_sales_of_bundle(sku, self._recipes.made(sku).leaves, at)

    def _last_open(self, sku: Sku, account: AccountId) -> bool:
        """Units that other listings may sell as part of a bundle, or as its components, are not the last ones."""
        if sku in self._recipes or self._recipes.is_component(sku):
            return False
        return self.siblings.last_open(sku, account)

    def _may_show_last(self, sku: Sku, account: AccountId) -> bool:
        return self.offerings[account].rule(sku).last_units.value

    def _fences_of(self, sku: Sku, account: AccountId, level: Availability, at: datetime) -> Sequence[Fence]:
        return self.fences.of(sku, account, level, at)

    def _retouch(self, sku: Sku, account: AccountId) -> None:
        pusher = self._pushers.get(account)
        if pusher is not None:
            pusher.retouch(sku)

    def _retouch_everywhere(self, sku: Sku) -> None:
        for pusher in self._pushers.values():
            pusher.retouch(sku)

    def _forget_names(self) -> None:
        """Find out anew which rule is whose: names in the book may mean another SKU from now on."""
        for offering in self.offerings.values():
            offering.forget_names()
        self.fences.forget_bundles()

    def _renamed(self, sku: Sku) -> None:
        if self.versions.now.book.skus:
            self._retouch_claimed(sku)

    def _retouch_claimed(self, sku: Sku) -> None:
        """Compute anew what a claim on a SKU may be felt in: it, its components, and what else is made of those."""
        leaves = [leaf for leaf, _ in self._recipes.made(sku).leaves] if sku in self._recipes else [sku]
        above = [bundle for leaf in leaves for bundle in self._recipes.bundles_above(leaf)]
        for each in dict.fromkeys((sku, *leaves, *above)):
            self._retouch_everywhere(each)

    def _described(self, sku: Sku) -> None:
        if self.versions.now.book.categories:
            self._retouch_everywhere(sku)

    def _next_turn_at(self, after: datetime) -> datetime | None:
        turns = [
            turn
            for offering in self.offerings.values()
            for rise in offering.rule(Sku("")).rises
            for turn in (rise.begins_at, rise.ends_at)
        ]
        return min((turn for turn in turns if turn > after), default=None)

    def _drifts(self) -> bool:
        return self._follows_demand
