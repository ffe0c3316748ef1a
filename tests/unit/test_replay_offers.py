"""Proving pushes one by one, over journals that are written here event by event."""

from datetime import timedelta

import msgspec
import pytest
import trio

from config.schema import Settings
from engine.domain.availability import Availability, Component
from engine.domain.events import ListingMapped, PushVerified, RecipeSet, SkuAdded, SkuRetired, UnitsHeld
from engine.domain.units import DIRECT, HoldId, ListingId, Sku
from engine.machines.untold import PLENTY_UNITS
from ops.replay.offers import ABSENT, LAG, LAGLESS, LAST, MOVED, WORDLESS, OffersProved
from tests.fakes.books import HERE, A, B
from tests.fakes.orders import SHOP
from tests.fakes.written import KIT, LISTING, MARKET, SETTINGS, Writing, account


@pytest.fixture
def journal() -> Writing:
    async def make() -> Writing:
        return Writing()

    return trio.run(make)


def run(journal: Writing, *, proved: int, settings: Settings = SETTINGS, **unproved: int) -> OffersProved:
    """Prove; nothing may differ."""
    found = journal.prove(settings)
    assert (found.differences, found.proved, sum(found.unproved.values())) == ((), proved, sum(unproved.values()))
    return found


def test_proves_what_was_computed_from_the_newest_stock(journal: Writing) -> None:
    journal.push()
    journal.receive(A, -40)
    journal.push()
    assert run(journal, proved=2).trusted == {}


def test_a_push_that_was_computed_while_a_frame_was_being_written_is_of_the_one_before(journal: Writing) -> None:
    """Its stock had changed, and nobody could know so yet."""
    plan = journal.plan()
    journal.receive(A, -40)
    late = msgspec.structs.replace(plan, at=plan.at + timedelta(milliseconds=1))
    journal.write(late)
    run(journal, proved=1)


def test_a_push_of_a_level_that_had_long_been_another_one_differs(journal: Writing) -> None:
    old = journal.level()
    changed = journal.receive(A, -40)
    journal.write(ListingMapped(at=journal.now, account=MARKET, listing_id=LISTING, sku=B))
    position = journal.push(old)
    (found,) = journal.prove().differences
    assert (found.position, found.term, found.pushed) == (position, "basis", f"frame {old.position}")
    assert found.replayed.startswith(f"frame {changed} had changed A")


@pytest.mark.parametrize(("left", "proved"), [(PLENTY_UNITS, True), (PLENTY_UNITS - 1, False)])
def test_only_a_plain_hold_that_leaves_plenty_may_be_told_late(journal: Writing, left: int, proved: bool) -> None:
    level = journal.level()
    held = UnitsHeld(
        at=journal.now, sku=A, hold_id=HoldId("h"), parts=((HERE, 100 - left),), expires_at=None, account=DIRECT
    )
    journal.write(held)
    journal.write(ListingMapped(at=journal.now, account=MARKET, listing_id=LISTING, sku=B))
    journal.push(level)
    found = journal.prove()
    assert (found.proved, found.different) == ((1, 0) if proved else (0, 1))


def test_a_pace_that_one_push_found_forgotten_counts_for_one_that_was_planned_before(journal: Writing) -> None:
    """Frames of two accounts may land the other way round: what counts is the instant that a push names."""
    journal.set_rules(buffer_from="computed")
    for units in (1, 2, 3):
        journal.sell_elsewhere(units)
    journal.idle_seconds = 3598
    rushed = journal.plan(lag_seconds=3600.0)
    journal.idle_seconds += 2
    calm = journal.plan(lag_seconds=3600.0)
    assert rushed.quantity < calm.quantity
    journal.write(calm)
    journal.write(rushed)
    run(journal, proved=2)


def test_proves_a_buffer_by_the_lag_that_was_recorded_and_not_without_it(journal: Writing) -> None:
    journal.set_rules(buffer_from="computed")
    journal.sell_elsewhere(30)
    slow, quick = journal.plan(lag_seconds=3600.0), journal.plan(lag_seconds=1.0)
    assert slow.quantity < quick.quantity
    journal.write(slow)
    journal.write(quick)
    assert run(journal, proved=2).trusted == {LAG: 2}
    journal.write(msgspec.structs.replace(slow, lag_seconds=None))
    assert run(journal, proved=2, of_old=1).unproved == {LAGLESS: 1}
    journal.write(msgspec.structs.replace(slow, lag_seconds=1.0))
    (found,) = journal.prove().differences
    assert found.term == "buffer"


def test_takes_last_units_as_recorded_and_says_so(journal: Writing) -> None:
    journal.set_rules(buffer=3, last_units=True)
    journal.push(last=True)
    journal.push(last=False)
    assert run(journal, proved=2).trusted[LAST] == 1


def test_proves_bundles_from_each_of_their_components(journal: Writing) -> None:
    journal.write(SkuAdded(at=journal.now, sku=KIT))
    journal.write(RecipeSet(at=journal.now, sku=KIT, version=1, components=((A, 2), (B, 1))))
    journal.write(ListingMapped(at=journal.now, account=SHOP, listing_id=LISTING, sku=KIT))

    def level() -> Availability:
        components = (Component(2, journal.level(A)), Component(1, journal.level(B)))
        return Availability(
            sku=KIT, position=len(journal.frames), atp=((HERE, 0),), changed_at=journal.now, components=components
        )

    journal.push(level())
    journal.receive(A, -90)
    journal.push(level())
    run(journal, proved=2)
    old = level()
    journal.receive(B, -99)
    journal.write(SkuAdded(at=journal.now, sku=Sku("C")))
    journal.push(msgspec.structs.replace(old, position=len(journal.frames)))
    (found,) = journal.prove().differences
    assert (found.term, found.pushed, found.replayed) == ("component B", "100", "1")


def test_a_retired_sku_is_shown_nowhere(journal: Writing) -> None:
    plan = journal.plan()
    journal.write(SkuRetired(at=journal.now, sku=A))
    journal.push()
    assert run(journal, proved=1).pushes == 1
    journal.write(msgspec.structs.replace(plan, at=journal.now, basis=len(journal.frames)))
    assert journal.prove().different == 1


def test_counts_what_no_longer_can_be_proved(journal: Writing) -> None:
    journal.push()
    fewer = msgspec.structs.replace(SETTINGS, accounts=(account(SHOP, locations=(HERE,)), account(MARKET)))
    assert run(journal, proved=0, settings=fewer, moved=1).unproved == {MOVED: 1}
    gone = msgspec.structs.replace(SETTINGS, accounts=(account(MARKET),))
    assert run(journal, proved=0, settings=gone, absent=1).unproved == {ABSENT: 1}
    journal.write(msgspec.structs.replace(journal.plan(), terms=()))
    assert run(journal, proved=1, wordless=1).unproved == {WORDLESS: 1}


def test_stock_is_compared_even_where_the_rest_cannot_be_proved(journal: Writing) -> None:
    plan = journal.plan()
    terms = tuple((term, "99" if term == f"atp {HERE}" else value, rule) for term, value, rule in plan.terms)
    terms = tuple(
        (term, "99" if term in {"atp", "shared", "packs", "offer"} else value, rule) for term, value, rule in terms
    )
    journal.write(msgspec.structs.replace(plan, quantity=99, terms=terms))
    gone = msgspec.structs.replace(SETTINGS, accounts=(account(MARKET),))
    (found,) = journal.prove(gone).differences
    assert (found.term, found.pushed, found.replayed) == (f"atp {HERE}", "99", "100")


def test_a_mapping_that_was_recorded_a_moment_later_counts(journal: Writing) -> None:
    plan = msgspec.structs.replace(journal.plan(), listing_id=ListingId("new"))
    journal.write(plan)
    (found,) = journal.prove().differences
    assert found.term == "pack"
    journal.write(ListingMapped(at=journal.now, account=SHOP, listing_id=ListingId("new"), sku=A))
    run(journal, proved=1)


def test_what_is_seen_at_the_channel_proves_nothing(journal: Writing) -> None:
    journal.push()
    journal.write(PushVerified(at=journal.now, account=SHOP, listing_id=LISTING, version=5, shown=99))
    run(journal, proved=1)
