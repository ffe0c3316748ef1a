"""`import`: CSV files in, all rows or none."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import click
import msgspec

from config.schema import Settings
from ops.cli.client import Client, Map, as_map
from ops.cli.csvfiles import CATALOGUE, LISTINGS, RECIPES, STOCK, Known, Parsed, Row, Table, parse
from ops.cli.csvtext import BadRow
from ops.cli.errors import Refusal, RowsRefused, Unreachable, Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import print_json
from ops.cli.progress import WORTH_TELLING, Tick, progress
from ops.cli.session import connected, data_options, load_client_settings

CHUNK_BYTES: Final = 1 << 20
"""Rows in one `IMPORT STAGE`; large enough to be quick, small enough for the daemon's other clients."""
_SPARE_BYTES: Final = 1024
"""What the words before the rows take of `socket.command_bytes_max`."""
_CHECK_ROWS: Final = 5000
"""Rows in one `IMPORT CHECK`: a second of the daemon's time, in slices."""
_APPLY_SECONDS_MAX: Final = 600.0
_ASKED_SECONDS: Final = 0.5
"""Between two questions how far the daemon is."""
_SHOWN_MAX: Final = 1000
"""Bad rows printed for people; --json prints all."""

_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("import")
@data_options
@click.option("--catalogue", type=_FILE, help="sku, and any of name, category, barcodes, cost, ...: docs/catalogue.md.")
@click.option("--listings", type=_FILE, help="account, listing, sku, optionally pack_units.")
@click.option("--stock", type=_FILE, help="sku, location, on_hand: opening stock.")
@click.option("--recipes", type=_FILE, help="sku, component, quantity, optionally together: what bundles are made of.")
@click.option("--clear", is_flag=True, help="An empty cell of the catalogue clears its field.")
@click.option("--dry-run", is_flag=True, help="Check the files, send nothing.")
@click.pass_context
def import_(
    ctx: click.Context,
    invocation: Invocation,
    *,
    catalogue: Path | None,
    listings: Path | None,
    stock: Path | None,
    recipes: Path | None,
    clear: bool,
    dry_run: bool,
) -> None:
    """Bring in SKUs, listings, opening stock and recipes from CSV files: all rows or none.

    The first line names the columns, in any order. A column that is left out changes nothing, and neither does an
    empty cell unless --clear says so. Safety stock is written as "berlin=2;hamburg=1", or in one column per location,
    safety_stock:berlin; attributes likewise, prices as price:<account>; several barcodes or images with ; between
    them. Every bad row is named by file, line and column.
    """
    files = ((CATALOGUE, catalogue), (LISTINGS, listings), (STOCK, stock), (RECIPES, recipes))
    given = [(table, path) for table, path in files if path]
    if not given:
        raise click.UsageError("nothing to import: give --catalogue, --listings, --stock or --recipes")
    settings = load_client_settings(invocation)
    known = Known(
        tuple(place.id for place in settings.locations), tuple(account.id for account in settings.accounts), clear
    )
    sheets = [_read(table, path, known) for table, path in given]
    bad = [row for sheet in sheets for row in sheet.bad]
    if bad:
        _report(ctx, invocation, bad, Unusable)
    counts: Map = {sheet.file: len(sheet.rows) for sheet in sheets}
    if not dry_run:
        with connected(invocation) as client:
            try:
                watched = partial(_watched, invocation)
                counts = send(client, sheets, secrets.token_hex(8), _chunk_bytes(settings), watched=watched)
            except BadRows as refused:
                _report(ctx, invocation, refused.rows, RowsRefused)
    if invocation.as_json:
        print_json(counts)
        return
    if dry_run:
        found = ", ".join(f"{file}: {count} rows" for file, count in counts.items())
        click.echo(f"{found}; all good, nothing was sent")
    else:
        click.echo(f"changed: {', '.join(f'{what} {count}' for what, count in counts.items())}")


def _read(table: Table[Any], path: Path, known: Known) -> Parsed[Any]:
    content = path.read_bytes()
    with progress(f"reading {path}", content.count(b"\n")) as tick:
        return parse(table, content, str(path), known, tick)


class BadRows(Exception):
    """The daemon found rows that it cannot take."""

    def __init__(self, rows: Sequence[BadRow]) -> None:
        """Keep them by file, line and column."""
        super().__init__(f"{len(rows)} bad rows")
        self.rows = rows


def _unwatched(_rows: int) -> AbstractContextManager[None]:
    return nullcontext()


def send(
    client: Client,
    sheets: Sequence[Parsed[Row]],
    import_id: str,
    chunk_bytes: int,
    *,
    watched: Callable[[int], AbstractContextManager[None]] = _unwatched,
) -> Map:
    """Stage every row and apply them together.

    `watched` is entered with the number of rows while many are being applied.

    Returns:
        What the daemon says changed: `skus`, `listings`, `stock`.

    Raises:
        BadRows: nothing was applied.
        Refusal, Unreachable: nothing was applied, unless the connection broke during the last command: then all of it
            may happen all the same, and to send it again does no harm.
    """
    rows = [row for sheet in sheets for row in sheet.rows]
    try:
        with progress("sending", len(rows)) as tick:
            sent = 0
            for chunk, count in build_chunks(rows, chunk_bytes):
                client.call("IMPORT", "STAGE", import_id, chunk)
                sent += count
                tick(sent)
        if len(rows) >= WORTH_TELLING:
            _check(client, import_id, len(rows))
        with watched(len(rows)) if len(rows) >= WORTH_TELLING else nullcontext():
            return as_map(client.call("IMPORT", "APPLY", import_id, seconds_max=_APPLY_SECONDS_MAX))
    except BaseException as error:
        with suppress(Refusal, Unreachable):
            client.call("IMPORT", "DROP", import_id)
        if isinstance(error, Refusal) and error.code == "BADROWS":
            raise BadRows(_locate(error, sheets)) from error
        raise


def _check(client: Client, import_id: str, total: int) -> None:
    """Let the daemon read and plan the rows a few at a time, which is what takes long."""
    with progress("checking", total) as tick:
        done = False
        while not done:
            answer = as_map(client.call("IMPORT", "CHECK", import_id, "ROWS", str(_CHECK_ROWS)))
            done = bool(answer["done"])
            tick(int(answer["checked"]))


@contextmanager
def _watched(invocation: Invocation, rows: int) -> Iterator[None]:
    """Show how far the daemon is while the block waits for it: asked on a connection of its own, in a thread."""
    over = Event()

    def ask() -> None:
        with suppress(Refusal, Unreachable), connected(invocation) as client:
            watch(client, rows, tick, partial(over.wait, _ASKED_SECONDS))

    with progress("applying", rows) as tick:
        thread = Thread(target=ask, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def watch(client: Client, rows: int, tick: Tick, wait_over: Callable[[], bool]) -> None:
    """Tell `tick` how many rows are done, as far as pieces say, until `wait_over` returns True."""
    while not wait_over():
        status = as_map(client.call("IMPORT", "STATUS"))
        pieces, left = int(status["pieces"]), int(status["pieces_left"])
        if left:
            tick(rows * (pieces - left) // pieces)


def build_chunks(rows: Sequence[Row], bytes_max: int) -> Iterator[tuple[bytes, int]]:
    """Yield rows as JSON lists of at most `bytes_max`, with their number; a row that is longer goes alone."""
    chunk: list[bytes] = []
    size = 2  # the brackets
    for row in map(msgspec.json.encode, rows):
        if chunk and size + len(row) + 1 > bytes_max:
            yield b"[" + b",".join(chunk) + b"]", len(chunk)
            chunk, size = [], 2
        chunk.append(row)
        size += len(row) + 1
    if chunk:
        yield b"[" + b",".join(chunk) + b"]", len(chunk)


def _chunk_bytes(settings: Settings) -> int:
    return min(CHUNK_BYTES, settings.socket.command_bytes_max - _SPARE_BYTES)


class _Found(msgspec.Struct):
    """One problem of BADROWS."""

    row: int
    problem: str
    field: str = ""


def _locate(refusal: Refusal, sheets: Sequence[Parsed[Row]]) -> list[BadRow]:
    """Say where the rows that the daemon counted stand in the files."""
    try:
        found = msgspec.json.decode(refusal.text, type=list[_Found])
    except msgspec.DecodeError:
        raise refusal from None
    places = [(sheet, number) for sheet in sheets for number in range(len(sheet.rows))]
    bad = []
    for problem in found:
        if not 0 <= problem.row < len(places):
            raise refusal
        sheet, number = places[problem.row]
        line, column = sheet.locate(number, problem.field)
        bad.append(BadRow(sheet.file, line, column, problem.problem))
    return bad


def _report(ctx: click.Context, invocation: Invocation, bad: Sequence[BadRow], ending: type[Unusable]) -> None:
    """Print the bad rows and end."""
    if invocation.as_json:
        print_json({"bad_rows": msgspec.to_builtins(bad)})
        ctx.exit(ending.exit_code)
    lines = [str(row) for row in bad[:_SHOWN_MAX]]
    if len(bad) > _SHOWN_MAX:
        lines.append(f"... and {len(bad) - _SHOWN_MAX} more; --json prints all")
    lines.append(f"{len(bad)} problem{'' if len(bad) == 1 else 's'}; nothing was imported")
    raise ending(lines)
