"""A shortage is judged where units could make it good, and nowhere else."""

import pytest
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from config.schema import Location, LocationKind, Settings
from engine.actors.router import Waiter
from engine.domain.audit.narrate import narrate
from engine.domain.commands import AddSku, Adjust, Moved, Receive, SendTransfer
from engine.domain.events import BookEvent, OversellCleared, OversellRecorded
from engine.domain.stock.ledger import Ledger
from engine.domain.stock.places import ONE_POOL, Kind, Pools
from engine.domain.stock.shortage import find_shortages
from engine.domain.units import DIRECT, DocumentId, Key, LocationId, Sku
from engine.machines.alerts.conditions import Conditions, ConditionTerms
from engine.machines.alerts.findings import Findings
from ops.socket.views.stock import incident_view, stock_view
from tests.fakes.books import BOTH, HERE, THERE, A, Shelf
from tests.fakes.clocks import NoonClock
from tests.fakes.orders import order, order_line
from tests.fakes.running import running_node, settings_for

FBA, OLD = LocationId("fba"), LocationId("old-warehouse")
BERLIN, HAMBURG = LocationId("berlin"), LocationId("hamburg")


def pools(there: Kind) -> Pools:
    return Pools({HERE: Kind.OWN, THERE: there})


def told(shelf: Shelf) -> list[tuple[str, LocationId | None, int]]:
    """What the last command put on record: how many are missing where."""
    return [
        ("recorded", event.location, event.open_units)
        if isinstance(event, OversellRecorded)
        else ("cleared", event.location, 0)
        for event in shelf.new
        if isinstance(event, OversellRecorded | OversellCleared)
    ]


@pytest.mark.parametrize("kind", Kind)
def test_only_places_that_stand_in_for_it_make_a_shortage_good(kind: Kind) -> None:
    """Units that a marketplace keeps, that lie on consignment or are under way say nothing of our own shelf."""
    shelf = Shelf(pools=pools(kind))
    shelf.receive(A, 9, THERE)
    shelf.record(2, locations=(HERE,))
    alone = kind in {Kind.CHANNEL_FULFILLED, Kind.CONSIGNMENT, Kind.IN_TRANSIT}
    assert told(shelf) == ([("recorded", None, 2)] if alone else [])
    assert shelf.book().oversold == (2 if alone else 0)


def test_nor_do_our_own_units_help_the_buyers_of_a_marketplace() -> None:
    shelf = Shelf(pools=pools(Kind.CHANNEL_FULFILLED), A=9)
    shelf.record(2, locations=(THERE,))
    assert told(shelf) == [("recorded", THERE, 2)]
    assert shelf.atp() == 7, "what a direct hold may have is another question"


def test_each_place_that_stands_alone_has_an_incident_of_its_own() -> None:
    shelf = Shelf(pools=Pools({HERE: Kind.OWN, THERE: Kind.STORE, FBA: Kind.CHANNEL_FULFILLED}), A=1)
    shelf.record(3, order_id="1", locations=BOTH)
    shelf.record(4, order_id="2", locations=(FBA,))
    assert {place: each.open_units for place, each in shelf.book().records.oversells.items()} == {None: 2, FBA: 4}
    shelf.receive(A, 4, FBA)
    assert told(shelf) == [("cleared", FBA, 0)]
    shelf.receive(A, 1, THERE)
    assert told(shelf) == [("recorded", None, 1)]


def test_a_transfer_to_a_marketplace_takes_units_out_of_the_pool() -> None:
    """Free units may be sent; the pool they leave is judged by what stays."""
    shelf = Shelf(pools=Pools({HERE: Kind.OWN, THERE: Kind.OWN, FBA: Kind.CHANNEL_FULFILLED}), A=5)
    shelf.record(3, locations=(THERE,))
    assert told(shelf) == []
    sent = SendTransfer(transfer=DocumentId("t"), source=HERE, target=FBA, lines=((A, 5),))
    assert isinstance(shelf.do(sent), Moved)
    assert told(shelf) == [("recorded", None, 3)]


def test_what_no_place_has_is_short_at_the_first_one_of_the_account() -> None:
    """A backorder counts where it would be met from."""
    shelf = Shelf(pools=pools(Kind.CHANNEL_FULFILLED), A=1)
    shelf.receive(A, 1, THERE)
    shelf.record(5, locations=(THERE, HERE))
    assert told(shelf) == [("recorded", THERE, 3)]


def test_a_place_that_is_configured_no_more_stands_alone() -> None:
    """Nobody sells from it: what lies there makes nothing good."""
    kinds = Pools({HERE: Kind.OWN})
    assert (kinds.of(HERE), kinds.of(OLD), ONE_POOL.of(OLD)) == (None, OLD, None)


def test_one_number_for_all_places_does_not_hide_what_a_pool_owes() -> None:
    kinds = pools(Kind.CHANNEL_FULFILLED)
    assert kinds.sum_up(((HERE, -2), (THERE, 9))) == -2
    assert kinds.sum_up(((HERE, -2), (THERE, -3))) == -5
    assert kinds.sum_up(((HERE, 2), (THERE, 9))) == 11
    assert pools(Kind.STORE).sum_up(((HERE, -2), (THERE, 9))) == 7


def test_what_a_buyer_picks_up_at_a_store_no_other_place_of_the_pool_makes_good() -> None:
    shelf = Shelf(pools=pools(Kind.STORE), A=9)
    shelf.record(3, pickup=THERE)
    assert find_shortages(shelf.book(), pools(Kind.STORE)) == {None: 3}


def test_people_hear_where_it_is_short_and_each_alert_ends_by_itself() -> None:
    findings = Findings(ignored=(), is_known=lambda _: True)
    findings.live = True
    conditions = Conditions(findings, ConditionTerms())
    shelf = Shelf(pools=pools(Kind.CHANNEL_FULFILLED))
    shelf.record(2, locations=(HERE,), order_id="1")
    shelf.record(3, locations=(THERE,), order_id="2")
    for event in shelf.events:
        if isinstance(event, OversellRecorded):
            conditions.oversell_recorded(event)
    assert {finding.subject: finding.text for finding in conditions.holding()} == {
        "A": "A: 2 promised beyond what there is, order shop/1; cause: unknown",
        "A@there": "A: 3 promised beyond what there is at there, order shop/2; cause: unknown",
    }
    said = [narrate(event) for event in shelf.events if isinstance(event, OversellRecorded)]
    assert [text.rpartition("; ")[2] for text in said] == [
        "2 more promised than there is",
        "3 more promised than there is at there",
    ]
    conditions.oversell_cleared(OversellCleared(at=shelf.now, sku=A, location=THERE))
    assert [finding.subject for finding in conditions.holding()] == ["A"]
    assert A in conditions.oversold, "cancellations of it are still for want of stock"
    conditions.oversell_cleared(OversellCleared(at=shelf.now, sku=A))
    assert not conditions.oversold


# -- journals of before, and configurations that change


def test_a_journal_that_told_no_places_apart_is_judged_again() -> None:
    """Its incidents are about all places together; from now on each pool has its own."""
    before = Shelf(A=1)
    before.receive(A, 4, THERE)
    before.record(3, order_id="1", locations=(HERE,))
    before.record(5, order_id="2", locations=(THERE,))
    assert told(before) == [("recorded", None, 3)]
    ledger = Ledger(remembered_seconds=60, remembered_max=100, pools=pools(Kind.CHANNEL_FULFILLED))
    for event in before.events:
        if isinstance(event, BookEvent) and event.sku == A:
            ledger.apply(event)
    assert ledger.books[A] == before.book(), "replay changes nothing"
    (events,) = ledger.judge_again(before.now)
    assert [
        (getattr(event, "location", ""), getattr(event, "open_units", 0), getattr(event, "cause", ""))
        for event in events
    ] == [
        (None, 2, "relieved"),
        (THERE, 1, "regrouped"),
    ]
    assert [list(each) for each in ledger.judge_again(before.now)] == [[]], "once"


def settings(kind: LocationKind) -> Settings:
    return settings_for(None, locations=(Location(id="berlin"), Location(id="hamburg", kind=kind)))


async def test_a_start_with_another_kind_of_place_says_what_it_finds(autojump_clock: MockClock) -> None:
    """What the journal says stands until then, and the next start has nothing to say."""
    store, sku = MemoryStore(), Sku("A")
    async with running_node(settings("own"), store, clock=NoonClock(), serve=False) as node:
        ask = node.router.ask
        await ask(AddSku(sku=sku, name=""))
        await ask(Receive(key=Key("r"), sku=sku, location=BERLIN, quantity=3))
        waiter = Waiter()
        await node.desk.tell(order(order_line("A", 3), account=DIRECT), waiter)
        await waiter.wait()
        await ask(Receive(key=Key("s"), sku=sku, location=HAMBURG, quantity=9))
        await ask(Adjust(key=Key("a"), sku=sku, location=BERLIN, delta=-2, reason="broken"))
        assert not node.incidents.open
    async with running_node(settings("channel_fulfilled"), store, clock=NoonClock(), serve=False) as node:
        assert list(node.incidents.open) == [(sku, None)]
        (incident,) = node.incidents.newest
        view = incident_view(incident)
        assert (view["units"], view["location"], view["cause"]) == (2, None, "regrouped")
        shown = stock_view(node.router.ledger_of(sku).books[sku])
        assert (shown["oversold"], shown["shortages"]) == (
            2,
            [{"location": None, "units": 2, "cause": "regrouped"}],
        )
        assert (await node.scanner.scan()).violations == ()
    frames = len(store.frames)
    async with running_node(settings("channel_fulfilled"), store, clock=NoonClock(), serve=False) as node:
        assert list(node.incidents.open) == [(sku, None)]
    assert len(store.frames) == frames
    async with running_node(settings("store"), store, clock=NoonClock(), serve=False) as node:
        assert not node.incidents.open
        assert (await node.scanner.scan()).violations == ()
