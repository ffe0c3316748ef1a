"""SNAPSHOT: what a partner (3PL, ERP, FBA) says it has of ours, many SKUs at once, each with its own verdict.

A SKU that is not mentioned is not touched: unknown is not zero (lesson E9). A feed in which much falls to zero at once
is a broken feed until somebody says otherwise (DESIGN.md law 8, lesson I2).
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, cast

import structlog
import trio

from engine.actors.router import Waiter
from engine.domain.commands import Moved, Observe, Observed, Refusal, TakeSnapshot
from engine.domain.events import SnapshotFused, StockObserved
from engine.domain.partition import shard_of
from engine.domain.stock.snapshots import Fuse, count_falls
from engine.domain.units import Sku
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

_ROWS_AT_ONCE: Final = 100
"""Rows that a shard decides in one step, some two milliseconds, before others get their turn."""
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
    told = [
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
    ]
    if "FORCE" not in found:
        await _check_fuse(node, told)
    verdicts = await _observe(node, told)
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


async def _check_fuse(node: Node, told: Sequence[Observe]) -> None:
    """Refuse a snapshot in which too much falls to zero, and put that on record.

    Raises:
        ErrorReply: FUSE; or STALLED, where that cannot be recorded.
    """
    resolve = node.catalogue.codes.resolve
    suspects = sorted({resolve(row.sku) for row in told if row.quantity == 0})
    fuse = Fuse(node.settings.stock.fuse_zero_share, node.settings.stock.fuse_zero_rows_min)
    if not fuse.blows(len(suspects), len(told)):
        return
    first, looked = told[0], Waiter()
    await node.router.look_at(suspects, lambda books, now: (count_falls(books, first), now), looked)
    falls, now = cast("tuple[int, datetime]", await looked.wait())
    if not fuse.blows(falls, len(told)):
        return
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
    fused = SnapshotFused(
        at=now,
        key=first.key,
        location=first.location,
        source=first.source,
        as_of=first.as_of,
        rows=len(told),
        falling=falls,
        share_max=fuse.share_max,
        rows_min=fuse.rows_min,
        by=first.by,
        reference=first.reference,
    )
    await node.journal.record([fused])
    log.warning("snapshot.fused", location=fused.location, source=fused.source, falling=falls, rows=fused.rows)
    raise ErrorReply(
        "FUSE",
        f"location={fused.location} source={fused.source}: {falls} of {fused.rows} rows fall to zero"
        f" (more than {fuse.share_max:.0%} and at least {fuse.rows_min} is a broken feed until somebody has looked);"
        " nothing was applied. If it is true, send it with FORCE",
    )


async def _observe(node: Node, told: Sequence[Observe]) -> list[View]:
    """Hand the rows to their SKUs' owners; return the verdicts in the order of the rows."""
    resolve, shards = node.catalogue.codes.resolve, len(node.shards)
    owned: dict[int, list[int]] = {}
    for number, row in enumerate(told):
        owned.setdefault(shard_of(resolve(row.sku), shards), []).append(number)
    waiters: list[tuple[Sequence[int], Waiter]] = []
    for numbers in owned.values():
        for start in range(0, len(numbers), _ROWS_AT_ONCE):
            some, waiter = numbers[start : start + _ROWS_AT_ONCE], Waiter()
            waiters.append((some, waiter))
            await node.router.submit(TakeSnapshot(rows=tuple([told[number] for number in some])), waiter)
            await trio.lowlevel.checkpoint()
    views: dict[int, View] = {}
    for these, waiter in waiters:
        answer = await waiter.wait()
        verdicts = answer.verdicts if isinstance(answer, Observed) else (answer,) * len(these)
        views |= {number: _verdict(told[number], verdict) for number, verdict in zip(these, verdicts, strict=True)}
    return [views[number] for number in range(len(told))]


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
