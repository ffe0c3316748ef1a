"""What the daemon's other owners know of the books: for the laws that the scanner checks between them."""

from collections.abc import Iterable, Mapping, Sequence

from config import schema
from engine.actors.directory import Directory
from engine.actors.journal import Journal
from engine.actors.order_desk import OrderDesk
from engine.actors.reader import JournalReader
from engine.actors.scanner import Listed, Scanner, Surroundings
from engine.actors.scanreport import ScanTerms
from engine.actors.shard import Shard
from engine.domain.audit.laws import Around, LineKnown
from engine.domain.catalogue.known_orders import OrderKey
from engine.domain.catalogue.sold import Order
from engine.domain.stock.places import Kind, Pools
from engine.domain.stock.records import DemandKey
from engine.domain.units import AccountId, HoldId, LineId, LocationId, Sku
from engine.ports import Clock
from ops.account import ChannelAccount


def build_scanner(
    settings: schema.Scan,
    surroundings: Surroundings,
    *,
    shards: Sequence[Shard],
    reader: JournalReader,
    journal: Journal,
    clock: Clock,
) -> Scanner:
    """Put the scanner of a node together."""
    return Scanner(
        [shard.ledger for shard in shards],
        surroundings,
        reader=reader,
        journal=journal,
        clock=clock,
        terms=ScanTerms(pass_seconds=settings.hours * 3600, share_max=settings.share_max),
    )


class NodeSurroundings:
    """Directory, order desk and listings of one node (`engine.actors.scanner.Surroundings`)."""

    def __init__(
        self,
        *,
        clock: Clock,
        kinds: Mapping[LocationId, Kind],
        directory: Directory,
        desk: OrderDesk,
        accounts: Mapping[AccountId, ChannelAccount],
    ) -> None:
        """Look at these."""
        self._clock = clock
        self._locations = frozenset(kinds)
        self._pools = Pools(kinds)
        self._directory = directory
        self._desk = desk
        self._accounts = accounts

    def around(self) -> Around:
        """Return what is known at this moment."""
        return Around(self._clock.now(), self._locations, self._knows_hold, _Lines(self._desk).find, self._pools)

    def listings(self) -> Iterable[Listed]:
        """Return every listing of every account."""
        return [
            (account.id, listing.listing_id, listing.sku)
            for account in self._accounts.values()
            for listing in account.pusher.listings()
        ]

    def _knows_hold(self, hold_id: HoldId) -> bool:
        return hold_id in self._directory


class _Lines:
    """Order lines as the desk knows them at one moment; finds each in O(1), however many an order has."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._found: dict[OrderKey, tuple[Order | None, dict[LineId, int]]] = {}
        """With the place of each line."""

    def find(self, sku: Sku, key: DemandKey) -> LineKnown | None:
        """Return what the desk knows of a line; None: the newest snapshot of its order may not have been decided."""
        account, order_id, line_id = key
        if self._desk.is_deciding((account, order_id)):
            return None
        order, places = self._order((account, order_id))
        if line_id.startswith("hold:"):
            # a hold that was sold without naming an order is no business of the desk
            return None if order is None else LineKnown((line_id, sku) in order.hold_lines, None)
        if order is None or order.snapshot is None:
            return LineKnown(known=False, open_units=None)
        snapshot = order.snapshot
        number = places.get(line_id)
        if number is None:
            return LineKnown(known=False, open_units=None)
        # what is kept for an unpaid order may have run out, and a bundle's line claims units of its components
        says = snapshot.held_until is None and order.skus[number] == sku
        pack = order.packs[number] if order.packs else 1
        return LineKnown(known=True, open_units=snapshot.lines[number].open_units * pack if says else None)

    def _order(self, key: OrderKey) -> tuple[Order | None, dict[LineId, int]]:
        found = self._found.get(key)
        if found is None:
            order = self._desk.orders.get(key)
            lines = () if order is None or order.snapshot is None else order.snapshot.lines
            found = self._found[key] = (order, {line.line_id: number for number, line in enumerate(lines)})
        return found
