"""SNAPSHOT: what a partner (3PL, ERP, FBA) says it has of ours, many SKUs at once, each with its own verdict.

A SKU that is not mentioned is not touched: unknown is not zero (lesson E9). A feed in which much falls to zero at once
is a broken feed until somebody says otherwise (DESIGN.md law 8, lesson I2).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
import trio

from config.schema import Stock
from engine.actors.router import Waiter
from engine.domain.commands import Moved, Observe, Refusal
from engine.domain.events import StockObserved
from engine.domain.stock.book import Book
from engine.domain.units import Key, LocationId, Sku
from ops.node import Node
from ops.sizes import SNAPSHOT_ROWS_MAX
from ops.socket import arguments as read
from ops.socket import options
from ops.socket.command import Arguments
from ops.socket.options import WHO
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session

log = structlog.get_logger(__name__)

Row = tuple[Sku, int]
View = dict[str, Any]

_ROWS_PER_TURN: Final = 100
"""Rows handed to the shards before others get their turn: a feed must not delay holds."""
_OPTIONS: Final = {"AS_OF": 1, "NETS": 1, "FORCE": 0, **WHO}


async def snapshot(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """SNAPSHOT."""
    location = node.names.location(read.location_id(arguments[2]))
    source = read.identifier("source", arguments[3])
    found, rows = options.options_and_lines(arguments, 4, _OPTIONS, least=0, lines_max=SNAPSHOT_ROWS_MAX)
    for name, example in (("AS_OF", "AS_OF 2026-11-11T12:00:00Z"), ("NETS", "NETS yes or NETS no")):
        if name not in found:
            raise ErrorReply("BADARG", f"{name} is missing: say {example}")
    nets = options.yes_or_no("nets", found["NETS"][0])
    as_of = options.instant("as_of", found["AS_OF"][0], node.clock.now())
    key, by, reference = read.key(arguments[1]), options.who(found, session), options.text(found, "REF")
    _check_named_once(rows)
    if "FORCE" not in found:
        await _check_fuse(node, key, location, source, rows, nets=nets)
    verdicts = await _observe(
        node,
        [
            Observe(
                key=key,
                sku=sku,
                location=location,
                source=source,
                quantity=quantity,
                as_of=as_of,
                nets_open_orders=nets,
                by=by,
                reference=reference,
            )
            for sku, quantity in rows
        ],
    )
    counts = Counter(verdict["outcome"] for verdict in verdicts)
    reply.give(
        {
            "key": key,
            "location": location,
            "source": source,
            "as_of": as_of,
            **{outcome: counts[outcome] for outcome in ("applied", "stale", "unknown_sku", "refused")},
            "rows": verdicts,
        }
    )


def _check_named_once(rows: Sequence[Row]) -> None:
    seen: set[Sku] = set()
    for sku, _ in rows:
        if sku in seen:
            raise ErrorReply("BADARG", f"sku={sku}: stands in the snapshot twice; which of them is true?")
        seen.add(sku)


async def _check_fuse(
    node: Node, key: Key, location: LocationId, source: str, rows: Sequence[Row], *, nets: bool
) -> None:
    """Refuse a snapshot in which too much falls to zero.

    Raises:
        ErrorReply: FUSE.
    """
    resolve = node.catalogue.codes.resolve
    suspects = sorted({resolve(sku) for sku, quantity in rows if quantity == 0})
    settings = node.settings.stock
    if not _is_too_much(len(suspects), len(rows), settings):
        return
    looked = Waiter()
    await node.router.look_at(suspects, lambda books, _now: _count_falls(books, key, location, nets=nets), looked)
    falls = await looked.wait()
    if isinstance(falls, int) and _is_too_much(falls, len(rows), settings):
        log.warning("snapshot.fused", location=location, source=source, falling=falls, rows=len(rows))
        share = f"more than {settings.fuse_zero_share:.0%} and at least {settings.fuse_zero_rows_min}"
        raise ErrorReply(
            "FUSE",
            f"location={location} source={source}: {falls} of {len(rows)} rows fall to zero ({share} is a broken feed"
            " until somebody has looked); nothing was applied. If it is true, send it with FORCE",
        )


def _is_too_much(falls: int, rows: int, settings: Stock) -> bool:
    return falls >= settings.fuse_zero_rows_min and falls > settings.fuse_zero_share * rows


def _count_falls(books: Mapping[Sku, Book], key: Key, location: LocationId, *, nets: bool) -> int:
    """Count the books that have units there which the partner says are gone; with `nets`, beyond what is owed.

    A book that knows the key has taken this snapshot already: its row is answered as the first time.
    """
    new = [book for book in books.values() if key not in book.movements]
    positions = [book.positions[location] for book in new if location in book.positions]
    return sum(position.on_hand - (position.committed if nets else 0) > 0 for position in positions)


async def _observe(node: Node, commands: Sequence[Observe]) -> list[View]:
    """Hand each row to its SKU's owner; return the verdicts in the order of the rows."""
    waiters: list[Waiter] = []
    for number, command in enumerate(commands, 1):
        waiter = Waiter()
        waiters.append(waiter)
        await node.router.submit(command, waiter)
        if number % _ROWS_PER_TURN == 0:
            await trio.lowlevel.checkpoint()
    return [_verdict(command, await waiter.wait()) for command, waiter in zip(commands, waiters, strict=True)]


def _verdict(command: Observe, answer: object) -> View:
    match answer:
        case Moved(movements=(StockObserved() as event, *_)):
            return _row(command, "applied", event.delta, event.on_hand)
        case Refusal(code="STALE", text=text):
            return _row(command, "stale", problem=text)
        case Refusal(code="NOSUCHSKU"):
            return _row(command, "unknown_sku", problem=f"NOSUCHSKU sku={command.sku}")
        case Refusal(code=code, text=text):
            return _row(command, "refused", problem=f"{code} {text}")
        case _:
            raise AssertionError(f"no answer to a snapshot: {answer!r}")


def _row(
    command: Observe, outcome: str, delta: int | None = None, on_hand: int | None = None, problem: str | None = None
) -> View:
    return {
        "sku": command.sku,
        "outcome": outcome,
        "quantity": command.quantity,
        "delta": delta,
        "on_hand": on_hand,
        "problem": problem,
    }
