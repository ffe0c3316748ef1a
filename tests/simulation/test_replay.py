"""`lastunit replay` over journals of a whole daemon: the truth is borne out, and no falsehood is."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import pytest
import trio

from adapters.store.memory import MemoryStore
from adapters.store.snapshots_memory import MemorySnapshots
from engine.domain.events import BooksCompared, Event, PushPlanned, RulesSet, StockAdjusted
from engine.domain.offers.rules import RuleBook
from engine.domain.units import EPOCH
from ops.node import Node
from ops.recovery import catch_up
from ops.replay.offers import LAG
from ops.replay.run import Asked, NoSuchSnapshot, Report
from ops.snapshots.taking import take
from ops.state import digests
from tests.fakes.pasts import Past, live_through

pytestmark = pytest.mark.slow

VERIFY = Asked(verify=True)


def quiet() -> Past:
    return live_through(1, 40.0)


def wild() -> Past:
    return live_through(3, 40.0, "all")


def replay(past: Past, asked: Asked = VERIFY, snapshots: MemorySnapshots | None = None) -> Report:
    return trio.run(past.replay, asked, snapshots)


async def kept_at(past: Past, *positions: int, harm: Callable[[Node], None] = lambda _node: None) -> MemorySnapshots:
    """Keep what a node knows at some frames, as a daemon that stops there does; `harm` its memory before."""
    snapshots, node, store = MemorySnapshots(), past.node(), MemoryStore(list(past.frames))
    for position in positions:
        await catch_up(node, store, until=position)
        harm(node)
        last = past.frames[position - 1]
        await take(node, last, last.written_at, "live", snapshots)
    return snapshots


def pushes(past: Past) -> list[tuple[int, PushPlanned]]:
    return [(position, event) for position, event in past.events() if isinstance(event, PushPlanned)]


# -- the truth


@pytest.mark.parametrize("past_of", [quiet, wild])
def test_every_push_and_every_book_that_was_noted_is_borne_out(past_of: Callable[[], Past]) -> None:
    past = past_of()
    report = replay(past)
    assert report.state is not None
    assert report.offers is not None
    assert (report.different, report.state.differences, report.offers.differences) == (0, (), ())
    assert report.offers.proved == report.offers.pushes == len(pushes(past)) > 50
    assert report.offers.unproved == {}
    assert report.position == len(past.frames)
    assert sum(report.kinds.values()) == report.events == len(past.events())


def test_living_books_are_borne_out_where_a_deep_scan_noted_them() -> None:
    marks = [event for _, event in wild().events() if isinstance(event, BooksCompared)]
    state = replay(wild()).state
    assert state is not None
    assert (state.marks, state.books) == (len(marks), sum(len(mark.books) for mark in marks))
    assert state.books > 0
    assert state.live


def test_says_how_much_was_taken_as_recorded() -> None:
    offers = replay(wild()).offers
    measured = sum(event.lag_seconds is not None for _, event in pushes(wild()))
    assert offers is not None
    assert offers.trusted.get(LAG, 0) == measured


# -- what is not true


def tamper(past: Past, change: Callable[[PushPlanned], PushPlanned | None], number: int = 20) -> tuple[int, Past]:
    """Change one push."""
    position, chosen = pushes(past)[number]

    def falsify(at: int, event: Event) -> Event | None:
        return change(chosen) if at == position and event == chosen else event

    return position, past.falsified(falsify)


def with_term(event: PushPlanned, term: str, value: str | None = None, rule: str | None = None) -> PushPlanned:
    terms = [
        (name, value if value is not None and name == term else was, rule if rule is not None and name == term else by)
        for name, was, by in event.terms
    ]
    return msgspec.structs.replace(event, terms=tuple(terms))


def one_more(event: PushPlanned) -> PushPlanned:
    return msgspec.structs.replace(event, quantity=event.quantity + 1)


def one_more_throughout(event: PushPlanned) -> PushPlanned:
    """Show one more by a buffer that nobody set: every line follows from those above it."""
    terms = dict(zip([term for term, _, _ in event.terms], [value for _, value, _ in event.terms], strict=True))
    found = with_term(one_more(event), "buffer", str(int(terms["buffer"]) - int(terms["pack"])))
    found = with_term(found, "packs", str(int(terms["packs"]) + 1))
    found = with_term(found, "zero below", "0") if "zero below" in terms else found
    return with_term(found, "offer", str(event.quantity + 1))


@pytest.mark.parametrize(
    ("change", "term"),
    [
        (one_more, "sum"),
        (lambda event: with_term(event, "share", rule="account nobody v9"), "share"),
        (lambda event: with_term(event, "cap", rule="default v99"), "cap"),
        (lambda event: msgspec.structs.replace(event, basis=event.basis - 1), "basis"),
        (lambda event: msgspec.structs.replace(event, sku="nothing"), "sku"),
        (lambda event: msgspec.structs.replace(event, listing_id="nowhere"), "pack"),
    ],
)
def test_names_a_push_that_is_not_what_the_journal_gives(
    change: Callable[[PushPlanned], PushPlanned], term: str
) -> None:
    position, past = tamper(wild(), change)
    offers = replay(past).offers
    assert offers is not None
    assert offers.different == 1
    (found,) = offers.differences
    assert (found.position, found.term) == (position, term)
    assert found.pushed != found.replayed


def test_a_sum_that_adds_up_is_not_enough() -> None:
    number = next(
        number
        for number, (_, event) in enumerate(pushes(wild()))
        if event.quantity > 0 and {term: value for term, value, _ in event.terms}["cap"] == "none"
    )
    position, past = tamper(wild(), one_more_throughout, number)
    offers = replay(past).offers
    assert offers is not None
    assert [(found.position, found.term) for found in offers.differences] == [(position, "buffer")]


def test_names_pushes_whose_stock_never_came() -> None:
    """A dropped event is missed by every push behind it."""
    position, dropped = next(
        (position, event)
        for position, event in quiet().events()
        if isinstance(event, StockAdjusted) and event.delta > 0
    )
    offers = replay(quiet().falsified(lambda _, event: None if event == dropped else event)).offers
    assert offers is not None
    assert offers.different > 0
    assert offers.differences[0].position > position
    assert offers.differences[0].term.startswith(("atp ", "component ", "basis"))


def test_names_pushes_by_rules_that_were_others() -> None:
    def stricter(_: int, event: Event) -> Event:
        if not isinstance(event, RulesSet):
            return event
        default = msgspec.structs.replace(event.rules.default, buffer=7, buffer_percent=None, buffer_from=None)
        return msgspec.structs.replace(event, rules=RuleBook(default=default))

    offers = replay(quiet().falsified(stricter)).offers
    assert offers is not None
    assert offers.different > 0


def test_names_a_book_that_was_another_one_in_memory() -> None:
    def forge(_: int, event: Event) -> Event:
        if not isinstance(event, BooksCompared) or not event.books:
            return event
        (sku, digest), *rest = event.books
        return msgspec.structs.replace(event, books=((sku, digest[::-1]), *rest))

    state = replay(wild().falsified(forge)).state
    assert state is not None
    assert state.different == state.marks > 0
    assert state.differences[0].section == "books"


def test_names_the_books_that_an_event_is_missing_from() -> None:
    """The daemon had the units in memory when it noted its books, and the journal has them no more."""
    marked = max(position for position, event in wild().events() if isinstance(event, BooksCompared) and event.books)
    dropped = next(
        event
        for position, event in wild().events()
        if isinstance(event, StockAdjusted) and event.delta > 0 and position < marked
    )
    state = replay(wild().falsified(lambda _, event: None if event == dropped else event)).state
    assert state is not None
    assert any(found.said.startswith(f"{dropped.sku}: fingerprint ") for found in state.differences)


# -- snapshots


def test_the_state_is_borne_out_at_every_snapshot_of_a_daemon_that_stopped() -> None:
    places = (len(wild().frames) // 3, len(wild().frames) // 2, len(wild().frames))
    report = replay(wild(), VERIFY, trio.run(kept_at, wild(), *places))
    assert report.state is not None
    assert [(each.position, each.origin, each.different) for each in report.state.snapshots] == [
        (place, "live", 0) for place in places
    ]


def test_names_the_section_and_the_statement_that_was_another_one_in_memory() -> None:
    def harm(node: Node) -> None:
        books = [book for shard in node.shards for book in shard.ledger.books.values() if book.positions]
        next(iter(books[0].positions.values())).on_hand += 1

    async def harmed() -> MemorySnapshots:
        return await kept_at(wild(), len(wild().frames), harm=harm)

    state = replay(wild(), VERIFY, trio.run(harmed)).state
    assert state is not None
    (found,) = state.differences
    assert (found.position, found.section) == (len(wild().frames), "books")
    assert found.said != found.replayed
    assert " at ." in found.said


def test_a_snapshot_of_another_journal_is_not_compared() -> None:
    snapshots = trio.run(kept_at, quiet(), 50)
    state = replay(wild(), VERIFY, snapshots).state
    assert state is not None
    assert state.snapshots == ()
    assert list(state.refused) == list(snapshots.by_name)


# -- from where, to where


def test_ends_where_it_is_told_to_with_what_was_known_there() -> None:
    frame = wild().frames[len(wild().frames) // 2]

    async def known() -> dict[str, str]:
        node = wild().node()
        await catch_up(node, MemoryStore(list(wild().frames)), until=frame.position)
        return digests(node, frame.written_at)

    by_position = replay(wild(), Asked(until=frame.position))
    by_instant = replay(wild(), Asked(until=frame.written_at))
    assert by_position.sections == trio.run(known)
    assert by_position.position == frame.position
    assert by_instant.position == max(each.position for each in wild().frames if each.written_at <= frame.written_at)


@pytest.mark.parametrize("verify", [False, True])
def test_begins_with_a_snapshot_and_comes_to_the_same(verify: bool) -> None:
    third, half = len(wild().frames) // 3, len(wild().frames) // 2
    snapshots = trio.run(kept_at, wild(), third, half)
    whole = replay(wild())
    for asked, began in ((0, half), (half, half), (half - 1, third)):
        report = replay(wild(), Asked(snapshot=asked, verify=verify), snapshots)
        assert (report.began, report.sections, report.different) == (began, whole.sections, 0)
    with pytest.raises(NoSuchSnapshot, match="lies behind"):
        replay(wild(), Asked(snapshot=third - 1), snapshots)


# -- other rules


def rules_of(past: Past) -> Sequence[RulesSet]:
    return [event for _, event in past.events() if isinstance(event, RulesSet)]


@pytest.mark.parametrize("seed", [3, 5, 6, 8])
def test_the_rules_that_were_in_force_differ_in_nothing(seed: int) -> None:
    past = live_through(seed, 40.0, "all")
    last = rules_of(past)[-1] if rules_of(past) else None
    since = EPOCH if last is None else last.at + timedelta(microseconds=1)
    found = replay(past, Asked(rules=RuleBook() if last is None else last.rules, since=since)).what_if
    assert found is not None
    assert found.rules == {}
    for sums in found.accounts.values():
        assert (sums.different, sums.not_sent, sums.added, sums.untold) == (0, 0, 0, 0)
        assert (sums.less_unit_hours, sums.more_unit_hours, sums.lines_at_risk, sums.prevented_units) == (0, 0, 0, 0)
    assert sum(sums.pushes for sums in found.accounts.values()) > 0


def test_a_cap_of_nothing_shows_nothing_sells_nothing_and_oversells_nothing() -> None:
    past = live_through(5, 60.0, "all")
    nothing = msgspec.convert({"default": {"cap": 0}}, RuleBook)
    found = replay(past, Asked(rules=nothing)).what_if
    assert found is not None
    for sums in found.accounts.values():
        assert sums.more_unit_hours == 0
        assert sums.prevented + sums.smaller + sums.same == sums.oversells
    sold = [sums.lines_at_risk for sums in found.accounts.values()]
    assert sum(sold) > 0
    shown = sum(event.quantity > 0 for _, event in pushes(past))
    assert sum(sums.different for sums in found.accounts.values()) == shown
    assert sum(found.rules.values()) == shown
