"""What accounts, sales and alerts say of themselves makes an owner that is the same, now and for ever after.

At any point of any story: told what it says, another one says the same; told the rest of the story, both still do.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.alerts import AlertKind
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DemandLapsed,
    DemandSet,
    DriftFound,
    Event,
    HoldCommitted,
    LetterKept,
    LetterSettled,
    ListingDropped,
    ListingMapped,
    OrderRecorded,
    OrdersCaughtUp,
    OversellCleared,
    OversellRecorded,
    PushPlanned,
    PushSettled,
    PushVerified,
    SkuMerged,
    StockCounted,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.offers.demand import Demand
from engine.domain.offers.fences import QuotaSales
from engine.domain.offers.pace import Pace
from engine.domain.stated import Stateful, Statement
from engine.domain.units import DIRECT, AccountId, HoldId, Key, LetterId, LineId, ListingId, OrderId, Sku
from engine.machines.alerts.cancellations import Cancellations, CancellationTerms
from engine.machines.alerts.conditions import Conditions, ConditionTerms
from engine.machines.alerts.findings import Findings
from engine.machines.arrivals import Arrivals
from engine.machines.listing import State
from engine.machines.listings import Listings
from engine.machines.pushing import Alone
from tests.fakes.books import HERE
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line

MARKET = AccountId("market")
SKUS = (Sku("A"), Sku("B"))
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Statement)
Step = Callable[[Any, datetime, int], None]
"""Tells an owner one thing, at an instant, in the frame of a position."""


def say(owner: Stateful, as_of: datetime) -> list[bytes]:
    return [_ENCODER.encode(statement) for statement in owner.state(as_of)]


def check_law(make: Callable[[], Any], story: Sequence[tuple[float, Step]], cut: int) -> None:
    """Tell a story, to one owner whole, and to another from a snapshot on."""
    whole, second, at, cut = make(), make(), START, 1 + cut % len(story)
    for position, (seconds, step) in enumerate(story, start=1):
        at += timedelta(seconds=seconds)
        step(whole, at, position)
        if position < cut:
            continue
        if position == cut:
            said = say(whole, at)
            for statement in said:
                second.restore(_DECODER.decode(statement))
        else:
            step(second, at, position)
        assert say(second, at) == say(whole, at)
    later = at + timedelta(days=40)
    assert say(second, later) == say(whole, later), "what may be forgotten is forgotten by both"


def stories(step: st.SearchStrategy[Step], seconds: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(seconds, step), min_size=1, max_size=40)


SOON = st.sampled_from((0.0, 0.5, 20.0))
SOMETIMES = st.sampled_from((0.0, 0.5, 20.0, 4000.0, 90_000.0, 900_000.0))


# -- listings


@st.composite
def pushing(draw: st.DrawFn) -> Step:
    listing, sku = ListingId(draw(st.sampled_from("xyz"))), draw(st.sampled_from(SKUS))
    version, number = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    verdict = draw(st.sampled_from(("applied", "accepted", "unknown", "refused", "locked", "throttled", "superseded")))
    kind = draw(st.sampled_from("mmdppppssssvvvfffur"))

    def tell(listings: Listings, at: datetime, position: int) -> None:
        known = listings._known(listing)
        newest = 0 if known is None else known.version
        mine: dict[str, Any] = {"at": at, "account": SHOP, "listing_id": listing}
        event: Event
        match kind:
            case "m":
                event = ListingMapped(**mine, sku=sku, pack_units=version, source="import")
            case "d":
                event = ListingDropped(**mine)
            case "p":
                event = PushPlanned(**mine, sku=sku, version=newest + 1, quantity=number, basis=position)
            case "s":
                event = PushSettled(**mine, version=max(newest - number, 1), verdict=verdict, reason=verdict)
            case "v":
                event = PushVerified(**mine, version=max(newest - number, 1), shown=number)
            case "f" if known is None or known.recorded not in {State.ACCEPTED, State.VERIFIED}:
                return  # nobody looks for one
            case "f":
                event = DriftFound(**mine, version=max(newest - number // 2, 0), shown=9, expected=number)
            case "u":
                event = AccountPaused(at=at, account=SHOP, reason=f"fuse {number}")
            case _:
                event = AccountResumed(at=at, account=SHOP)
        listings.apply(event)

    return tell


class Heard(Alone):
    """Hears which SKUs are dark."""

    def __init__(self) -> None:
        self.dark: dict[Sku, bool] = {}

    def darkened(self, sku: Sku, *, selling: bool, dark: bool) -> None:
        self.dark.pop(sku, None)
        if selling:
            self.dark[sku] = dark


def after_a_start(listings: Listings, heard: Heard) -> object:
    """How listings are shown, and what of them is sent."""
    listings.recall()
    return (
        sorted((each.listing_id, each.state, each.owed, each.pushed, each.version, each.dark) for each in listings),
        heard.dark,
        +listings.standings,
        {sku: [each.listing_id for each in listings.of(sku)] for sku in SKUS},
    )


@given(story=stories(pushing(), SOON), cut=st.integers(1, 40))
@settings(deadline=None)
def test_listings(story: list[tuple[float, Step]], cut: int) -> None:
    check_law(lambda: Listings(SHOP), story, cut)
    at, heard, heard_too = START, Heard(), Heard()
    whole, second = Listings(SHOP, heard), Listings(SHOP, heard_too)
    for position, (_, step) in enumerate(story, start=1):
        step(whole, at, position)
    for statement in say(whole, at):
        second.restore(_DECODER.decode(statement))
    assert after_a_start(second, heard_too) == after_a_start(whole, heard)


# -- arrivals


@st.composite
def arriving(draw: st.DrawFn) -> Step:
    key, kind = draw(st.sampled_from("abcdef")), draw(st.sampled_from("ssshhlllkw"))

    def tell(arrivals: Arrivals, at: datetime, position: int) -> None:
        letter = LetterId(f"order-{key}")
        match kind:
            case "s" if arrivals.knows(key, at):
                return  # answered REPEAT, and not stored again
            case "s":
                headers = {"x": str(position)}
                event: Any = WebhookStored(at=at, account=SHOP, delivery_key=key, headers=headers, body=b"{")
            case "h":
                event = WebhookHandled(at=at, account=SHOP, delivery_key=key, outcome="newer")
            case "l":
                event = LetterKept(
                    at=at, account=SHOP, letter_id=letter, reason="odd", headers={}, body=b"?", order_id=OrderId(key)
                )
            case "k":
                event = LetterSettled(at=at, account=SHOP, letter_id=letter, outcome="understood")
            case _:
                event = OrdersCaughtUp(at=at, account=SHOP, through_at=at)
        arrivals.apply(event)

    return tell


@given(story=stories(arriving(), SOMETIMES), cut=st.integers(1, 40))
@settings(deadline=None)
def test_arrivals(story: list[tuple[float, Step]], cut: int) -> None:
    def make() -> Arrivals:
        return Arrivals(SHOP, remembered_seconds=5000.0, remembered_max=4, letters_max=10)

    check_law(make, story, cut)
    whole, second, at = make(), make(), START
    for position, (seconds, step) in enumerate(story, start=1):
        at += timedelta(seconds=seconds)
        step(whole, at, position)
    for statement in say(whole, at):
        second.restore(_DECODER.decode(statement))
    assert second.unhandled == whole.unhandled
    assert second.letters.open == whole.letters.open
    assert second.through_at == whole.through_at
    assert [second.knows(key, at) for key in "abcdef"] == [whole.knows(key, at) for key in "abcdef"]
    later = at + timedelta(seconds=70)
    assert sorted(second.letters.take_due(later, 9)) == sorted(whole.letters.take_due(later, 9))


# -- demand, pace and quotas


class QuotaRules:
    """The rules as they are now, for whoever asks: not what is stated here."""

    def __init__(self) -> None:
        self.since: int | None = 1
        """None: the account is configured no more."""

    def of(self, _sku: Sku, account: AccountId) -> tuple[int, int] | None:
        """Return quota and version: SHOP has one."""
        return (5, self.since) if account == SHOP and self.since is not None else None


class Sales:
    """Demand and whoever hears of it, as the offer desk joins them."""

    def __init__(self, rules: "QuotaRules") -> None:
        self.demand, self.pace = Demand(self._sold), Pace()
        self.rules = rules
        self.quotas = QuotaSales(rules.of)

    def _sold(self, sku: Sku, account: AccountId, units: int, at: datetime) -> None:
        self.pace.sold(sku, account, units, at)
        self.quotas.sold(sku, account, units)

    def state(self, as_of: datetime) -> Iterator[Any]:
        for owner in (self.quotas, self.demand, self.pace):
            yield from owner.state(as_of)

    def restore(self, statement: Any) -> None:
        owners: dict[str, Any] = {"quota_stated": self.quotas, "demand_stated": self.demand, "pace_stated": self.pace}
        owners[statement.__struct_config__.tag].restore(statement)


@st.composite
def selling(draw: st.DrawFn) -> Step:
    sku, account = draw(st.sampled_from(SKUS)), draw(st.sampled_from((SHOP, MARKET)))
    name, units, kind = draw(st.sampled_from("12")), draw(st.integers(0, 4)), draw(st.sampled_from("ooollhsmq"))
    bundle, days_ago = draw(st.booleans()), draw(st.sampled_from((0, 0, 3, 27, 30)))

    def tell(sales: Sales, at: datetime, position: int) -> None:
        mine: dict[str, Any] = {"at": at, "account": account, "order_id": OrderId(name), "line_id": LineId("1")}
        parts = ((HERE, units),) if units else ()
        match kind:
            case "o":
                told = order(order_line("K" if bundle else sku, units), account=account, order_id=name)
                told = msgspec.structs.replace(told, placed_at=START - timedelta(days=days_ago))
                kit = ((SKUS[0], 2), (SKUS[1], 1))
                recorded = OrderRecorded(
                    at=at, snapshot=told, skus=(Sku("K") if bundle else sku,), components=(kit,) if bundle else ()
                )
                sales.demand.apply(recorded, position)
                for each, in_one in kit if bundle else ((sku, 1),):
                    many = ((HERE, units * in_one),) if units else ()
                    sales.demand.apply(DemandSet(sku=each, reserved=many, **mine), position)
            case "l":
                sales.demand.apply(DemandLapsed(sku=sku, **mine), position)
            case "q":
                sales.rules.since = units or None
            case "h":
                held = HoldCommitted(at=at, sku=sku, hold_id=HoldId(name), account=DIRECT, order_id=None)
                sales.demand.committed(held, units)
            case "m":  # all of its lines are taken off it first, in the same frame
                for gone, seller, order_id, line_id in sorted(key for key in sales.demand._lines if key[0] == SKUS[0]):
                    line: dict[str, Any] = {"at": at, "account": seller, "order_id": order_id, "line_id": line_id}
                    sales.demand.apply(DemandSet(sku=gone, **line), position)
                    sales.demand.apply(DemandSet(sku=SKUS[1], committed=parts, **line), position)
                sales.demand.apply(SkuMerged(at=at, sku=SKUS[0], into=SKUS[1]), position)
            case _:
                sales.demand.stocked(sku, position, at, sellable=units > 0)

    return tell


@given(story=stories(selling(), SOMETIMES), cut=st.integers(1, 40))
@settings(deadline=None, max_examples=200)
def test_sales(story: list[tuple[float, Step]], cut: int) -> None:
    rules = QuotaRules()
    check_law(lambda: Sales(rules), story, cut)


@given(story=stories(selling(), SOMETIMES))
@settings(deadline=None)
def test_what_was_sold_is_found_again_in_every_figure(story: list[tuple[float, Step]]) -> None:
    rules = QuotaRules()
    whole, second, at = Sales(rules), Sales(rules), START
    for position, (seconds, step) in enumerate(story, start=1):
        at += timedelta(seconds=seconds)
        step(whole, at, position)
    for statement in say(whole, at):
        second.restore(_DECODER.decode(statement))
    for sku in (*SKUS, Sku("K")):
        for account in (SHOP, MARKET, DIRECT):
            assert second.demand.sold_by(sku, account, at) == whole.demand.sold_by(sku, account, at)
            assert second.pace.rate_of(sku, account, at) == whole.pace.rate_of(sku, account, at)
            assert second.quotas.of(sku, account, 1) == whole.quotas.of(sku, account, 1)
        assert second.demand.daily_sales(sku, at) == whole.demand.daily_sales(sku, at)


# -- conditions


class Noticing:
    """What an alerter makes of events before anybody decides."""

    def __init__(self) -> None:
        self.findings = Findings(ignored=(), is_known=lambda key: key[1].startswith("B"))
        self.conditions = Conditions(self.findings, ConditionTerms())
        self.cancellations = Cancellations(
            self.findings, CancellationTerms(lines_min=2, percent=10), self.conditions.oversold
        )

    def state(self, as_of: datetime) -> Iterator[Any]:
        for owner in (self.conditions, self.findings, self.cancellations):
            yield from owner.state(as_of)

    def restore(self, statement: Any) -> None:
        owners: dict[str, Any] = {
            "condition_stated": self.conditions,
            "found_stated": self.findings,
            "cancellations_stated": self.cancellations,
        }
        owners[statement.__struct_config__.tag].restore(statement)


@st.composite
def noticing(draw: st.DrawFn) -> Step:
    sku, name, units = draw(st.sampled_from(SKUS)), draw(st.sampled_from("123")), draw(st.integers(0, 4))
    kind = draw(st.sampled_from("oorddvlkckkccpu"))

    def tell(known: Noticing, at: datetime, position: int) -> None:
        conditions, listing = known.conditions, ListingId(name)
        match kind:
            case "o":
                conditions.oversell_recorded(
                    OversellRecorded(
                        at=at, sku=sku, units=1, open_units=units, account=SHOP, order_id=None, cause="lag"
                    )
                )
            case "r":
                conditions.oversell_cleared(OversellCleared(at=at, sku=sku))
            case "d":
                conditions.drift_found(
                    DriftFound(at=at, account=SHOP, listing_id=listing, version=1, shown=units, expected=0)
                )
            case "v":
                conditions.drift_over(PushVerified(at=at, account=SHOP, listing_id=listing, version=1, shown=0))
            case "l":
                conditions.letter_kept(
                    LetterKept(
                        at=at,
                        account=SHOP,
                        letter_id=LetterId(name),
                        reason="odd",
                        headers={},
                        body=b"",
                        order_id=OrderId(name),
                    )
                )
            case "k":
                lines = (order_line(sku, 4, cancelled=units),)
                told = order(*lines, order_id=name)
                if units == 4:
                    told = msgspec.structs.replace(told, channel_status="out-of-stock")
                known.cancellations.recorded(OrderRecorded(at=at, snapshot=told, skus=(sku,)), position)
                changed = DemandSet(at=at, sku=sku, account=SHOP, order_id=OrderId(name), line_id=LineId("1"))
                known.cancellations.changed(changed, position)
            case "c":
                counted = StockCounted(
                    at=at,
                    sku=sku,
                    key=Key(name),
                    location=HERE,
                    counted=units,
                    expected=4,
                    delta=units - 4,
                    taken_at=at,
                    applied=True,
                    on_hand=units,
                )
                conditions.counted(counted)
            case "p":
                conditions.account_paused(AccountPaused(at=at, account=SHOP, reason=f"fuse: {units}"))
            case _:
                conditions.account_resumed(AccountResumed(at=at, account=SHOP))

    return tell


@given(story=stories(noticing(), SOMETIMES), cut=st.integers(1, 40))
@settings(deadline=None)
def test_what_is_noticed(story: list[tuple[float, Step]], cut: int) -> None:
    check_law(Noticing, story, cut)
    whole, second, at = Noticing(), Noticing(), START
    for position, (seconds, step) in enumerate(story, start=1):
        at += timedelta(seconds=seconds)
        step(whole, at, position)
    for statement in say(whole, at):
        second.restore(_DECODER.decode(statement))
    later = at + timedelta(seconds=30)
    for each in (whole, second):
        each.findings.live = True
        each.conditions.look(later)
    assert list(second.conditions.holding()) == list(whole.conditions.holding())
    assert {key for key in second.findings.take() if key[0] is AlertKind.DRIFT} == {
        key for key in whole.findings.take() if key[0] is AlertKind.DRIFT
    }
