"""The daemon process: opens the store, replays it, runs node, socket and gateway, and ends them in order."""

import gc
import os
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import structlog
import trio
from prometheus_client import CollectorRegistry

from adapters.store.postgres import PostgresStore
from adapters.store.snapshots import Snapshots
from adapters.store.sqlite import SqliteStore
from config.loader import without_channel_secrets
from config.schema import Settings
from engine.actors.scanner import Scanner
from engine.domain.errors import ConfigError, Fenced, StockError
from engine.domain.units import AccountId
from engine.ports import Frame
from ops.alerting import build_notifiers
from ops.channels import KINDS, build_channel
from ops.clock import STEP_SECONDS, SteadyClock
from ops.node import Node
from ops.reading import watch_reading
from ops.recovery import catch_up, collector_at_rest, last_instant, recall, replay
from ops.reports import view_channels, view_info
from ops.snapshots.keeper import build_keeper, leave_snapshot
from ops.snapshots.taking import open_snapshots, restore_newest
from ops.socket.server import CommandServer
from ops.standby import take_over
from ops.stores import open_configured, owner_name, watch_store
from ops.supervise import gateway_command, run_gateway_process
from ops.telemetry.logs import configure_logging
from ops.telemetry.metrics import Telemetry
from ops.version import installed_version

log = structlog.get_logger(__name__)

_DRAIN_SECONDS: Final = 10.0
"""How long shutdown waits for answers under way. Dying at any instant is safe; this is a courtesy."""
_FOLLOW_SECONDS: Final = 5.0
_GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Books are many small objects that live long: the collector's defaults walk them too often and double p99."""
_SWITCH_SECONDS: Final = 0.0005
"""How long a thread that commits waits for the interpreter while the loop is busy; the default is ten times that."""
_SPARE_DESCRIPTORS: Final = 256
_EXIT_FENCED: Final = 4
"""For the supervisor: starting this one again would only be refused, or take the store from its successor."""


def main(settings: Settings, config_path: Path, *, standby: bool = False) -> int:
    """Run until told to stop; a standby waits until the owner of the store is gone, and then runs.

    Returns:
        0 after an orderly stop; 1 when the store or a socket fails; 2 when the settings cannot work; 4 when another
        daemon has become the owner of the store.
    """
    configure_logging(settings.node, process="daemon")
    if not __debug__:
        log.critical("daemon.refused", reason="assertions are off (python -O); they guard the books")
        return 1
    os.umask(0o077)
    _raise_descriptor_limit(settings.socket.connections_max + _SPARE_DESCRIPTORS)
    problems: list[BaseException] = []
    try:
        settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        trio.run(partial(_run, settings, config_path, standby=standby))
    except* (StockError, OSError) as group:
        problems.extend(_leaves(group))
    for kind, reason in dict.fromkeys((type(problem).__name__, str(problem)) for problem in problems):
        log.critical("daemon.failed", reason=reason, kind=kind)  # once, however many tasks met it
    if any(isinstance(problem, ConfigError) for problem in problems):
        return 2
    if any(isinstance(problem, Fenced) for problem in problems):
        return _EXIT_FENCED
    return 1 if problems else 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return leaves


def _raise_descriptor_limit(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), hard))
        except (OSError, ValueError):  # above what the kernel allows any process
            allowed = soft
        if allowed < wanted:
            log.warning("daemon.few_descriptors", allowed=allowed, wanted=wanted)


async def _run(settings: Settings, config_path: Path, *, standby: bool) -> None:
    store = await open_configured(settings)
    snapshots = open_snapshots(settings)
    try:
        ending: _Ending | None = None
        try:
            async with trio.open_nursery() as keeping:
                ending = await _serve(settings, config_path, store, snapshots, keeping, standby=standby)
                keeping.cancel_scope.cancel()
        finally:
            await store.aclose()
        if ending is not None:  # a successor may have the store by now
            await leave_snapshot(ending.node, ending.last, ending.as_of, snapshots, settings.snapshots)
    finally:
        await snapshots.aclose()


class _Ending(NamedTuple):
    """What a daemon that was stopped in order can say of itself."""

    node: Node
    last: Frame
    as_of: datetime


async def _serve(
    settings: Settings,
    config_path: Path,
    store: SqliteStore | PostgresStore,
    snapshots: Snapshots,
    keeping: trio.Nursery,
    *,
    standby: bool,
) -> _Ending | None:
    clock = SteadyClock()
    telemetry = Telemetry(CollectorRegistry(), clock=clock, log_commands=settings.node.log_commands)
    channels = {
        AccountId(account.id): (
            KINDS[type(account)],
            build_channel(account, public_url=settings.gateway.public_url, clock=clock),
        )
        for account in settings.accounts
    }
    notifiers = build_notifiers(settings, clock=clock)
    version = installed_version()
    make_node = partial(
        Node,
        settings,
        store,
        clock=clock,
        rng=random.Random(),  # noqa: S311  # jitter, not secrets
        channels=channels,
        listener=telemetry,
        version=version,
        metrics_text=telemetry.exposition,
        notifiers=notifiers,
    )
    with collector_at_rest():
        usable = snapshots if settings.snapshots.enabled else None
        node = await _become_owner(make_node, store, usable, owner_name(settings), standby=standby)
        if node is None:
            return None
        if isinstance(store, PostgresStore):
            await keeping.start(store.keep)
        await catch_up(node, store)  # what another owner had written until our claim
        clock.never_before(await last_instant(node, store))
        _check_locations(node)
        _watch(telemetry, node, store)
        gc.freeze()  # what a start builds is no garbage, and looking for some among it would take seconds
    gc.set_threshold(*_GC_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    server = CommandServer(node, settings.socket, version=version, listener=telemetry)
    try:
        await _run_until_stopped(node, server, telemetry, clock, snapshots, config_path)
    finally:
        with trio.move_on_after(_DRAIN_SECONDS, shield=True):
            for _, channel in channels.values():
                await channel.aclose()
            for notifier in notifiers.values():
                await notifier.aclose()
    return await _last_word(node, store, clock)


async def _last_word(node: Node, store: SqliteStore | PostgresStore, clock: SteadyClock) -> _Ending | None:
    if not node.settings.snapshots.enabled or not node.settings.snapshots.stop_seconds_max:
        return None
    last = await store.read(node.journal.position - 1, 1) if node.journal.position else ()
    return _Ending(node, last[0], clock.now()) if last else None


async def _become_owner(
    make_node: Callable[[], Node],
    store: SqliteStore | PostgresStore,
    snapshots: Snapshots | None,
    owner: str,
    *,
    standby: bool,
) -> Node | None:
    """Read the journal, then claim it: one that cannot be read is left as it is, and to whoever has it.

    Returns:
        A node that knows it; None: told to stop before it was ours.
    """
    if isinstance(store, PostgresStore) and not standby:
        await store.approach()
    node = await restore_newest(make_node, store, snapshots) if snapshots is not None else make_node()
    if standby:
        gc.enable()  # it may follow for months
        if not await _stand_by(node, store, owner):
            return None
        await recall(node, store)
        return node
    await replay(node, store)
    await recall(node, store)
    log.info("store.claimed", epoch=await store.claim(owner))
    return node


async def _stand_by(node: Node, store: SqliteStore | PostgresStore, owner: str) -> bool:
    """Follow the owner and take over; False: told to stop before."""
    assert isinstance(store, PostgresStore)  # the command line has seen to that
    async with trio.open_nursery() as watches:
        await watches.start(_heed_signals, node)
        async with trio.open_nursery() as following:
            following.start_soon(_cancel_when_stopped, node, following.cancel_scope)
            await take_over(node, store, owner)
            following.cancel_scope.cancel()
        watches.cancel_scope.cancel()
    return not node.shutdown_wanted.is_set()


async def _cancel_when_stopped(node: Node, scope: trio.CancelScope) -> None:
    await node.shutdown_wanted.wait()
    scope.cancel()


def _check_locations(node: Node) -> None:
    """Refuse to start without a location that has stock: its units would vanish from every offer.

    Raises:
        ConfigError: naming each such location.
    """
    skus = Counter(
        location
        for shard in node.shards
        for book in shard.ledger.books.values()
        for location, position in book.positions.items()
        if location not in node.locations and position.in_use
    )
    problems = [
        f"locations: the journal has stock of {count} SKUs at {location!r}, which is not configured (ids never change)"
        for location, count in sorted(skus.items())
    ]
    if problems:
        raise ConfigError(problems)


async def _run_until_stopped(
    node: Node,
    server: CommandServer,
    telemetry: Telemetry,
    clock: SteadyClock,
    snapshots: Snapshots,
    config_path: Path,
) -> None:
    """Start from the inside out, stop from the outside in: accounts and gateway, socket, shards, the journal last."""
    settings = node.settings
    async with trio.open_nursery() as watches:
        watches.start_soon(_follow_clock, clock, telemetry)
        watches.start_soon(telemetry.run_loop_watch)
        await watches.start(_heed_signals, node)
        async with trio.open_nursery() as core:
            await core.start(node.run_journal)
            async with trio.open_nursery() as actors:
                await actors.start(node.run_actors)
                async with trio.open_nursery() as front:
                    await front.start(server.run)
                    async with trio.open_nursery() as outside:
                        if settings.gateway.enabled:
                            gateway = partial(
                                run_gateway_process,
                                gateway_command(config_path),
                                listen=settings.gateway.listen,
                                environ=without_channel_secrets(config_path, os.environ),
                            )
                            await outside.start(gateway)
                        await outside.start(node.run_accounts)
                        if settings.snapshots.enabled:
                            await outside.start(build_keeper(node, telemetry, config_path).run, snapshots)
                        log.info(
                            "daemon.ready",
                            node=settings.node.name,
                            position=node.journal.position,
                            socket=str(settings.socket.path),
                            tcp=server.tcp_address,
                            accounts=len(node.accounts),
                            pid=os.getpid(),
                        )
                        await node.shutdown_wanted.wait()
                        log.info("daemon.stopping", reason=node.shutdown_reason)
                        outside.cancel_scope.cancel()
                    with trio.move_on_after(_DRAIN_SECONDS) as patience:
                        await server.drain()
                    if patience.cancelled_caught:
                        log.warning("socket.drain_abandoned", patience_seconds=_DRAIN_SECONDS)
                    front.cancel_scope.cancel()
                actors.cancel_scope.cancel()
            node.journal.close()
        watches.cancel_scope.cancel()
    log.info("daemon.stopped", position=node.journal.position)


async def _heed_signals(node: Node, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    stops = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup: the terminal may go, we stay
        stops.append(signal.SIGHUP)
    with trio.open_signal_receiver(*stops, signal.SIGUSR1) as signals:
        task_status.started()
        async for number in signals:
            if number == signal.SIGUSR1:
                for mailbox in node.mailboxes():
                    log.info("mailbox.dumped", mailbox=mailbox.name, depth=len(mailbox), high_water=mailbox.high_water)
                for view in view_channels(node):
                    log.info("account.dumped", **{key: value for key, value in view.items() if key != "problems"})
                log.info("journal.dumped", **view_info(node)["Persistence"])
            elif node.shutdown_wanted.is_set():
                log.warning("daemon.killed", signal=signal.Signals(number).name)
                sys.stderr.flush()
                os._exit(1)  # the second one means it; recovery is the feature
            else:
                node.request_shutdown(signal.Signals(number).name)


async def _follow_clock(clock: SteadyClock, telemetry: Telemetry) -> None:
    """Follow the system clock slowly; say so when it was set."""
    stepped = False
    while True:
        await trio.sleep(_FOLLOW_SECONDS)
        ahead_seconds = clock.follow()
        if abs(ahead_seconds) > STEP_SECONDS and not stepped:
            telemetry.clock_stepped(ahead_seconds)
            log.warning("clock.stepped", ahead_seconds=round(ahead_seconds, 3))
        stepped = abs(ahead_seconds) > STEP_SECONDS


def _watch(telemetry: Telemetry, node: Node, store: SqliteStore | PostgresStore) -> None:
    """Hand telemetry what it reads at scrape time."""
    for mailbox in node.mailboxes():
        telemetry.watch_mailbox(mailbox)
    telemetry.watch_node(node)
    watch_store(telemetry, node, store)
    watch_reading(telemetry, node.settings)
    _watch_scanner(telemetry, node.scanner)


def _watch_scanner(telemetry: Telemetry, scanner: Scanner) -> None:
    telemetry.watch(
        "violations_open",
        "Laws of the ledger that did not hold for a SKU when last checked, and are on record.",
        lambda: len(scanner.open),
    )
    telemetry.watch(
        "violations_unlisted", "Found in the pass under way beyond what is kept on record.", lambda: scanner.unlisted
    )
    telemetry.watch("scan_books_checked", "Books checked since the start.", lambda: scanner.books_checked)
    telemetry.watch("scan_busy_seconds", "Processor time of that, estimated.", lambda: scanner.busy_seconds)
    telemetry.watch("scan_pass_age_seconds", "Time since all books had been checked once.", scanner.pass_age_seconds)
