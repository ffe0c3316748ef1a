"""Statements of a whole node, and of the owners that `tests/properties/test_state.py` does not know."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from engine.domain.catalogue.catalogue import Catalogue, decide_rename
from engine.domain.catalogue.items import NO_DETAILS, Barcode, Details
from engine.domain.catalogue.underway import Underway
from engine.domain.commands import Refusal
from engine.domain.events import (
    DemandSet,
    HoldCommitted,
    ImportDecided,
    ImportStaged,
    ItemDescribed,
    OversellCleared,
    OversellRecorded,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    SkuAdded,
    SkuMerged,
    StockReceived,
    TransferArrived,
    TransferSent,
    UnitsHeld,
)
from engine.domain.stated import Stateful, Statement
from engine.domain.stated.stock import EndedStated, OwedStated
from engine.domain.stock import incidents as incidents_room
from engine.domain.stock.incidents import Incidents
from engine.domain.stock.papers import Papers
from engine.domain.stock.records import History
from engine.domain.stock.stating_papers import PapersState
from engine.domain.units import DocumentId, Key, Sku
from ops.node import Node
from ops.recovery import catch_up
from ops.state import Restorer, digests, state
from tests.fakes.books import HERE, THERE, A, B
from tests.fakes.clocks import START
from tests.golden.recording import FOLDER, read_frames, recover

LATER = START + timedelta(minutes=3)
ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Statement)


def tell(owner: Stateful, said: Sequence[bytes]) -> None:
    """Let a new owner hear what another one said of itself."""
    for statement in said:
        owner.restore(DECODER.decode(statement))


def say(owner: Stateful) -> list[bytes]:
    return [ENCODER.encode(statement) for statement in owner.state(LATER)]


# -- the whole node


async def retell(node: Node) -> Node:
    """Return a new node that was told, through bytes, what this one says."""
    again = await recover([])
    restorer = Restorer(again)
    for section, statement in state(node, LATER):
        restorer.restore(section, [DECODER.decode(ENCODER.encode(statement))])
    return again


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.jsonl")))
async def test_a_node_that_is_told_what_another_says_says_the_same(autojump_clock: MockClock, name: str) -> None:
    """Every recorded journal, told whole to one node and half of it, as statements, to another."""
    frames = read_frames(name)
    node = await recover(frames)
    for cut in range(len(frames) + 1):
        again = await retell(await recover(frames[:cut]))
        again.journal.position = cut
        await catch_up(again, MemoryStore(frames))
        assert digests(again, LATER) == digests(node, LATER), f"stated behind frame {cut}"


# -- names


CODES = [Sku(letter) for letter in "ABCDEFG"]
NAMING = st.one_of(
    st.tuples(st.just("rename"), st.sampled_from(CODES[:3]), st.sampled_from(CODES)),
    st.tuples(st.just("merge"), st.sampled_from(CODES[:3]), st.sampled_from(CODES[:3])),
    st.tuples(st.just("describe"), st.sampled_from(CODES[:3]), st.sampled_from(("4006381333931", "96385074", ""))),
)


def name(catalogue: Catalogue, what: str, sku: Sku, other: str) -> object:
    """Let one thing happen to a catalogue, if it may; return what was decided."""
    gone = catalogue.codes.merged
    match what:
        case "rename":
            decided = decide_rename(catalogue, sku, Sku(other), by="ann", now=START)
            if decided is not None and not isinstance(decided, Refusal) and sku not in gone:
                catalogue.apply(decided)
            return decided
        case "merge" if sku not in gone and other not in gone and sku != other:
            catalogue.apply(SkuMerged(at=START, sku=sku, into=Sku(other), by="ann"))
        case "describe" if sku not in gone:
            # the other item keeps it in its details for now, as between two pieces of an import
            details = Details(barcodes=(Barcode(other),), category="cups") if other else NO_DETAILS
            catalogue.apply(ItemDescribed(at=START, sku=sku, details=details, by="ann"))
    return None


@given(steps=st.lists(NAMING, max_size=12), cut=st.integers(0, 12))
def test_a_catalogue_that_is_restored_names_things_as_the_first_one_does(
    steps: list[tuple[str, Sku, str]], cut: int
) -> None:
    """Lesson C6: no code is ever another SKU's, whenever the catalogue was written down and read again."""
    catalogue = Catalogue()
    for sku in CODES[:3]:
        catalogue.apply(SkuAdded(at=START, sku=sku, name=f"name of {sku}"))
    for step in steps[:cut]:
        name(catalogue, *step)
    again = Catalogue()
    tell(again, say(catalogue))
    assert say(again) == say(catalogue)
    for step in steps[cut:]:
        assert name(again, *step) == name(catalogue, *step)
        for word in (*CODES, "4006381333931", "96385074"):
            assert again.find(word) == catalogue.find(word), word
            assert again.codes.precedence(Sku(word)) == catalogue.codes.precedence(Sku(word)), word
        for sku in CODES[:3]:
            assert again.codes.aliases_of(sku) == catalogue.codes.aliases_of(sku)
            assert again.is_retired(sku) == catalogue.is_retired(sku)
            assert again.category_of(sku) == catalogue.category_of(sku)
    assert say(again) == say(catalogue)


# -- imports under way


@pytest.mark.parametrize("decided", [False, True])
def test_an_import_goes_on_where_it_was(decided: bool) -> None:
    underway = Underway()
    for piece in range(3):
        underway.apply(ImportStaged(at=START, number=7, piece=piece, packed=b"%d" % piece))
    if decided:
        underway.apply(ImportDecided(at=START, number=7, pieces=3, by="ann"))
    again = Underway()
    tell(again, say(underway))
    assert say(again) == say(underway)
    if not decided:
        again.apply(ImportDecided(at=START, number=7, pieces=3, by="ann"))
    assert (again.number, again.left, again.next_piece) == (7, 3, b"0")


# -- incidents


def test_an_incident_that_is_open_and_shown_no_more_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def incidents() -> Incidents:
        made = Incidents()
        made.newest = type(made.newest)(maxlen=2)
        return made

    monkeypatch.setattr(incidents_room, "INCIDENTS_MAX", 2)
    first = incidents()
    for number, sku in enumerate([A, B, A]):
        first.apply(
            OversellRecorded(
                at=START + timedelta(seconds=number),
                sku=sku,
                units=1,
                open_units=1,
                account=None,
                order_id=None,
                cause="lag",
            )
        )
    again = incidents()
    tell(again, say(first))
    assert say(again) == say(first)
    assert (len(again.newest), len(again.open[A, None]), again.units_total) == (2, 2, 3)
    for each in (first, again):
        each.apply(OversellCleared(at=LATER, sku=A))
    assert say(again) == say(first)
    assert again.newest[-1].cleared_at == LATER, "the one that is shown is the one that is open"


# -- papers


def test_documents_go_on_where_they_were() -> None:
    first = Papers()
    ordered = PurchaseOrdered(
        at=START, sku=A, purchase_order=DocumentId("po"), location=HERE, quantity=5, expected_at=LATER, supplier="Acme"
    )
    sent = TransferSent(
        at=START, sku=A, transfer=DocumentId("t"), source=HERE, target=THERE, quantity=3, on_hand=0, reason="full"
    )
    received = StockReceived(
        at=START, sku=A, key=Key("k"), location=HERE, quantity=2, on_hand=2, purchase_order=DocumentId("po")
    )
    ended = PurchaseOrderEnded(at=LATER, sku=A, purchase_order=DocumentId("po"), cancelled=False, reason="enough")
    arrived = TransferArrived(
        at=LATER, sku=A, key=Key("a"), transfer=DocumentId("t"), location=THERE, quantity=3, on_hand=3
    )
    other = msgspec.structs.replace(ordered, sku=B, purchase_order=DocumentId("next"))
    for event in (ordered, sent, received):
        first.apply(event)
    again = Papers()
    gone = PaperForgotten(at=LATER, sku=A, purchase_order=DocumentId("po"))
    anew = msgspec.structs.replace(ordered, sku=B)
    for later in (ended, arrived, other, gone, anew):
        again = Papers()
        tell(PapersState(again), say(PapersState(first)))
        for step in range(2):
            if step:
                first.apply(later)
                again.apply(later)
            assert say(PapersState(again)) == say(PapersState(first))
            assert (again.purchases.open, again.transfers.open) == (first.purchases.open, first.transfers.open)
            assert again.purchases.finished == first.purchases.finished
            assert again.transfers.finished == first.transfers.finished
    assert [(paper.number, list(paper.lines)) for paper in again.purchases.newest(3, also_finished=True)] == [
        (3, [B]),
        (2, [B]),
    ]


# -- books


def test_a_row_has_every_field_of_the_events_it_stands_for() -> None:
    """Whoever gives one of them a field gives it to the row, or a snapshot would lose what the journal has."""
    renamed = {"at", "sku"}
    held = set(UnitsHeld.__struct_fields__) | set(HoldCommitted.__struct_fields__)
    assert set(EndedStated.__struct_fields__) == held - renamed | {"held_at", "ended_at", "how", "buyer"}
    assert set(OwedStated.__struct_fields__) == set(DemandSet.__struct_fields__) - {"sku"}


def test_how_far_a_history_reaches_does_not_depend_on_when_it_forgot() -> None:
    keep, horizon = timedelta(seconds=30_000), START + timedelta(seconds=20_000)
    tidy, lazy = History(START), History(START)
    for second in range(40_000):
        at = START + timedelta(seconds=second)
        lazy.note(at, HERE, 1, timedelta(days=7), at)
        tidy.note(at, HERE, 1, keep, at)
        if second % 1000 == 0:
            tidy.prune(at - keep)
    assert tidy.after_pruning(horizon) == lazy.after_pruning(horizon)
    assert tidy.noted == lazy.noted
    assert len(lazy) < 16_384 + 64
