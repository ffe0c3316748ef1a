"""IMPORT APPLY: staged rows through one decision over all books."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from engine.actors.router import Router
from engine.domain.commands import Refusal
from engine.domain.events import Event, ListingMapped, SkuAdded, StockAdjusted
from engine.domain.importing import ListingRow, Row, RowProblem, SkuRow, plan_import
from engine.domain.units import LocationId
from ops.account import ChannelAccount
from ops.socket.arguments import UNREADABLE

_ROWS = msgspec.json.Decoder(list[msgspec.Raw])
_ROW = msgspec.json.Decoder(Row)
_PROBLEMS_MAX = 10_000
"""An import with more problems than this is not a file that was mistyped but the wrong file."""


class Importer:
    """Takes catalogue, listings and opening stock: all rows or none, in one frame."""

    def __init__(self, router: Router, locations: Sequence[LocationId], accounts: Sequence[ChannelAccount]) -> None:
        """Import for these locations and accounts."""
        self._router = router
        self._locations = frozenset(locations)
        self._accounts = {account.id: account for account in accounts}

    async def apply(self, chunks: Sequence[bytes]) -> object:
        """Decide the staged rows.

        Returns:
            The counts of what changed, or a `Refusal` with every problem.
        """
        rows, problems = _read(chunks)
        if problems:
            return _bad_rows(problems)
        answer = await self._router.together(lambda now: self._decide(rows, now))
        if any(isinstance(row, SkuRow) for row in rows) and not isinstance(answer, Refusal):
            for account in self._accounts.values():
                account.pusher.resync()  # listings whose SKU did not exist until now
                account.intake.request_poll()  # and order lines
        return answer

    def _decide(self, rows: Sequence[Row], now: datetime) -> tuple[Sequence[Event], object]:
        plan = plan_import(
            rows,
            lambda sku: self._router.ledger_of(sku).books.get(sku),
            locations=self._locations,
            accounts=self._accounts,
            now=now,
        )
        if plan.problems:
            return (), _bad_rows(plan.problems)
        for event in plan.events:
            self._router.apply(event)
        noted = [
            event
            for sku in dict.fromkeys(event.sku for event in plan.events)
            for event in self._router.ledger_of(sku).watch(sku, None, now)
        ]
        mappings = [self._mapping(row) for row in plan.listings]
        mapped = [mapping for mapping in mappings if mapping is not None]
        counts = {
            "skus": sum(isinstance(event, SkuAdded) for event in plan.events),
            "listings": len(mapped),
            "stock": sum(isinstance(event, StockAdjusted) for event in plan.events),
        }
        return (*plan.events, *noted, *mapped), counts

    def _mapping(self, row: ListingRow) -> ListingMapped | None:
        return self._accounts[row.account].pusher.mapping(row.listing, row.sku, row.pack_units)


def _read(chunks: Sequence[bytes]) -> tuple[list[Row], list[RowProblem]]:
    rows: list[Row] = []
    problems: list[RowProblem] = []
    index = 0
    for chunk in chunks:
        try:
            raws = _ROWS.decode(chunk)
        except UNREADABLE as error:
            problems.append(RowProblem(row=index, field="", problem=f"not a list of rows: {error}"))
            continue
        for raw in raws:
            try:
                rows.append(_ROW.decode(raw))
            except UNREADABLE as error:
                what, _, where = str(error).partition(" - at `$.")
                problems.append(RowProblem(row=index, field=where.rstrip("`"), problem=what))
            index += 1
    return rows, problems


def _bad_rows(problems: Sequence[RowProblem]) -> Refusal:
    return Refusal(code="BADROWS", text=msgspec.json.encode(problems[:_PROBLEMS_MAX]).decode())
