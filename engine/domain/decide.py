"""Decisions about stock: what a command makes of the books it names. Reads books, changes nothing."""

from datetime import datetime
from typing import assert_never

from engine.domain.commands import AddSku, Adjust, CommitHold, OpenStock, PlaceHold, Receive, ReleaseHold
from engine.domain.decision import Books, Decision
from engine.domain.holds import commit_hold, place_hold, release_hold
from engine.domain.movements import add_sku, adjust, open_stock, receive

Refusable = PlaceHold | CommitHold | ReleaseHold | Adjust | Receive | AddSku | OpenStock


def decide(books: Books, command: Refusable, now: datetime) -> Decision:
    """Decide one command that may be refused.

    Args:
        books: those of the SKUs that the command names or its hold id was first seen with, and no others. Holds that
            are due have been noted already.
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
        case Adjust():
            return adjust(books, command, now)
        case Receive():
            return receive(books, command, now)
        case AddSku():
            return add_sku(books, command, now)
        case OpenStock():
            return open_stock(books, command, now)
        case _:
            assert_never(command)
