"""Incidents brought in step with the pools of today, once at the start: the configuration may have changed."""

from collections.abc import Sequence

import trio

from engine.actors.journal import Journal
from engine.domain.events import Event
from engine.domain.stock.ledger import Ledger
from engine.ports import Clock

_BOOKS_AT_ONCE = 4096
"""Between two checkpoints; about 10 ms."""


async def judge_again(ledgers: Sequence[Ledger], journal: Journal, clock: Clock) -> None:
    """Judge every book by the pools of its ledger, and put on record what the journal says otherwise.

    For when all of the journal is replayed and nobody has asked for a book yet. Returns when it is durable.
    """
    for ledger in ledgers:
        found: list[Event] = []
        for number, events in enumerate(ledger.judge_again(clock.now()), start=1):
            found += events
            if number % _BOOKS_AT_ONCE == 0:
                await _record(journal, found)
                found = []
        await _record(journal, found)


async def _record(journal: Journal, found: Sequence[Event]) -> None:
    if found:
        await journal.record(found)
    else:
        await trio.lowlevel.checkpoint()
