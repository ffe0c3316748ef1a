"""Tables for reading beside the engine that they must agree with."""

import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from adapters.store.claims import Claim, Summary
from adapters.store.memory import MemoryStore
from engine.actors.journal import encode_events
from engine.domain.events import Event
from engine.domain.offers.demand import Demand
from engine.domain.offers.sales import WINDOW_DAYS
from engine.domain.reading.reading import TABLES
from engine.domain.reading.rows import moment
from engine.domain.stock.book import Book, units_of
from engine.ports import Frame
from ops.node import Node
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

FIGURES = (
    "on_hand", "committed", "reserved", "unavailable", "quality_hold", "damaged", "display", "safety_stock",
    "incoming", "in_transit",
)  # fmt: skip

LEVELS = ("committed", "reserved", "shipped", "returned")


class MemorySource(MemoryStore):
    """A journal in memory as `ops.storetool.Source` has it; frames may come while it is read."""

    place = "memory"

    async def claims(self, limit: int) -> list[Claim]:
        raise NotImplementedError

    async def summary(self) -> Summary:
        last = self.frames[-1] if self.frames else None
        return Summary(
            frames=len(self.frames), last_at=last.written_at if last else None, stored_bytes=0, schema_version=1
        )


def frames_of(batches: Iterable[Sequence[Event]]) -> list[Frame]:
    """Return the frames of a journal, a second apart."""
    return [
        Frame(position=position, written_at=START + timedelta(seconds=position), payload=encode_events(list(events)))
        for position, events in enumerate(batches, start=1)
    ]


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask as people do: with a connection of one's own."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, values).fetchall()


def dump(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all that the tables hold."""
    return {name: rows(path, f'SELECT * FROM "{name}"') for name in [*(each.name for each in TABLES), "progress"]}


def compare(path: Path, node: Node) -> None:
    """Hold the tables against a node that has replayed the same frames."""
    books = [book for shard in node.shards for book in shard.ledger.books.values()]
    compare_books(path, books)
    incidents = [
        (each.recorded.sku, each.recorded.units, each.recorded.cause, each.cleared_at and moment(each.cleared_at))
        for each in node.incidents.newest
    ]
    query = "SELECT sku, units, cause, cleared_at FROM incidents ORDER BY position, number"
    assert rows(path, query) == incidents
    orders = {
        key: moment(each.snapshot.modified_at) for key, each in node.desk.orders.items() if each.snapshot is not None
    }
    assert {row[:2]: row[2] for row in rows(path, "SELECT account, order_id, modified_at FROM orders")} == orders
    versions = {
        offer.listing: (book.sku, offer.version)
        for book in books
        for offer in node.accounts[SHOP].pusher.offers_of(book.sku)
    }
    query = """
        SELECT listing_id, sku, (SELECT coalesce(max(version), 0) FROM pushes
            WHERE pushes.account = listings.account AND pushes.listing_id = listings.listing_id)
        FROM listings WHERE dropped_at IS NULL
    """
    assert {row[0]: row[1:] for row in rows(path, query)} == versions
    compare_demand(path, node.offers.demand)
    compare_days(path, node.offers.demand)


def compare_books(path: Path, books: Collection[Book]) -> None:
    """Sums of the ledger are the books' figures; what is held, owed and expected is so in them."""
    figures = {
        (book.sku, location): tuple(getattr(position, name) for name in FIGURES)
        for book in books
        for location, position in book.positions.items()
        if any(getattr(position, name) for name in FIGURES)
    }
    sums = ", ".join(f"sum({name})" for name in FIGURES)
    ledger = rows(path, f"SELECT sku, location, {sums} FROM ledger GROUP BY sku, location")
    stock = rows(path, f"SELECT sku, location, {', '.join(FIGURES)} FROM stock")
    for found in (ledger, stock):
        assert {row[:2]: row[2:] for row in found if any(row[2:])} == figures

    sellable = {book.sku for book in books if units_of(book.levels()) > 0}
    assert {sku for (sku,) in rows(path, "SELECT sku FROM stocked WHERE until_at IS NULL")} == sellable

    held = {(hold, book.sku): dict(grant.parts) for book in books for hold, grant in book.holds.items()}
    found_held = rows(path, "SELECT hold_id, sku, places, units FROM holds WHERE state = 'open'")
    assert {row[:2]: msgspec.json.decode(row[2]) for row in found_held} == held
    assert all(units == sum(held[hold, sku].values()) for hold, sku, _, units in found_held)

    owed: dict[tuple[str, ...], list[int]] = {}
    for book in books:
        for key, demand in book.demand.items():
            for place, name in enumerate(LEVELS):
                for location, units in getattr(demand, name):
                    owed.setdefault((book.sku, *key, location), [0] * len(LEVELS))[place] += units
    query = f"SELECT sku, account, order_id, line_id, location, {', '.join(LEVELS)} FROM allocations"
    assert {row[:5]: list(row[5:]) for row in rows(path, query)} == owed
    compare_papers(path, books)


def compare_papers(path: Path, books: Collection[Book]) -> None:
    """Lines that are not forgotten are those that the books know; of a number they are of one document."""
    ordered = {
        (number, book.sku): (line.ordered.location, line.ordered.quantity, line.received, line.ended is not None)
        for book in books
        for number, line in book.records.purchases.items()
    }
    query = "SELECT purchase_order, sku, location, ordered, received, ended_at IS NOT NULL FROM purchase_lines"
    known = "WHERE forgotten_at IS NULL"
    assert {row[:2]: row[2:] for row in rows(path, f"{query} {known}")} == ordered
    sent = {
        (number, book.sku): (line.sent.quantity, line.arrived, line.lost)
        for book in books
        for number, line in book.records.transfers.items()
    }
    query = "SELECT transfer, sku, sent, arrived, lost FROM transfer_lines"
    assert {row[:2]: row[2:] for row in rows(path, f"{query} {known}")} == sent
    for lines in ("purchase_order AS number, position FROM purchase_lines", "transfer, position FROM transfer_lines"):
        numbers = [number for number, _ in rows(path, f"SELECT DISTINCT {lines} {known}")]
        assert len(set(numbers)) == len(numbers)


def compare_demand(path: Path, demand: Demand) -> None:
    """Units by SKU, account and day are those of the projection that buffers go by."""
    today = demand._today()
    sold: Any = demand._facts(today)[0]
    expected: dict[tuple[str, str, int], list[int]] = {}
    for (sku, day, (account, within)), units in sold.items():
        both = expected.setdefault((sku, account, day), [0, 0])
        both[0] += units
        both[1] += units if within else 0
    found = {
        (sku, account, date.fromisoformat(day).toordinal()): [units, bundled]
        for sku, account, day, units, bundled in rows(path, "SELECT * FROM demand")
    }
    assert {key: units for key, units in found.items() if key[2] > today - WINDOW_DAYS} == expected


def compare_days(path: Path, demand: Demand) -> None:
    """Days on which a SKU could be bought are those of the projection; one that was merged keeps its own."""
    today = demand._today()
    merges = rows(path, "SELECT sku, merged_into FROM skus WHERE merged_into IS NOT NULL")
    merged = {sku for pair in merges for sku in pair}
    found: dict[str, set[int]] = {}
    for sku, since, until in rows(path, "SELECT sku, since_at, until_at FROM stocked"):
        begun = datetime.fromisoformat(since).toordinal()
        ended = today if until is None else datetime.fromisoformat(until).toordinal()
        found.setdefault(sku, set()).update(range(max(begun, today - WINDOW_DAYS + 1), ended + 1))
    stocked: Any = demand._facts(today)[1]
    expected = {
        sku: {today - ago for ago in range(WINDOW_DAYS) if bits >> ago & 1} for sku, (bits, _) in stocked.items()
    }
    for facts in (found, expected):
        for sku in [sku for sku, days in facts.items() if not days or sku in merged]:
            del facts[sku]
    assert found == expected
