"""What may happen to a listing, and what the journal makes of it."""

from datetime import UTC, datetime

import msgspec
import pytest

from engine.domain.events import (
    AccountPaused,
    DriftFound,
    Event,
    ListingDropped,
    ListingMapped,
    PushPlanned,
    PushSettled,
    PushVerified,
)
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines import listings as listings_module
from engine.machines.agenda import Agenda, BatchQueue
from engine.machines.listing import TRANSITIONS, Change, Listing, State
from engine.machines.listings import IMPORT, PUSHES_MAX, SKU_MATCH, Listings

SHOP, A, ONE = AccountId("shop"), Sku("A"), ListingId("1")
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


def mapped(sku: str = "A", listing: str = "1") -> ListingMapped:
    return ListingMapped(at=NOON, account=SHOP, listing_id=ListingId(listing), sku=Sku(sku))


def by_hand(sku: str, pack_units: int) -> ListingMapped:
    return ListingMapped(at=NOON, account=SHOP, listing_id=ONE, sku=Sku(sku), pack_units=pack_units, source=IMPORT)


def planned(version: int, quantity: int = 5, listing: str = "1") -> PushPlanned:
    return PushPlanned(
        at=NOON, account=SHOP, listing_id=ListingId(listing), sku=A, version=version, quantity=quantity, basis=1
    )


def settled(version: int, verdict: str) -> PushSettled:
    return PushSettled(at=NOON, account=SHOP, listing_id=ONE, version=version, verdict=verdict)


def replay(*events: Event) -> Listings:
    listings = Listings(SHOP)
    for event in events:
        listings.apply(event)
    return listings


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_a_person_mapped_is_not_matched_anew_by_its_sku(order: tuple[int, int]) -> None:
    """A page may be matched while an import is on its way to the disk: first live, and second in the journal."""
    events = (by_hand("A", 2), msgspec.structs.replace(mapped("A"), source=SKU_MATCH))
    listing = replay(*(events[index] for index in order)).get(ONE)
    assert listing is not None
    assert (listing.pack_units, listing.source) == (2, IMPORT)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("change", Change)
def test_an_illegal_change_changes_nothing(state: State, change: Change) -> None:
    listing = Listing(ONE, A, 1, "")
    listing.state = state
    legal = (state, change) in TRANSITIONS
    assert listing.step(change) is legal
    assert listing.state is (TRANSITIONS[state, change] if legal else state)


def test_a_listing_under_way_cannot_be_planned_again() -> None:
    assert (State.IN_FLIGHT, Change.PLANNED) not in TRANSITIONS


@pytest.mark.parametrize(
    ("verdict", "state", "owed"),
    [
        ("applied", State.ACCEPTED, False),
        ("accepted", State.ACCEPTED, False),
        ("unknown", State.DIRTY, True),
        ("not_sent", State.DIRTY, True),
        ("throttled", State.DIRTY, True),
        ("stale", State.DIRTY, True),
        ("superseded", State.DIRTY, True),
        ("locked", State.LOCKED, True),
        ("refused", State.REFUSED, True),
    ],
)
def test_each_verdict_has_its_own_next_step(verdict: str, state: State, owed: bool) -> None:
    listing = replay(mapped(), planned(1), settled(1, verdict)).get(ONE)
    assert listing is not None
    assert (listing.state, listing.owed) == (state, owed)


def test_versions_go_on_where_they_were_after_a_listing_was_dropped_and_mapped_again() -> None:
    """Lesson E1: a version is never used twice."""
    dropped = ListingDropped(at=NOON, account=SHOP, listing_id=ONE)
    listing = replay(mapped(), planned(1), planned(2), dropped, mapped("B")).get(ONE)
    assert listing is not None
    assert (listing.version, listing.sku, listing.owed) == (2, "B", True)


def test_a_push_recorded_before_its_mapping_keeps_its_version() -> None:
    listing = replay(planned(3), mapped()).get(ONE)
    assert listing is not None
    assert listing.version == 3


def test_an_answer_to_an_older_push_does_not_touch_the_newer_one() -> None:
    listings = replay(mapped(), planned(1), planned(2), settled(1, "refused"))
    listing = listings.get(ONE)
    assert listing is not None
    assert listing.state is State.IN_FLIGHT
    assert [push.verdict for push in listings.pushes(ONE)] == ["refused", ""]


def test_a_push_is_settled_once() -> None:
    listings = replay(mapped(), planned(1), settled(1, "applied"), settled(1, "unknown"))
    listing = listings.get(ONE)
    assert listing is not None
    assert (listing.state, listing.recorded, listing.owed) == (State.ACCEPTED, State.ACCEPTED, False)
    assert [push.verdict for push in listings.pushes(ONE)] == ["applied"]


def test_a_push_that_was_seen_before_its_answer_stood_in_the_journal_is_verified() -> None:
    seen = PushVerified(at=NOON, account=SHOP, listing_id=ONE, version=1, shown=5)
    listing = replay(mapped(), planned(1), seen, settled(1, "applied")).get(ONE)
    assert listing is not None
    assert (listing.state, listing.recorded) == (State.VERIFIED, State.VERIFIED)


def test_nothing_is_kept_of_a_listing_that_was_dropped_and_never_pushed_to() -> None:
    dropped = ListingDropped(at=NOON, account=SHOP, listing_id=ONE)
    never = replay(planned(1))
    assert [*replay(mapped(), dropped, planned(1)).state(NOON)] == [*never.state(NOON)]


def test_drift_is_counted_until_the_number_is_seen() -> None:
    drift = DriftFound(at=NOON, account=SHOP, listing_id=ONE, version=1, shown=9, expected=5)
    listings = replay(mapped(), planned(1), settled(1, "accepted"), drift)
    listing = listings.get(ONE)
    assert listing is not None
    assert (listing.state, listing.strikes, listing.owed) == (State.DIRTY, 1, True)
    for event in (
        planned(2),
        settled(2, "accepted"),
        PushVerified(at=NOON, account=SHOP, listing_id=ONE, version=2, shown=5),
    ):
        listings.apply(event)
    assert (listing.state, listing.strikes, listing.verified_quantity) == (State.VERIFIED, 0, 5)
    assert +listings.standings == {State.VERIFIED: 1}


def test_that_a_push_was_seen_may_stand_behind_the_next_push_in_the_journal() -> None:
    """Both were on their way at once: live and replay must count the same strikes."""
    drift = DriftFound(at=NOON, account=SHOP, listing_id=ONE, version=1, shown=9, expected=5)
    seen = PushVerified(at=NOON, account=SHOP, listing_id=ONE, version=2, shown=5)
    begun = (mapped(), planned(1), settled(1, "accepted"), drift, planned(2), settled(2, "accepted"))
    lived, replayed = replay(*begun, seen, planned(3)).get(ONE), replay(*begun, planned(3), seen).get(ONE)
    assert lived is not None
    assert replayed is not None
    assert lived.strikes == replayed.strikes == 0
    assert lived.recorded is replayed.recorded is State.IN_FLIGHT


def test_a_drift_that_was_seen_right_again_is_not_sent_again_after_a_restart() -> None:
    drift = DriftFound(at=NOON, account=SHOP, listing_id=ONE, version=1, shown=9, expected=5)
    seen = PushVerified(at=NOON, account=SHOP, listing_id=ONE, version=1, shown=5)
    listings = replay(mapped(), planned(1), settled(1, "accepted"), drift, seen)
    listings.recall()
    listing = listings.get(ONE)
    assert listing is not None
    assert (listing.state, listing.owed, listing.strikes) == (State.VERIFIED, False, 0)
    assert +listings.standings == {State.VERIFIED: 1}


def test_a_push_for_what_a_listing_sold_before_is_owed_again() -> None:
    """It was on its way into the journal when an import made the listing another one."""
    listing = replay(mapped(), planned(1), mapped("B"), planned(2)).get(ONE)
    assert listing is not None
    assert (listing.version, listing.owed) == (2, True)


def test_other_accounts_are_not_ours() -> None:
    listings = replay(AccountPaused(at=NOON, account=AccountId("other"), reason="no"))
    assert listings.paused is None


def test_what_is_remembered_of_pushes_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 10."""
    monkeypatch.setattr(listings_module, "HISTORIES_MAX", 2)
    listings = replay(*(planned(version) for version in range(1, 31)))
    assert [push.version for push in listings.pushes(ONE)] == list(range(31 - PUSHES_MAX, 31))
    for other in ("2", "3"):
        listings.apply(planned(1, listing=other))
    assert listings.pushes(ONE) == ()


def test_an_agenda_gives_the_lowest_rank_first_and_forgets_what_moved() -> None:
    agenda: Agenda[str] = Agenda()
    for turn in range(1000):
        agenda.put("a", (float(1000 - turn),))
        agenda.put("b", (500.0,))
    agenda.put("c", (0.0,))
    agenda.discard("c")
    assert len(agenda._heap) < 200  # moved keys leave nothing behind for long
    assert [agenda.pop((3.0,)), agenda.pop((3.0,)), agenda.pop(), agenda.pop()] == ["a", None, "b", None]


def test_a_batch_is_the_first_listing_and_its_companions() -> None:
    queue = BatchQueue()
    for rank, (listing, batch) in enumerate([("1", "x"), ("2", "y"), ("3", "x"), ("4", "x"), ("5", "x")]):
        queue.put(ListingId(listing), batch, (float(rank),))
    queue.put(ListingId("5"), "y", (9.0,))
    assert queue.take(2) == ["1", "3"]
    assert queue.take(9, (2.0,)) == ["2"]
    queue.discard(ListingId("4"))
    assert (queue.take(9), queue.take(9), queue.first(), len(queue)) == (["5"], [], None, 0)
