"""Documents find the books of all their SKUs by their number, decided or not, and after a restart."""

from trio.testing import MockClock

from engine.actors.documents import Documents
from engine.actors.router import Waiter
from engine.domain.commands import EndPurchase, Moved, OrderPurchase, Receive, ReceiveTransfer, Refusal, SendTransfer
from engine.domain.events import PurchaseOrdered, PurchaseOrderEnded, TransferSent
from engine.domain.stock.book import Book
from engine.domain.stock.filing import Paper
from engine.domain.units import DocumentId, Key, Sku
from tests.fakes.books import HERE, THERE, A, B
from tests.fakes.clocks import HandClock
from tests.fakes.engine import Engine, skus_apart

PO, TRANSFER = DocumentId("po-1"), DocumentId("t-1")


def purchase(*lines: tuple[Sku, int], number: DocumentId = PO) -> OrderPurchase:
    return OrderPurchase(purchase_order=number, location=HERE, lines=tuple(sorted(lines)))


def transfer(*lines: tuple[Sku, int]) -> SendTransfer:
    return SendTransfer(transfer=TRANSFER, source=HERE, target=THERE, lines=tuple(sorted(lines)))


def close(number: DocumentId = PO) -> EndPurchase:
    return EndPurchase(purchase_order=number, cancelled=False)


async def test_an_order_is_closed_by_its_number_right_behind_itself(autojump_clock: MockClock) -> None:
    """Both are written in one go: the second is routed before the first is decided."""
    skus = skus_apart(3)
    async with Engine(shards=3).checked() as engine:
        await engine.stock(**dict.fromkeys(skus, 0))
        waiters = [Waiter(), Waiter()]
        await engine.router.submit(purchase(*((sku, 5) for sku in skus)), waiters[0])
        await engine.router.submit(close(), waiters[1])
        assert isinstance(await waiters[0].wait(), Moved)
        assert isinstance(await waiters[1].wait(), Moved)
        assert [engine.book(sku).position(HERE).incoming for sku in skus] == [0, 0, 0]


async def test_all_lines_of_a_document_are_one_frame(autojump_clock: MockClock) -> None:
    skus = skus_apart(3)
    async with Engine(shards=3).checked() as engine:
        await engine.stock(**dict.fromkeys(skus, 5))
        for command, kind in (
            (purchase(*((sku, 5) for sku in skus)), PurchaseOrdered),
            (transfer(*((sku, 2) for sku in skus)), TransferSent),
            (close(), PurchaseOrderEnded),
        ):
            await engine.ask(command)
            frames = [position for position, event in engine.events if isinstance(event, kind)]
            assert len(frames) == 3
            assert len(set(frames)) == 1


async def test_an_amended_order_meets_the_books_of_the_lines_it_had(autojump_clock: MockClock) -> None:
    one, other = skus_apart(2)
    async with Engine(shards=2).checked() as engine:
        await engine.stock(**{one: 0, other: 0})
        await engine.ask(purchase((one, 5)))
        await engine.ask(purchase((other, 3)))
        assert [engine.book(sku).position(HERE).incoming for sku in (one, other)] == [0, 3]
        assert engine.router.skus_of_document(PO) == (one, other)


async def test_a_transfer_of_other_skus_under_a_known_number_is_a_conflict(autojump_clock: MockClock) -> None:
    """Else each shard, knowing only its own, would send the same transfer once more."""
    one, other = skus_apart(2)
    async with Engine(shards=2).checked() as engine:
        await engine.stock(**{one: 5, other: 5})
        await engine.ask(transfer((one, 1)))
        answer = await engine.ask(transfer((other, 1)))
        assert isinstance(answer, Refusal)
        assert answer.text == f"transfer=t-1 was sent from here to there with {one} 1"
        assert engine.router.skus_of_document(TRANSFER) == (one,)


async def test_a_refused_document_leaves_no_trace(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=5)
        assert isinstance(await engine.ask(purchase((A, 1), (Sku("NOPE"), 1))), Refusal)
        assert isinstance(await engine.ask(transfer((A, 99))), Refusal)
        assert len(engine.documents) == 0
        assert await engine.ask(close()) == Refusal(code="NOSUCHPO", text="purchase_order=po-1")


async def test_a_document_that_waited_behind_a_refused_one_of_its_number_is_found(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=5, B=5)
        waiters = [Waiter(), Waiter(), Waiter()]
        await engine.router.submit(purchase((A, 1), (Sku("NOPE"), 1)), waiters[0])
        await engine.router.submit(purchase((A, 1), (B, 1)), waiters[1])
        await engine.router.submit(close(), waiters[2])
        answers = [await waiter.wait() for waiter in waiters]
        assert [type(answer) for answer in answers] == [Refusal, Moved, Moved]
        assert engine.book("B").position(HERE).incoming == 0


async def test_documents_are_found_after_a_restart(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=5, B=5)
        await engine.ask(purchase((A, 5), (B, 5)))
        await engine.ask(transfer((A, 2), (B, 2)))
        await engine.ask(ReceiveTransfer(key=Key("k"), transfer=TRANSFER, sku=A, quantity=1))
    successor = Engine(engine.store)
    await successor.replay()
    async with successor.checked():
        receipt = Receive(key=Key("r"), sku=A, location=HERE, quantity=2, purchase_order=PO)
        assert isinstance(await successor.ask(receipt), Moved)
        assert isinstance(await successor.ask(close()), Moved)
        assert isinstance(await successor.ask(transfer((A, 2), (B, 2))), Moved)
        here, there = successor.book("A").position(HERE), successor.book("A").position(THERE)
        assert (here.incoming, here.on_hand, there.in_transit, there.on_hand) == (0, 5, 1, 1)


async def test_a_document_that_every_book_has_forgotten_is_forgotten(autojump_clock: MockClock) -> None:
    clock = HandClock()
    async with Engine(clock=clock).running() as engine:
        await engine.stock(A=5)
        await engine.ask(purchase((A, 5)))
        await engine.ask(close())
        assert len(engine.documents) == 1
        clock.pass_seconds(181 * 86_400)
        await engine.ask(Receive(key=Key("wake"), sku=A, location=HERE, quantity=1))
        assert len(engine.documents) == 0


def test_only_skus_whose_books_know_a_document_stay_with_it() -> None:
    documents = Documents()
    key = (Paper.PURCHASE, PO)
    assert documents.note(key, (B, A)) == (A, B)
    assert documents.note(key, (A,)) == (A, B)
    documents.settle(key, lambda _: Book(A))
    assert documents.skus_of(key) == ()
    assert len(documents) == 0
