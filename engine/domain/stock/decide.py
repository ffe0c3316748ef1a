"""Decisions about stock: what a command makes of the books it names. Reads books, changes nothing."""

from datetime import datetime
from typing import assert_never

from engine.domain.commands import (
    AddSku,
    Adjust,
    ChangeState,
    CommitHold,
    Count,
    EndPurchase,
    LoseTransfer,
    Observe,
    OpenStock,
    OrderPurchase,
    PlaceHold,
    Reallocate,
    Receive,
    ReceiveTransfer,
    ReleaseHold,
    Return,
    SendTransfer,
)
from engine.domain.stock.book import Book
from engine.domain.stock.counts import count, observe
from engine.domain.stock.decision import Books, Decision, refuse
from engine.domain.stock.documents import end_purchase, lose_transfer, order_purchase, receive_transfer, send_transfer
from engine.domain.stock.holds import commit_hold, place_hold, release_hold
from engine.domain.stock.levels import reallocate
from engine.domain.stock.movements import add_sku, adjust, change_state, open_stock, receive, take_back
from engine.domain.stock.repeats import KeyedCommand, answer_as_before

Refusable = (
    PlaceHold
    | CommitHold
    | ReleaseHold
    | KeyedCommand
    | OrderPurchase
    | EndPurchase
    | SendTransfer
    | Reallocate
    | AddSku
    | OpenStock
)


def decide(books: Books, command: Refusable, now: datetime) -> Decision:
    """Decide one command that may be refused.

    Args:
        books: those of the SKUs that the command names or that its hold or document was first seen with, and no
            others. Holds that are due have been noted already.
        command: what is asked.
        now: the instant of the decision.
    """
    match command:
        case PlaceHold():
            return place_hold(books, command, now)
        case CommitHold():
            return commit_hold(books, command, now)
        case ReleaseHold():
            return release_hold(books, command, now)
        case OrderPurchase():
            return order_purchase(books, command, now)
        case EndPurchase():
            return end_purchase(books, command, now)
        case SendTransfer():
            return send_transfer(books, command, now)
        case Reallocate():
            return reallocate(books, command, now)
        case AddSku():
            return add_sku(books, command, now)
        case OpenStock():
            return open_stock(books, command, now)
        case _:
            return _decide_keyed(books, command, now)


def _decide_keyed(books: Books, command: KeyedCommand, now: datetime) -> Decision:
    """Decide a movement of one SKU, unless its key was seen before."""
    book = books.get(command.sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={command.sku}")
    before = answer_as_before(book, command)
    if before is not None:
        return Decision((), before)
    if book.merged_into is not None:
        return refuse("MERGED", f"sku={command.sku} was merged into {book.merged_into} meanwhile: repeat")
    if book.is_bundle and not _takes_off(book, command):
        return refuse("BUNDLE", f"sku={command.sku} has no stock of its own: move its components")
    match command:
        case Adjust():
            return adjust(book, command, now)
        case Receive():
            return receive(book, command, now)
        case Return():
            return take_back(book, command, now)
        case ChangeState():
            return change_state(book, command, now)
        case Count():
            return count(book, command, now)
        case Observe():
            return observe(book, command, now)
        case ReceiveTransfer():
            return receive_transfer(book, command, now)
        case LoseTransfer():
            return lose_transfer(book, command, now)
        case _:
            assert_never(command)


def _takes_off(book: Book, command: KeyedCommand) -> bool:
    """Whether it takes units away that came back of what was sold before the SKU was a bundle."""
    return isinstance(command, Adjust) and command.delta < 0 and book.on_hand_at(command.location) > 0
