"""The composition root: every actor made and joined, and the questions the command socket asks of all of them."""

import heapq
import random
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Protocol

import msgspec
import structlog
import trio

from config import schema
from engine.actors.journal import Journal, JournalListener
from engine.actors.mailbox import Mailbox
from engine.actors.order_desk import Account, DeskListener, Order, OrderDesk, OrderKey
from engine.actors.projections import Projections
from engine.actors.router import Router
from engine.actors.shard import Directory, Shard, ShardListener
from engine.domain.availability import Availability
from engine.domain.events import Event, ListingMapped, OversellCleared, OversellRecorded
from engine.domain.incidents import Incidents
from engine.domain.ledger import Ledger
from engine.domain.orders import OrderSnapshot
from engine.domain.partition import shard_of
from engine.domain.units import DIRECT, EPOCH, AccountId, LocationId, Sku, check_identifier
from engine.machines.listings import IMPORT
from engine.ports import Channel, Clock, Store
from ops.account import AccountListener, ChannelAccount, DirectAccount
from ops.importer import Importer
from ops.socket.resp import OK, ErrorReply

log = structlog.get_logger(__name__)

IMPORT_BYTES_MAX = 256 << 20
"""Most that one IMPORT may stage: some millions of rows."""


class NodeListener(JournalListener, ShardListener, DeskListener, AccountListener, Protocol):
    """All that the engine reports."""

    def committed(self, event: Event) -> None:
        """Report one durable event of those that operators count: oversells and their end."""
        ...


class Node:
    """One daemon's engine; the socket and the tests talk to it."""

    def __init__(
        self,
        settings: schema.Settings,
        store: Store,
        *,
        clock: Clock,
        rng: random.Random,
        channels: Mapping[AccountId, tuple[str, Channel]],
        listener: NodeListener,
        version: str,
        metrics_text: Callable[[], str],
    ) -> None:
        """Make everything; nothing runs and nothing is replayed yet.

        Args:
            settings: all of them.
            store: already ours.
            clock: the time.
            rng: jitter.
            channels: kind and channel of every configured account.
            listener: telemetry.
            version: of the program, for INFO.
            metrics_text: METRICS' reply.
        """
        self.settings = settings
        self.limits = settings.limits
        self.import_bytes_max = IMPORT_BYTES_MAX
        self.clock = clock
        self.metrics_text = metrics_text
        self.incidents = Incidents()
        self.ready = False
        self.shutdown_wanted = trio.Event()
        self.shutdown_reason = ""
        self.locations = tuple(LocationId(location.id) for location in settings.locations)
        self._version = version
        self._listener = listener
        self._started = trio.current_time()
        self.projections = Projections()
        self.journal = Journal(
            store,
            clock,
            entries_max=settings.limits.commit_entries_max,
            waiting_max=2 * settings.limits.commit_entries_max,
            stall_seconds_max=settings.store.stall_seconds_max,
            listener=listener,
            projections=self.projections,
        )
        self.directory: Directory = {}
        self.shards = self._make_shards(listener)
        self.router = Router(self.shards, self.directory, self.journal)
        self.accounts = self._make_accounts(channels, rng, listener)
        everyone: dict[AccountId, Account] = {DIRECT: DirectAccount(self.locations)}
        everyone |= {account.id: account.pusher for account in self.accounts.values()}
        self.desk = OrderDesk(
            router=self.router,
            journal=self.journal,
            clock=clock,
            accounts=everyone,
            listener=listener,
            mailbox_max=settings.limits.mailbox_max,
        )
        for account in self.accounts.values():
            account.listen_to(self.desk)
        self.importer = Importer(self.router, self.locations, tuple(self.accounts.values()))
        self._keep_projections()

    def _keep_projections(self) -> None:
        """Say who keeps which events; what owners decide on they apply themselves and replay in `ops.recovery`."""
        oversells = (OversellRecorded, OversellCleared)
        self.projections.add(oversells, lambda _position, event: self.incidents.apply(event))
        self.projections.add(oversells, lambda _position, event: self._listener.committed(event), replayed=False)
        self.projections.add(oversells, lambda _position, event: _tell(event), replayed=False)
        self.projections.add((ListingMapped,), self._take_mapping, replayed=False)

    def _take_mapping(self, _position: int, event: ListingMapped) -> None:
        if event.source == IMPORT:  # what a pusher matched by itself it has taken in already
            self.accounts[event.account].pusher.apply(event)

    def _make_accounts(
        self, channels: Mapping[AccountId, tuple[str, Channel]], rng: random.Random, listener: NodeListener
    ) -> dict[AccountId, ChannelAccount]:
        accounts: dict[AccountId, ChannelAccount] = {}
        for each in self.settings.accounts:
            kind, channel = channels[AccountId(each.id)]
            accounts[AccountId(each.id)] = ChannelAccount(
                each,
                self.settings.offers,
                self.limits,
                kind=kind,
                channel=channel,
                router=self.router,
                journal=self.journal,
                clock=self.clock,
                rng=rng,
                listener=listener,
            )
        return accounts

    def _make_shards(self, listener: ShardListener) -> list[Shard]:
        limits, count = self.settings.limits, self.settings.node.shards
        ledgers = [
            Ledger(remembered_seconds=limits.remembered_seconds, remembered_max=max(1, limits.remembered_max // count))
            for _ in range(count)
        ]
        return [
            Shard(
                index,
                ledger=ledger,
                owner=lambda sku: ledgers[shard_of(sku, count)],
                directory=self.directory,
                journal=self.journal,
                clock=self.clock,
                outlet=self,
                listener=listener,
                mailbox_max=limits.mailbox_max,
            )
            for index, ledger in enumerate(ledgers)
        ]

    # -- running

    async def run_journal(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit what the actors decide; returns when the journal was closed and all of it is durable."""
        await self.journal.run(task_status=task_status)

    async def run_actors(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run shards and order desk until cancelled, inside a running journal."""
        async with trio.open_nursery() as actors:
            for shard in self.shards:
                await actors.start(shard.run)
            await actors.start(self.desk.run)
            task_status.started()

    async def run_accounts(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Push and listen until cancelled, inside running actors; who is told of webhooks should be up by now."""
        async with trio.open_nursery() as accounts:
            self._tell_all_availability()
            for account in self.accounts.values():
                await accounts.start(account.run)
            self.ready = True
            task_status.started()

    def unknown_locations(self) -> dict[LocationId, int]:
        """Return locations that have stock or owe it but are not configured, with the number of SKUs."""
        found: dict[LocationId, int] = {}
        for shard in self.shards:
            for book in shard.ledger.books.values():
                for location, position in book.positions.items():
                    if location not in self.locations and position.in_use:
                        found[location] = found.get(location, 0) + 1
        return found

    def _tell_all_availability(self) -> None:
        """Tell pushers every level once: what they have not heard of they do not push."""
        position = self.journal.position
        for shard in self.shards:
            for sku, book in shard.ledger.books.items():
                self.availability(
                    Availability(sku=sku, position=position, atp=book.levels(), changed_at=self.clock.now())
                )

    def request_shutdown(self, reason: str) -> None:
        """Ask whoever runs the node to end it."""
        self.shutdown_reason = reason
        self.shutdown_wanted.set()

    # -- what is durable (`engine.actors.shard.Outlet`)

    def availability(self, availability: Availability) -> None:
        """Pass the newest level of a SKU on to every account."""
        for account in self.accounts.values():
            account.pusher.availability(availability)

    # -- what commands need to know

    def account(self, account_id: AccountId) -> ChannelAccount:
        """Return a channel account.

        Raises:
            ErrorReply: NOSUCHACCOUNT.
        """
        account = self.accounts.get(account_id)
        if account is None:
            raise self._no_such_account(account_id)
        return account

    def check_account(self, account_id: AccountId) -> None:
        """Raise NOSUCHACCOUNT unless orders of this account may exist."""
        if account_id != DIRECT and account_id not in self.accounts:
            raise self._no_such_account(account_id)

    def location(self, location: LocationId) -> LocationId:
        """Return a location that the configuration has.

        Raises:
            ErrorReply: NOSUCHLOCATION.
        """
        if location not in self.locations:
            raise ErrorReply("NOSUCHLOCATION", f"location={location} (known: {', '.join(self.locations)})")
        return location

    def locations_of(self, account_id: AccountId) -> tuple[LocationId, ...]:
        """Return where an account sells from."""
        self.check_account(account_id)
        return self.locations if account_id == DIRECT else self.accounts[account_id].locations

    def _no_such_account(self, account_id: AccountId) -> ErrorReply:
        known = ", ".join(sorted((*self.accounts, DIRECT)))
        return ErrorReply("NOSUCHACCOUNT", f"account={account_id} (known: {known})")

    def check_identifiers(self, snapshot: OrderSnapshot) -> None:
        """Raise BADARG when an id in a snapshot cannot be used."""
        named = chain(
            [("order_id", snapshot.order_id)],
            (("line_id", line.line_id) for line in snapshot.lines),
            (("sku", line.sku) for line in snapshot.lines if line.sku is not None),
        )
        for what, value in named:
            problem = check_identifier(what, value)
            if problem is not None:
                raise ErrorReply("BADARG", problem)

    def newest_orders(self, account: AccountId | None, limit: int) -> list[tuple[OrderKey, Order]]:
        """Return the orders that changed last at their channels."""
        orders = ((key, order) for key, order in self.desk.orders.items() if account in {None, key[0]})
        return heapq.nlargest(
            limit,
            orders,
            key=lambda item: (item[1].snapshot.modified_at if item[1].snapshot is not None else EPOCH, item[0]),
        )

    def offer_views(
        self, sku: Sku, account: AccountId | None = None, *, explained: bool = False
    ) -> list[dict[str, Any]]:
        """Return what each account is told of a SKU; with every term and the last pushes when `explained`."""
        views: list[dict[str, Any]] = []
        for each in self.accounts.values():
            if account not in {None, each.id}:
                continue
            for offer in each.pusher.offers_of(sku):
                view = msgspec.structs.asdict(offer)
                terms, pushes = view.pop("terms"), view.pop("pushes")
                if explained:
                    view["terms"] = [{"term": term, "value": value, "rule": rule} for term, value, rule in terms]
                    view["pushes"] = [msgspec.structs.asdict(push) for push in pushes]
                views.append(view)
        return views

    def channel_views(self) -> list[dict[str, Any]]:
        """CHANNEL LIST."""
        return [
            {"account": account.id, "channel": account.kind, **msgspec.structs.asdict(account.pusher.status())}
            | {"orders_through": account.intake.through_at}
            for account in self.accounts.values()
        ]

    async def pause(self, account: ChannelAccount) -> object:
        """CHANNEL PAUSE."""
        await account.pusher.pause("CHANNEL PAUSE")
        return OK

    async def resume(self, account: ChannelAccount) -> object:
        """CHANNEL RESUME."""
        await account.pusher.resume()
        return OK

    async def flush(self, account: ChannelAccount) -> object:
        """CHANNEL FLUSH."""
        account.pusher.flush()
        return OK

    async def resync(self, account: ChannelAccount) -> object:
        """CHANNEL RESYNC."""
        account.pusher.resync()
        account.intake.request_poll()
        return OK

    async def unmatched(self, account: ChannelAccount) -> object:
        """CHANNEL UNMATCHED."""
        return [
            {"listing": each.listing_id, "sku": each.sku, "title": each.title, "reason": each.reason}
            for each in account.pusher.unmatched()
        ]

    def health(self) -> dict[str, Any]:
        """HEALTH."""
        accounts = [
            {"account": account.id, "state": status.state, "reason": status.reason}
            for account in self.accounts.values()
            for status in (account.pusher.status(),)
        ]
        stalled = self.journal.stalled
        return {
            "ready": self.ready and stalled is None and not self.shutdown_wanted.is_set(),
            "journal": "ok" if stalled is None else f"stalled: {stalled}",
            "accounts": accounts,
        }

    def info(self) -> dict[str, dict[str, object]]:
        """INFO: section to field to value."""
        books = [book for shard in self.shards for book in shard.ledger.books.values()]
        return {
            "Server": {
                "node": self.settings.node.name,
                "lastunit_version": self._version,
                "redis_version": "7.0.0",  # some clients parse it before they say anything else
                "uptime_in_seconds": int(trio.current_time() - self._started),
                "shards": len(self.shards),
            },
            "Stock": {
                "skus": len(books),
                "holds_open": sum(len(book.holds) for book in books),
                "orders": len(self.desk.orders),
                "incidents_open": len(self.incidents.open),
                "units_oversold_ever": self.incidents.units_total,
            },
            "Persistence": {
                "journal_position": self.journal.position,
                "journal_waiting_events": self.journal.waiting_events,
                "journal_stalled": self.journal.stalled or "",
                "now": self.clock.now().isoformat(),
            },
        }

    def mailboxes(self) -> list[Mailbox[Any]]:
        """Return every inbox, for metrics."""
        return [
            *(shard.inbox for shard in self.shards),
            self.desk.inbox,
            *(account.intake.inbox for account in self.accounts.values()),
        ]


def _tell(event: OversellRecorded | OversellCleared) -> None:
    """An oversell is never only a number: whoever reads the log hears of it at once."""
    if isinstance(event, OversellCleared):
        log.info("oversell.cleared", sku=event.sku)
        return
    log.warning(
        "oversell.recorded",
        sku=event.sku,
        units=event.units,
        open_units=event.open_units,
        account=event.account,
        order=event.order_id,
        cause=event.cause,
        detail=event.detail,
    )
