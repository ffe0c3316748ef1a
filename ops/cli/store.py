"""`store`: the journal's store by itself, without a daemon."""

import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from msgspec.structs import replace

from adapters.store.postgres import migrate as migrate_postgres
from adapters.store.snapshots import Kept
from adapters.store.sqlite import open_store as open_sqlite
from config.schema import Secret, Settings
from config.secrets import SecretProblem, resolve_secret
from ops import storetool
from ops.backup import back_up
from ops.backup import restore as restore_backup
from ops.backup import verify as verify_backup
from ops.cli.errors import Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import Column, print_facts, print_json, print_table, terminal
from ops.cli.session import config_option, data_options
from ops.cli.storearchive import archive
from ops.cli.storework import run_on_store, show_progress, store_settings
from ops.snapshots.taking import look
from ops.stores import owner_name, terms_of
from ops.version import installed_version

_CLAIMS = (
    Column("epoch", "epoch", right=True),
    Column("owner", "owner", wrap=True),
    Column("since (UTC)", "claimed_at"),
    Column("after frame", "after_position", right=True),
)


_SNAPSHOTS = (
    Column("snapshot of frame", "position", right=True),
    Column("origin", "origin"),
    Column("of (UTC)", "written_at"),
    Column("statements", "statements", right=True),
    Column("bytes", "stored_bytes", right=True),
    Column("program", "program"),
    Column("problem", "problem", wrap=True),
)

_NO_SNAPSHOT: Final = "There is no snapshot: a start reads the whole journal."
NICENESS: Final = 19
"""Of the process that makes snapshots: whoever sells goes first."""


@click.group()
def store() -> None:
    """Make, check, copy, back up the store of the journal; take snapshots."""


@store.command()
@data_options
@click.option("--as", "user", metavar="ROLE", help="Connect as this role: one that may create the schema.")
@click.option("--password", metavar="REF", help='Its password, as "env:NAME" or "file:path".')
@click.option("--grant", "roles", metavar="ROLE", multiple=True, help="Give a role what a daemon needs. Repeatable.")
@click.option(
    "--grant-archive", "archivers", metavar="ROLE", multiple=True, help="Let a role put frames away. Repeatable."
)
@click.option("--grant-read", "readers", metavar="ROLE", multiple=True, help="Let a role read the journal. Repeatable.")
def migrate(
    invocation: Invocation,
    *,
    user: str | None,
    password: str | None,
    roles: tuple[str, ...],
    archivers: tuple[str, ...],
    readers: tuple[str, ...],
) -> None:
    """Create the tables, or bring them to this version. Done twice, it changes nothing."""
    settings = store_settings(invocation)
    grantees = [*roles, *archivers, *readers]
    if settings.store.kind == "sqlite":
        if user or password or grantees:
            raise Unusable([f"{invocation.config}: store.kind: 'sqlite': roles are for postgres"])
        run_on_store(partial(_migrate_file, settings))
        _tell(invocation, {"place": str(settings.store.path)}, f"{settings.store.path} is of this version")
        return
    server = settings.store.postgres
    if user is not None:
        server = replace(server, user=user, database_password=None)
    if password is not None:
        server = replace(server, database_password=_secret(invocation, password))
    terms = terms_of(replace(settings, store=replace(settings.store, postgres=server)))
    rights = {"roles": roles, "archivers": archivers, "readers": readers}
    done = run_on_store(partial(migrate_postgres, terms, program=installed_version(), **rights))
    what = (
        "made" if done.before == 0 else "is already there" if done.before == done.after else "brought to this version"
    )
    granted = f"; granted to {', '.join(grantees)}" if grantees else ""
    answer = {"place": terms.place, "before": done.before, "after": done.after, "granted": grantees}
    _tell(invocation, answer, f"{terms.place}: version {done.after} {what}{granted}")


store.add_command(archive)


@store.command()
@data_options
def check(invocation: Invocation) -> None:
    """Read every frame and see that none is damaged or missing; beside the daemon, if one runs."""
    settings = store_settings(invocation)
    checked = run_on_store(partial(storetool.check, settings, show_progress(invocation)))
    for note in checked.notes:
        click.echo(f"note: {note}", err=True)
    _tell(
        invocation, msgspec.to_builtins(checked), f"{checked.place}: {checked.frames} frames, sha256 {checked.sha256}"
    )


@store.command()
@data_options
def info(invocation: Invocation) -> None:
    """Show what is there and who has it."""
    settings = store_settings(invocation)
    answer = msgspec.to_builtins(run_on_store(partial(storetool.inspect, settings)))
    snapshots = [_snapshot_row(kept) for kept in run_on_store(partial(look, settings))]
    if invocation.as_json:
        print_json(answer | {"snapshots": snapshots})
        return
    claims = answer.pop("claims")
    console = terminal()
    print_facts(console, {name.replace("_", " "): value for name, value in answer.items()})
    console.print()
    print_table(console, _CLAIMS, claims, empty="Nobody has ever claimed it.")
    console.print()
    print_table(console, _SNAPSHOTS, snapshots, empty=_NO_SNAPSHOT, optional="problem")


@store.command()
@config_option
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--resume", is_flag=True, help="Go on with a copy that was cut short.")
def copy(invocation: Invocation, source: str, target: str, *, resume: bool) -> None:
    """Copy a journal and compare every frame. Stop the daemon first.

    FROM and TO: `postgres`, which is what [store.postgres] names, or the path of a SQLite file.
    """
    if source == target:
        raise Unusable([f"lastunit store copy: FROM and TO are both {source}"])
    done = run_on_store(
        partial(_copy, store_settings(invocation), source, target, resume=resume, progress=show_progress(invocation))
    )
    click.echo(f"{done.place}: {done.frames} frames, compared one by one, sha256 {done.sha256}")


@store.command()
@data_options
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(invocation: Invocation, file: Path) -> None:
    """Put the journal into a new FILE while the daemon goes on; read it back to be sure."""
    done = run_on_store(partial(back_up, store_settings(invocation), file, show_progress(invocation)))
    _tell(invocation, msgspec.to_builtins(done), f"{done.place}: {done.frames} frames, read back, sha256 {done.sha256}")


@store.command()
@data_options
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def verify(invocation: Invocation, file: Path) -> None:
    """Read a backup or a segment from end to end: whole, and every frame as it was written."""
    done = run_on_store(partial(verify_backup, file, show_progress(invocation)))
    what = f"{done.frames} frames" if done.first == 1 else f"frames {done.first} to {done.frames}"
    _tell(invocation, msgspec.to_builtins(done), f"{done.place}: {what}, sha256 {done.sha256}")


@store.command()
@data_options
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--resume", is_flag=True, help="Go on with a restore that was cut short.")
def restore(invocation: Invocation, file: Path, *, resume: bool) -> None:
    """Bring a backup into the configured store, which must be empty. Stop the daemon first."""
    settings = store_settings(invocation)
    settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = f"store restore by {owner_name(settings)}"
    progress = show_progress(invocation)
    done = run_on_store(partial(restore_backup, settings, file, owner=owner, resume=resume, progress=progress))
    sentence = f"{done.place}: {done.frames} frames, compared one by one, sha256 {done.sha256}"
    _tell(invocation, msgspec.to_builtins(done), sentence)


@store.command()
@data_options
def snapshot(invocation: Invocation) -> None:
    """Make a snapshot, beside the daemon, so that the next start is quick; let old ones go."""
    settings = store_settings(invocation)
    if not settings.snapshots.enabled:
        raise Unusable([f"{invocation.config}: snapshots.enabled: false: none is made, and none would be read"])
    os.nice(NICENESS)
    import_module("ops.telemetry.logs").configure_logging(settings.node, process="snapshot")
    made = run_on_store(partial(import_module("ops.snapshots.process").make_snapshot, settings))
    what = "an empty journal has none" if not made.position else f"frame {made.position}, {made.statements} statements"
    there = "" if made.made or not made.position else ", was there already"
    _tell(invocation, msgspec.to_builtins(made), f"{made.place}: {what}, {made.stored_bytes} bytes{there}")


def _snapshot_row(kept: Kept) -> dict[str, Any]:
    row: dict[str, Any] = {"name": kept.name, "stored_bytes": kept.stored_bytes, "problem": kept.problem}
    if kept.head is not None:
        row |= {name: getattr(kept.head, name) for name in ("position", "origin", "program")}
        row["written_at"] = kept.head.written_at.isoformat()
        row["statements"] = sum(each.statements for each in kept.head.sections.values())
    return row


async def _copy(
    settings: Settings, source: str, target: str, *, resume: bool, progress: storetool.Progress
) -> storetool.Checked:
    owner = f"store copy by {owner_name(settings)}"
    here = await storetool.open_source(settings, source)
    try:
        there = await storetool.open_target(settings, target)
        try:
            return await storetool.copy(here, there, owner=owner, resume=resume, progress=progress)
        finally:
            await there.aclose()
    finally:
        await here.aclose()


async def _migrate_file(settings: Settings) -> None:
    settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = await open_sqlite(settings.store.path)
    await opened.aclose()


def _secret(invocation: Invocation, reference: str) -> Secret:
    try:
        return resolve_secret(reference, folder=invocation.config.absolute().parent, environ=os.environ)
    except SecretProblem as problem:
        raise Unusable([f"--password: {problem}"]) from problem


def _tell(invocation: Invocation, answer: dict[str, Any], sentence: str) -> None:
    if invocation.as_json:
        print_json(answer)
    else:
        click.echo(sentence)
