"""Every push of the journal computed anew, from what the replayed node knows at the moment it was planned.

A push names the frame that its stock is from (`basis`); everything else it was computed from stood in the journal by
the last frame that was durable at its instant. Which one that was is known but for a commit under way, and a few facts
(names, categories, mappings) count a moment before they are durable. So it is computed as of each frame from the one
that was certainly durable then to its own, until one of them gives all that was recorded, term by term.
"""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import islice, product
from typing import Final, NamedTuple, Protocol

import msgspec

from engine.actors.fanout import at_each
from engine.domain.audit.pushed import Parting, find_parting
from engine.domain.audit.sums import find_flaw
from engine.domain.availability import Availability, Component
from engine.domain.events import Event, ListingMapped, PushPlanned, RulesSet, SkuMerged, SkuRenamed
from engine.domain.offers.buffers import ByTier, Computed
from engine.domain.offers.offers import Offer, Offering
from engine.domain.units import AccountId, Instant, ListingId, LocationId, Sku
from engine.machines.toldlevels import Known, Levels, ToldLevels, touched_by
from engine.ports import Frame
from ops.node import Node
from ops.replay.walk import AHEAD

LISTED_MAX: Final = 20
"""Differences that are told one by one; the others are counted."""
_TRIED_MAX: Final = 64
"""Levels that are tried for one push."""
_MAPPINGS_KEPT: Final = 3
_OF_STOCK: Final = ("atp", "component ", "together")
"""How terms begin that say what there is."""

ABSENT: Final = "the account is not configured any more"
WORDLESS: Final = "no terms were recorded"
MOVED: Final = "the account sold from other locations than are configured now"
LAGLESS: Final = "the buffer's lag was measured and not recorded"
FORGOTTEN: Final = "the stock it was computed from is not kept any more"

LAG: Final = "the lag is taken as recorded: it was measured live"
LAST: Final = "that every other account was verified at zero is taken as recorded"


class Different(msgspec.Struct, frozen=True, kw_only=True):
    """A push that the journal does not bear out."""

    position: int
    at: Instant
    account: AccountId
    listing: ListingId
    sku: Sku
    version: int
    quantity: int
    """What was pushed."""
    term: str
    """The first that is not the same; `sum`: it does not add up by itself."""
    pushed: str
    """As recorded."""
    replayed: str
    """As the journal says."""


class OffersProved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all pushes."""

    pushes: int
    proved: int
    """Number, terms and rules are what the journal gives."""
    trusted: dict[str, int]
    """Of the proved, how many by something that was measured, and is taken as recorded."""
    unproved: dict[str, int]
    """By the reason why they cannot be computed anew; they add up, and what they name of stock is right."""
    different: int
    differences: tuple[Different, ...]
    """The first ones."""


class Moment(NamedTuple):
    """What a push was computed from."""

    level: Availability
    pack_units: int
    last_open: bool
    lag_seconds: float | None


class PushListener(Protocol):
    """Hears of every push when it is settled what it was computed from."""

    def pushed(self, plan: PushPlanned, moment: Moment | None) -> None:
        """Look at the node as of the push; `moment` None: nobody can tell."""
        ...


class _Plan(NamedTuple):
    """A push that is to be proved."""

    position: int
    """Of its own frame."""
    first: int
    """The frame that was certainly durable when it was computed."""
    event: PushPlanned


class OfferProof:
    """Looks on while a journal is replayed (`ops.replay.walk.Onlooker`)."""

    def __init__(self, node: Node, listener: PushListener | None = None) -> None:
        """Begin where the node stands."""
        self._node = node
        self._listener = listener
        self._lag_seconds: float | None = None
        self._last_open = False
        self.facts = msgspec.structs.replace(
            node.offers.facts,
            lag_seconds=lambda _account: self._lag_seconds,
            last_open=lambda _sku, _account: self._last_open,
        )
        now = node.offers.versions.now
        self.offerings = {
            account: offering.under(now, self.facts) for account, offering in node.offers.offerings.items()
        }
        self.levels = ToldLevels()
        for shard in node.shards:
            for sku, book in shard.ledger.books.items():
                self.levels.begin(sku, book.levels())
        node.projections.add((RulesSet,), lambda _position, _event: self._use_rules())
        node.projections.add((SkuRenamed, SkuMerged), lambda _position, _event: self._forget_names())
        self._frames: deque[tuple[int, datetime]] = deque(maxlen=AHEAD)
        self._due: dict[int, list[_Plan]] = {}
        self._mapped: dict[tuple[AccountId, ListingId], list[tuple[Sku, int]]] = {}
        """The newest mappings of listings, those ahead of the node among them."""
        self._pushes = self._proved = self._different = 0
        self._moved: set[AccountId] = set()
        """Accounts whose newest push names other locations than are configured now."""
        self._trusted: Counter[str] = Counter()
        self._unproved: Counter[str] = Counter()
        self._differences: list[Different] = []

    def result(self) -> OffersProved:
        """Return what became of all pushes so far."""
        return OffersProved(
            pushes=self._pushes,
            proved=self._proved,
            trusted=dict(self._trusted),
            unproved=dict(self._unproved),
            different=self._different,
            differences=tuple(self._differences),
        )

    # -- looking on

    def ahead(self, frame: Frame, events: Sequence[Event]) -> None:
        """Find out as of which frames its pushes may have been computed."""
        for event in events:
            if type(event) is PushPlanned:
                plan = _Plan(frame.position, self._durable_at(event.at), event)
                self._settle(plan, max(plan.first, self._node.journal.position))
            elif type(event) is ListingMapped:
                known = self._mapped.setdefault((event.account, event.listing_id), [])
                known.append((event.sku, event.pack_units))
                del known[:-_MAPPINGS_KEPT]
        self._frames.append((frame.position, frame.written_at))

    def told(self, frame: Frame, events: Sequence[Event]) -> None:
        """Note what the frame did to stock; prove what may have been computed as of it."""
        for sku, touched in touched_by(events).items():
            book = self._node.router.ledger_of(sku).books.get(sku)
            if book is not None:
                self.levels.note(frame.position, frame.written_at, sku, book.levels(), touched)
        for plan in self._due.pop(frame.position, ()):
            self._settle(plan, frame.position)

    def _durable_at(self, at: datetime) -> int:
        """Return the newest frame that was certainly durable: the one before the last that was begun by then."""
        for position, written_at in reversed(self._frames):
            if written_at < at:
                return position - 1
        return self._frames[0][0] - 1 if self._frames else self._node.journal.position

    def _use_rules(self) -> None:
        for offering in self.offerings.values():
            offering.use(self._node.offers.versions.now)

    def _forget_names(self) -> None:
        for offering in self.offerings.values():
            offering.forget_names()

    # -- proving

    def _settle(self, plan: _Plan, position: int) -> None:
        """Prove a push as of where the node stands, if that is the frame meant; else when it gets there."""
        if position > self._node.journal.position:
            self._due.setdefault(position, []).append(plan)
            return
        found = self._compute(plan)
        is_proved = isinstance(found, Moment)
        if not is_proved and position < plan.position:
            self._due.setdefault(position + 1, []).append(plan)
            return
        self._pushes += 1
        flaw = find_flaw(plan.event.quantity, plan.event.terms) if plan.event.terms else None
        if flaw is not None:
            self._differ(plan, Parting("sum", flaw, "every line follows from those above it"))
        elif isinstance(found, Parting):
            self._differ(plan, found)
        elif isinstance(found, str):
            self._unproved[found] += 1
        elif not self._is_mapped(plan.event, found.pack_units):
            mapping = f"{plan.event.sku}, {found.pack_units} in one"
            self._differ(plan, Parting("pack", mapping, "the listing was not mapped so"))
        else:
            self._note_proved(plan.event, found)
        if self._listener is not None:
            self._listener.pushed(plan.event, found if isinstance(found, Moment) else None)

    def _note_proved(self, event: PushPlanned, moment: Moment) -> None:
        self._proved += 1
        if event.lag_seconds is not None:
            self._trusted[LAG] += 1
        if moment.last_open and not self._node.offers.facts.last_open(event.sku, event.account):
            self._trusted[LAST] += 1

    def _differ(self, plan: _Plan, parting: Parting) -> None:
        self._different += 1
        if len(self._differences) < LISTED_MAX:
            event = plan.event
            self._differences.append(
                Different(
                    position=plan.position,
                    at=event.at,
                    account=event.account,
                    listing=event.listing_id,
                    sku=event.sku,
                    version=event.version,
                    quantity=event.quantity,
                    term=parting.term,
                    pushed=parting.pushed,
                    replayed=parting.replayed,
                )
            )

    def _compute(self, plan: _Plan) -> Moment | Parting | str:
        """Return what gives all that was recorded; else where the two part, or why nobody can tell."""
        event, offering = plan.event, self.offerings.get(plan.event.account)
        levels = self._find_levels(plan, offering)
        if isinstance(levels, Parting | str):
            return levels
        if not event.terms:
            return WORDLESS
        if offering is None:
            return ABSENT
        self._lag_seconds, pack_units = event.lag_seconds, _pack_of(event)
        problem: Parting | str = FORGOTTEN
        seen = self._node.offers.facts.last_open(event.sku, event.account)
        for last_open in (seen, not seen) if offering.rule(event.sku).last_units.value else (False,):
            self._last_open = last_open
            for level in levels:
                offer = offering.explain(level, pack_units, event.at)
                parting = find_parting(event, offer)
                if parting is None:
                    return Moment(level, pack_units, last_open, event.lag_seconds)
                problem = self._excuse(event, offering, offer, parting) or parting
        return problem

    def _excuse(self, event: PushPlanned, offering: Offering, offer: Offer, parting: Parting) -> str | None:
        """Say why a push that parts from what is computed need not be wrong; None: nothing speaks for it."""
        if _places_of(event.terms):
            self._moved.discard(event.account)
            if _places_of(event.terms).keys() != _places_of(offer.terms).keys():
                self._moved.add(event.account)
                return MOVED
        elif event.account in self._moved and parting.term.startswith(_OF_STOCK):
            return MOVED
        buffer = offering.rule(event.sku).buffer.value
        measured = isinstance(buffer, Computed | ByTier) and event.lag_seconds is None
        return LAGLESS if measured and parting.term == "buffer" else None

    # -- what stock there was

    def _find_levels(self, plan: _Plan, offering: Offering | None) -> list[Availability] | Parting | str:
        """Return the levels that it may have been computed from, those first that agree with what it names of them."""
        if plan.event.sku in self._node.fanout.recipes:
            return ABSENT if offering is None else self._find_bundle(plan, offering)
        known = self._find_known(plan, plan.event.sku, alone=True)
        if not isinstance(known, Known):
            return known
        named = _places_of(plan.event.terms)
        parting: Parting | None = None
        found: dict[Levels, Availability] = {}
        for atp in known.levels:
            there = dict(atp)
            wrong = [place for place, units in named.items() if str(there.get(LocationId(place), 0)) != units]
            if not wrong:
                found.setdefault(atp, self._level(plan, plan.event.sku, atp))
            elif parting is None:
                place = wrong[0]
                parting = Parting(f"atp {place}", named[place], str(there.get(LocationId(place), 0)))
        return list(islice(found.values(), _TRIED_MAX)) or parting or FORGOTTEN

    def _find_known(self, plan: _Plan, sku: Sku, *, alone: bool) -> Known | Parting | str:
        basis = plan.event.basis
        known = self.levels.find(sku, basis, durable=plan.first, alone=alone)
        if known is None:
            return Parting("sku", sku, "there was no such SKU")
        if known.newer is not None:
            return Parting("basis", f"frame {basis}", f"frame {known.newer} had changed {sku}, and was durable by then")
        return known if known.levels else FORGOTTEN

    def _find_bundle(self, plan: _Plan, offering: Offering) -> list[Availability] | Parting | str:
        event = plan.event
        made = self._node.fanout.recipes.made(event.sku)
        if self._node.fanout.is_retired(event.sku):
            return [self._level(plan, event.sku, ())]
        where = offering.rule(event.sku).where
        named = {term: value for term, value, _ in event.terms if term.startswith("component ")}
        choices: list[list[Component]] = []
        for leaf, units in made.leaves:
            known = self._find_known(plan, leaf, alone=False)
            if not isinstance(known, Known):
                return known
            levels = [self._level(plan, leaf, atp) for atp in known.levels]
            shown = [(level, self._left_of(level, event.account, where, event.at)) for level in levels]
            fitting = [level for level, left in shown if str(left) == named.get(f"component {leaf}")]
            if named and not fitting:
                return Parting(f"component {leaf}", named.get(f"component {leaf}", "none"), str(shown[0][1]))
            choices.append([Component(units, level) for level in fitting or levels[:1]])
        return [
            msgspec.structs.replace(
                self._level(plan, event.sku, at_each(chosen)), components=chosen, together=made.together
            )
            for chosen in islice(product(*choices), _TRIED_MAX)
        ]

    def _left_of(self, level: Availability, account: AccountId, where: Collection[LocationId], at: datetime) -> int:
        """Return what of a bundle's component may be shown."""
        fenced = sum(fence.units for fence in self.facts.fences(level.sku, account, level, at))
        return sum(units for place, units in level.atp if place in where) - fenced

    def _level(self, plan: _Plan, sku: Sku, atp: Levels) -> Availability:
        return Availability(sku=sku, position=plan.event.basis, atp=atp, changed_at=plan.event.at)

    def _is_mapped(self, event: PushPlanned, pack_units: int) -> bool:
        """Whether the listing sold this SKU in packs of so many by then, or by a mapping that was on its way."""
        known = self._mapped.get((event.account, event.listing_id), ())
        if any((self._node.catalogue.codes.resolve(sku), pack) == (event.sku, pack_units) for sku, pack in known):
            return True
        listings = self._node.accounts[event.account].pusher.listings_of(event.sku)
        return any((each.listing_id, each.pack_units) == (event.listing_id, pack_units) for each in listings)


def _places_of(terms: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return the units of each location that a sum names."""
    return {term.removeprefix("atp "): value for term, value, _ in terms if term.startswith("atp ")}


def _pack_of(event: PushPlanned) -> int:
    """Return the units in one of the listing; what is no such number is found out by the sum (`find_flaw`)."""
    value = next((value for term, value, _ in event.terms if term == "pack"), "")
    return int(value) if value.isdecimal() and int(value) else 1
