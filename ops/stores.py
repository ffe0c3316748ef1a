"""The store that the settings name: opened, claimed, measured."""

import os
import platform
from pathlib import Path
from typing import Final

import structlog
import trio
from msgspec.structs import replace

from adapters.store.postgres import PostgresStore
from adapters.store.postgres import open_store as open_postgres
from adapters.store.postgres_link import Terms
from adapters.store.sqlite import SqliteStore
from adapters.store.sqlite import open_store as open_sqlite
from config.database import Postgres, ReadingPostgres
from config.schema import Secret, Settings
from engine.domain.errors import JournalUnavailable
from engine.machines.alerts.storage import Room
from ops.node import Node
from ops.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

_PAUSE_SECONDS: Final = 0.5
"""Between two tries to reach a server when the daemon starts."""


async def open_configured(settings: Settings) -> SqliteStore | PostgresStore:
    """Open the store; nothing is claimed yet. A server that is away is waited for as long as a journal would stall.

    Raises:
        ConfigError: the server, its schema or its role will not do until somebody changes something.
        StoreInUse: another process has the file.
        StoreCorrupt: it is not ours, of a newer version, or damaged.
        JournalUnavailable: it cannot be reached or written.
    """
    if settings.store.kind == "sqlite":
        return await open_sqlite(
            settings.store.path,
            inline_seconds_max=settings.store.inline_commit_ms_max / 1000,
            listener=_CheckpointLog(),
            archive=settings.store.archive,
        )
    waited_for = False
    deadline = trio.current_time() + settings.store.stall_seconds_max
    while True:
        try:
            store = await open_postgres(terms_of(settings), archive=settings.store.archive)
        except JournalUnavailable as error:
            if trio.current_time() >= deadline:
                raise
            if not waited_for:
                gives_up_seconds = settings.store.stall_seconds_max
                log.warning("store.unavailable", reason=str(error), gives_up_seconds=gives_up_seconds)
            waited_for = True
        else:
            for note in store.look.notes if store.look is not None else ():
                log.warning("store.unsafe", store=store.place, reason=note)
            return store
        await trio.sleep(_PAUSE_SECONDS)


def terms_of(settings: Settings) -> Terms:
    """Say where the PostgreSQL store of these settings is, and how to get in."""
    server = settings.store.postgres
    terms = terms_at(settings, server, server.database_password, section="store.postgres")
    return replace(terms, lease_seconds=server.lease_seconds)


def terms_at(settings: Settings, server: Postgres | ReadingPostgres, password: Secret | None, *, section: str) -> Terms:
    """Say where the schema of one section is, and how its role gets in."""
    return Terms(
        host=server.host,
        port=server.port,
        database=server.database,
        user=server.user,
        password=None if password is None else password.reveal(),
        schema=server.schema,
        application_name=f"lastunit {settings.node.name}",
        tls=server.tls,
        ca_file=None if server.ca_file is None else str(server.ca_file),
        connect_seconds_max=server.connect_seconds_max,
        statement_seconds_max=server.statement_seconds_max,
        section=section,
    )


def owner_name(settings: Settings) -> str:
    """Name this process for whoever finds the store taken."""
    return f"{settings.node.name} on {platform.node()}, process {os.getpid()}"


def look_at_disk(folder: Path) -> Room:
    """Say how much room a folder has for this process."""
    found = os.statvfs(folder)
    return Room(str(folder), found.f_bavail * found.f_frsize)


def watch_store(telemetry: Telemetry, node: Node, store: SqliteStore | PostgresStore) -> None:
    """Hand telemetry what it reads of the store at scrape time, and alerts the disk."""
    telemetry.watch(
        "store_sync_seconds",
        "Duration of the middle one of the last 15 commits, without what its size explains.",
        lambda: store.sync_seconds,
    )
    if isinstance(store, PostgresStore):
        return
    folder = store.path.parent
    node.alerter.watch_room(lambda: look_at_disk(folder))
    telemetry.watch(
        "disk_free_bytes",
        "Bytes that may still be written to the disk of the journal.",
        lambda: look_at_disk(folder).free_bytes,
    )
    telemetry.watch("store_bytes", "Size of the journal's file, log not counted.", lambda: store.path.stat().st_size)
    telemetry.watch(
        "store_first_position",
        "Position of the oldest frame in the journal's file; those before it were put away.",
        lambda: store.first_position,
    )
    telemetry.watch("store_log_bytes", "Bytes committed and not yet moved into the database.", lambda: store.log_bytes)
    telemetry.watch(
        "store_checkpoint_seconds",
        "Duration of the last move of the log into the database, beside the commits.",
        lambda: store.checkpoint_seconds,
    )


class _CheckpointLog:
    """Says what became of checkpoints (`adapters.store.checkpoints.CheckpointListener`)."""

    def checkpoint_failed(self, reason: str, log_bytes: int) -> None:
        """Nothing is lost: the log has it."""
        log.warning("checkpoint.failed", reason=reason, log_bytes=log_bytes)

    def checkpoint_overdue(self, log_bytes: int) -> None:
        """Commits wait."""
        log.warning("checkpoint.overdue", log_bytes=log_bytes)

    def trim_failed(self, reason: str) -> None:
        """The file has frames that it need not have."""
        log.warning("trim.failed", reason=reason)
