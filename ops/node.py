"""The composition root: every actor made and joined, and run from the inside out."""

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, get_args

import structlog
import trio

from config import schema
from engine.actors.alerting import AlertListener
from engine.actors.applier import Applier
from engine.actors.directory import new_directory
from engine.actors.documents import Documents
from engine.actors.fanout import Fanout
from engine.actors.journal import Journal, JournalListener
from engine.actors.mailbox import Mailbox
from engine.actors.order_desk import Account, DeskListener, OrderDesk
from engine.actors.projections import Projections
from engine.actors.reader import JournalReader
from engine.actors.recipe_owner import RecipeOwner
from engine.actors.registrar import Registrar
from engine.actors.regrouping import judge_again
from engine.actors.reoffer import ReofferListener
from engine.actors.router import Router
from engine.actors.shard import Shard, ShardListener
from engine.actors.slices import BRISK, in_slices
from engine.domain.availability import Availability
from engine.domain.catalogue.catalogue import NAMING_EVENTS, Catalogue
from engine.domain.catalogue.recipes import Recipes
from engine.domain.events import (
    Event,
    ImportEvent,
    LawEvent,
    ListingMapped,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    RecipeSet,
    SkuRetired,
    SkuRevived,
)
from engine.domain.partition import shard_of
from engine.domain.stock.book import Book
from engine.domain.stock.incidents import Incidents
from engine.domain.stock.ledger import Ledger
from engine.domain.stock.papers import PAPER_EVENTS, Papers
from engine.domain.stock.places import Kind, Pools, allowed_at
from engine.domain.units import DIRECT, AccountId, ListingId, LocationId, Sku
from engine.machines.listings import IMPORT, MERGE
from engine.ports import Channel, Clock, Notifier, Store
from ops.account import AccountListener, ChannelAccount, DirectAccount
from ops.alerting import build_alerter
from ops.exporter import Exporter
from ops.importer import Importer, settle_objects
from ops.leftalone import LeftAlone
from ops.names import Names
from ops.notices import tell_notes, tell_oversell, tell_recipe
from ops.offers import OfferDesk
from ops.ordernotes import OrderNotes
from ops.past import CommonEvent, Past
from ops.surroundings import NodeSurroundings, build_scanner

log = structlog.get_logger(__name__)

IMPORT_BYTES_MAX = 256 << 20
"""Most that one IMPORT may stage: some millions of rows."""


class NodeListener(
    JournalListener, ShardListener, DeskListener, AccountListener, ReofferListener, AlertListener, Protocol
):
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
        notifiers: Mapping[str, Notifier] | None = None,
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
            notifiers: the way to every configured destination of alerts, by name.
        """
        self.settings = settings
        self.limits = settings.limits
        self.import_bytes_max = IMPORT_BYTES_MAX
        self.clock = clock
        self.metrics_text = metrics_text
        self.incidents = Incidents()
        self.order_notes = OrderNotes()
        self.papers = Papers(settings.limits.documents_seconds)
        self.ready = False
        self.shutdown_wanted = trio.Event()
        self.shutdown_reason = ""
        self.kinds = {LocationId(location.id): Kind(location.kind) for location in settings.locations}
        self.locations = tuple(self.kinds)
        self.pools = Pools(self.kinds)
        self.direct_locations = tuple(at for at, kind in self.kinds.items() if allowed_at(kind).sold_directly)
        """Where the seller's own storefront and tills sell from."""
        self.version = version
        self._listener = listener
        self.started = trio.current_time()
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
        self._make_books(listener)
        self._make_accounts(channels, rng, listener)
        self._make_readers(store)
        self._make_registry()
        self.alerter = build_alerter(
            settings,
            notifiers or {},
            accounts=self.accounts.values(),
            daily_sales=self.offers.demand.daily_sales,
            pools=self.pools,
            clock=clock,
            rng=rng,
            recorder=self.journal,
            listener=listener,
        )
        self.names = Names(
            accounts=self.accounts,
            locations=self.locations,
            direct_locations=self.direct_locations,
            codes=self.catalogue.codes,
        )
        self._keep_projections()

    def _make_books(self, listener: ShardListener) -> None:
        """Make the owners of stock, and what commands find their books by."""
        self.catalogue = Catalogue()
        self.directory = new_directory()
        self.documents = Documents()
        self.recipes = Recipes()
        self.left_alone = LeftAlone(self.limits, self.catalogue.codes.resolve)
        self.fanout = Fanout(self._tell_accounts)
        self.shards = self._make_shards(listener)
        self.router = Router(self.shards, self.directory, self.documents, self.journal, self.catalogue.codes)

    def _make_accounts(
        self, channels: Mapping[AccountId, tuple[str, Channel]], rng: random.Random, listener: NodeListener
    ) -> None:
        """Make what is offered, the accounts it is offered on, and the desk that their orders come to."""
        self.offers = OfferDesk(
            self.settings,
            clock=self.clock,
            journal=self.journal,
            book_of=lambda sku: self.router.ledger_of(sku).books.get(sku),
            recipes=self.fanout.recipes,
            catalogue=self.catalogue,
            listener=listener,
        )
        self.accounts = self._make_channel_accounts(channels, rng, listener)
        self.offers.watch({account.id: account.pusher for account in self.accounts.values()})
        everyone: dict[AccountId, Account] = {DIRECT: DirectAccount(self.direct_locations, self.catalogue.codes)}
        everyone |= {account.id: account.pusher for account in self.accounts.values()}
        self.desk = OrderDesk(
            router=self.router,
            journal=self.journal,
            clock=self.clock,
            accounts=everyone,
            recipes=self.recipes,
            heir_of=self.catalogue.codes.resolve,
            listener=listener,
            mailbox_max=self.limits.mailbox_max,
        )
        accounts = self.accounts.values()
        self.applier = Applier(
            self.router, self.catalogue, self.journal, accounts=accounts, clock=self.clock, settle=settle_objects
        )
        self.recipe_owner = RecipeOwner(
            self.recipes, router=self.router, desk=self.desk, journal=self.journal, alone=self.applier.alone
        )
        for account in self.accounts.values():
            account.listen_to(self.desk)

    def _make_readers(self, store: Store) -> None:
        """Make who looks back into the journal and over the books."""
        self.reader = JournalReader(store, self.journal)
        self.past = Past(self.reader, self._listings_of)
        self.scanner = build_scanner(
            self.settings.scan,
            NodeSurroundings(
                clock=self.clock,
                kinds=self.kinds,
                directory=self.directory,
                desk=self.desk,
                accounts=self.accounts,
            ),
            shards=self.shards,
            reader=self.reader,
            journal=self.journal,
            clock=self.clock,
        )

    def _make_registry(self) -> None:
        """Make who changes the catalogue, and takes it in and out as files."""
        self.registrar = Registrar(
            self.catalogue,
            router=self.router,
            journal=self.journal,
            desk=self.desk,
            accounts=tuple(self.accounts.values()),
            recipes_with=self.recipes.bundles_above,
            alone=self.applier.alone,
        )
        self.importer = Importer(self.applier, locations=self.locations, recipe_owner=self.recipe_owner)
        self.exporter = Exporter(
            self.catalogue,
            self.router,
            {account.id: account.pusher.listings_of for account in self.accounts.values()},
            self.fanout.recipes,
        )

    def _keep_projections(self) -> None:
        """Say who keeps which events; what owners decide on they apply themselves and replay in `ops.recovery`."""
        add, oversells = self.projections.add, (OversellRecorded, OversellCleared)
        add(oversells, lambda _position, event: self.incidents.apply(event), said_in="incidents")
        add(oversells, lambda _position, event: self._listener.committed(event), replayed=False)
        add(oversells, lambda _position, event: tell_oversell(event), replayed=False)
        add((ListingMapped,), self._take_mapping, replayed=False)
        add(NAMING_EVENTS, lambda _position, event: self.catalogue.apply(event), live=False, said_in="catalogue")
        add(get_args(ImportEvent), self.applier.keep, live=False, said_in="imports")
        add((RecipeSet,), self.fanout.keep_recipe, said_in="fanout")
        add((RecipeSet,), lambda _position, event: tell_recipe(event), replayed=False)
        add((OrderRecorded,), lambda _position, event: self.order_notes.apply(event), said_in="order_notes")
        add((OrderRecorded,), lambda _position, event: tell_notes(event), replayed=False)
        add((SkuRetired, SkuRevived), self.fanout.keep_retired, said_in="fanout")
        self.offers.keep(self.projections)
        self.alerter.keep(self.projections)
        add(get_args(LawEvent), self.scanner.apply, said_in="scan")
        add(get_args(CommonEvent), self.past.keep, said_in="past")
        add(PAPER_EVENTS, lambda _position, event: self.papers.apply(event), said_in="papers")

    def _take_mapping(self, _position: int, event: ListingMapped) -> None:
        if event.source in {IMPORT, MERGE}:  # what a pusher matched by itself it has taken in already
            self.accounts[event.account].pusher.apply(event)

    def _make_channel_accounts(
        self, channels: Mapping[AccountId, tuple[str, Channel]], rng: random.Random, listener: NodeListener
    ) -> dict[AccountId, ChannelAccount]:
        accounts: dict[AccountId, ChannelAccount] = {}
        for each in self.settings.accounts:
            kind, channel = channels[AccountId(each.id)]
            accounts[AccountId(each.id)] = ChannelAccount(
                each,
                self.limits,
                offering=self.offers.offerings[AccountId(each.id)],
                around=self.offers.around(AccountId(each.id)),
                turns=self.offers.turns,
                kind=kind,
                channel=channel,
                router=self.router,
                codes=self.catalogue.codes,
                journal=self.journal,
                clock=self.clock,
                rng=rng,
                listener=listener,
            )
        return accounts

    def _make_shards(self, listener: ShardListener) -> list[Shard]:
        limits, count = self.settings.limits, self.settings.node.shards
        ledgers = [
            Ledger(
                remembered_seconds=limits.remembered_seconds,
                remembered_max=max(1, limits.remembered_max // count),
                history_seconds=limits.history_seconds,
                documents_seconds=limits.documents_seconds,
                pools=self.pools,
            )
            for _ in range(count)
        ]
        return [
            Shard(
                index,
                ledger=ledger,
                owner=lambda sku: ledgers[shard_of(sku, count)],
                directory=self.directory,
                documents=self.documents,
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
        await judge_again([shard.ledger for shard in self.shards], self.journal, self.clock)
        async with trio.open_nursery() as actors:
            for shard in self.shards:
                await actors.start(shard.run)
            await actors.start(self.desk.run)
            await actors.start(self.applier.run)  # what was decided is done before anybody asks
            await actors.start(self.scanner.run)
            task_status.started()

    async def run_accounts(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Push and listen until cancelled, inside running actors; who is told of webhooks should be up by now."""
        await self.offers.adopt_file()
        async with trio.open_nursery() as accounts:
            for account in self.accounts.values():
                await accounts.start(account.run)
            self.ready = True  # to sell and to hear of orders; what is shown follows, SKU by SKU
            task_status.started()
            await self._tell_all_availability()
            await accounts.start(self.fanout.run)
            await accounts.start(self.offers.run)
            await accounts.start(self.alerter.run)

    async def _tell_all_availability(self) -> None:
        """Tell pushers every level once: what they have not heard of they do not push. Holds go on meanwhile."""
        started = trio.current_time()
        books = [book for shard in self.shards for book in shard.ledger.books.values()]

        def tell(books: Sequence[Book]) -> None:
            levels = [(book.sku, book.levels(), self.clock.now()) for book in books]

            def durable(position: int) -> None:
                for sku, atp, at in levels:
                    self.availability(Availability(sku=sku, position=position, atp=atp, changed_at=at))

            self.journal.enqueue((), durable)  # behind what the books have and the journal does not yet

        await in_slices(books, tell, BRISK)
        log.info("levels.told", skus=len(books), seconds=round(trio.current_time() - started, 3))

    def request_shutdown(self, reason: str) -> None:
        """Ask whoever runs the node to end it."""
        self.shutdown_reason = reason
        self.shutdown_wanted.set()

    # -- what is durable (`engine.actors.shard.Outlet`)

    def availability(self, availability: Availability) -> None:
        """Pass the newest level of a SKU on to every account, and what it makes of the bundles above it."""
        self.offers.stocked(availability)
        self.fanout.availability(availability)

    def _tell_accounts(self, availability: Availability) -> None:
        self.alerter.availability(availability)
        for account in self.accounts.values():
            account.pusher.availability(availability)

    def _listings_of(self, sku: Sku) -> list[ListingId]:
        return [each.listing for account in self.accounts.values() for each in account.pusher.offers_of(sku)]

    def mailboxes(self) -> list[Mailbox[Any]]:
        """Return every inbox, for metrics."""
        return [
            *(shard.inbox for shard in self.shards),
            self.desk.inbox,
            *(account.intake.inbox for account in self.accounts.values()),
        ]
