"""`store archive`: old frames move into compressed segments."""

from typing import Any, Final

import click
import msgspec
import trio

from adapters.store.sqlite_archive import shrink
from config.schema import Settings
from ops.archiving import (
    Archived,
    Bounds,
    Piece,
    leave_recent,
    list_segments,
    moment_before,
    open_archivable,
    put_away,
)
from ops.cli.errors import Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import Column, print_json, print_table, terminal
from ops.cli.session import data_options
from ops.cli.storework import run_on_store, show_progress, store_settings
from ops.snapshots.taking import frames_not_needed_through, open_snapshots
from ops.storetool import Progress, StoreRefused

_NONE_MADE: Final = "; nothing more may go: what a snapshot does not reach, the last hour and the last 1000 frames stay"
_SEGMENTS: Final = (
    Column("first", "first", right=True),
    Column("last", "last", right=True),
    Column("bytes", "file_bytes", right=True),
    Column("put away (UTC)", "put_away_at"),
    Column("there", "there"),
    Column("file", "file"),
)


@click.command()
@data_options
@click.option(
    "--keep-days", type=click.FloatRange(min=0), metavar="DAYS", help="Put away what is older; else store.keep_days."
)
@click.option("--through", type=click.IntRange(min=1), metavar="POSITION", help="Put away frames up to this one.")
@click.option("--list", "listed", is_flag=True, help="Show the segments there are, and do nothing.")
@click.option(
    "--shrink", "shrunk", is_flag=True, help="SQLite: give the room back to the disk instead. Stop the daemon first."
)
def archive(
    invocation: Invocation, *, keep_days: float | None, through: int | None, listed: bool, shrunk: bool
) -> None:
    """Move old frames into compressed segments, beside the daemon; they are read as before.

    What a start may need stays: all from the oldest snapshot on, the last hour and the last 1000 frames.
    """
    given = [keep_days is not None, through is not None, listed, shrunk]
    if sum(given) > 1:
        raise Unusable(["lastunit store archive: one of --keep-days, --through, --list and --shrink"])
    settings = store_settings(invocation)
    if listed:
        _print_segments(invocation, run_on_store(lambda: list_segments(settings)))
    elif shrunk:
        _shrink(invocation, settings)
    else:
        progress = show_progress(invocation)
        _tell(invocation, run_on_store(lambda: _archive(settings, keep_days, through, progress)))


async def _archive(settings: Settings, keep_days: float | None, through: int | None, progress: Progress) -> Archived:
    days = keep_days if keep_days is not None or through is not None else settings.store.keep_days
    before = None if days is None else moment_before(days)
    snapshots = open_snapshots(settings)
    try:
        limit = await frames_not_needed_through(snapshots)
    finally:
        await snapshots.aclose()
    if limit == 0:
        raise StoreRefused(
            "nothing may go: a start needs every frame until there is a snapshot; `lastunit store snapshot`"
        )
    if through is not None and through > limit:
        raise StoreRefused(f"--through {through}: only frames up to {limit} may go: a snapshot is of the next one")
    source = await open_archivable(settings)
    try:
        bounds = Bounds(through=limit if through is None else through, before=before)
        return await put_away(source, settings.store.archive, await leave_recent(source, bounds), progress)
    finally:
        await source.aclose()


def _shrink(invocation: Invocation, settings: Settings) -> None:
    path = settings.store.path
    if settings.store.kind != "sqlite":
        raise Unusable([f"{invocation.config}: store.kind: 'postgres': --shrink is for sqlite; there it is VACUUM"])
    freed = run_on_store(lambda: trio.to_thread.run_sync(shrink, path))
    if invocation.as_json:
        print_json({"place": str(path), "freed_bytes": freed})
    else:
        click.echo(f"{path}: {freed} bytes given back")


def _tell(invocation: Invocation, done: Archived) -> None:
    if invocation.as_json:
        print_json(msgspec.to_builtins(done))
        return
    for segment in done.made:
        click.echo(f"{segment.file}: frames {segment.first} to {segment.last}, {segment.file_bytes} bytes, read back")
    through = f"frames up to {done.through} are put away" if done.through else "no frame is put away"
    click.echo(f"{done.place}: {through}{'' if done.made else _NONE_MADE}")


def _print_segments(invocation: Invocation, pieces: list[Piece]) -> None:
    rows: list[dict[str, Any]] = msgspec.to_builtins(pieces)
    if invocation.as_json:
        print_json(rows)
    else:
        print_table(terminal(), _SEGMENTS, rows, empty="No frame was put away.")
