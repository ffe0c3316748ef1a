"""`import`: CSV files in, all rows or none."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import msgspec

from config.schema import Settings
from ops.cli.client import Client, Map, as_map
from ops.cli.csvfiles import CATALOGUE, LISTINGS, STOCK, Known, Parsed, Row, parse
from ops.cli.csvtext import BadRow
from ops.cli.errors import Refusal, RowsRefused, Unreachable, Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import print_json
from ops.cli.session import connected, data_options, load_client_settings

CHUNK_BYTES: Final = 1 << 20
"""Rows in one `IMPORT STAGE`; large enough to be quick, small enough for the daemon's other clients."""
_SPARE_BYTES: Final = 1024
"""What the words before the rows take of `socket.command_bytes_max`."""
_APPLY_SECONDS_MAX: Final = 600.0
_SHOWN_MAX: Final = 1000
"""Bad rows printed for people; --json prints all."""

_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("import")
@data_options
@click.option("--catalogue", type=_FILE, help="sku, name, optionally safety_stock or safety_stock:<location>.")
@click.option("--listings", type=_FILE, help="account, listing, sku, optionally pack_units.")
@click.option("--stock", type=_FILE, help="sku, location, on_hand: opening stock.")
@click.option("--dry-run", is_flag=True, help="Check the files, send nothing.")
@click.pass_context
def import_(
    ctx: click.Context,
    invocation: Invocation,
    *,
    catalogue: Path | None,
    listings: Path | None,
    stock: Path | None,
    dry_run: bool,
) -> None:
    """Bring in SKUs, listings and opening stock from CSV files: all rows or none.

    The first line names the columns, in any order. Safety stock is written as "berlin=2;hamburg=1", or in one column
    per location, safety_stock:berlin. Every bad row is named by file, line and column.
    """
    given = [(table, path) for table, path in ((CATALOGUE, catalogue), (LISTINGS, listings), (STOCK, stock)) if path]
    if not given:
        raise click.UsageError("nothing to import: give --catalogue, --listings or --stock")
    settings = load_client_settings(invocation)
    known = Known(tuple(place.id for place in settings.locations), tuple(account.id for account in settings.accounts))
    sheets = [parse(table, path.read_bytes(), str(path), known) for table, path in given]
    bad = [row for sheet in sheets for row in sheet.bad]
    if bad:
        _report(ctx, invocation, bad, Unusable)
    counts: Map = {sheet.file: len(sheet.rows) for sheet in sheets}
    if not dry_run:
        with connected(invocation) as client:
            try:
                counts = send(client, sheets, secrets.token_hex(8), _chunk_bytes(settings))
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


class BadRows(Exception):
    """The daemon found rows that it cannot take."""

    def __init__(self, rows: Sequence[BadRow]) -> None:
        """Keep them by file, line and column."""
        super().__init__(f"{len(rows)} bad rows")
        self.rows = rows


def send(client: Client, sheets: Sequence[Parsed], import_id: str, chunk_bytes: int) -> Map:
    """Stage every row and apply them together.

    Returns:
        What the daemon says changed: `skus`, `listings`, `stock`.

    Raises:
        BadRows: nothing was applied.
        Refusal, Unreachable: nothing was applied, unless the connection broke during the last command.
    """
    try:
        for chunk in build_chunks([row for sheet in sheets for row in sheet.rows], chunk_bytes):
            client.call("IMPORT", "STAGE", import_id, chunk)
        return as_map(client.call("IMPORT", "APPLY", import_id, seconds_max=_APPLY_SECONDS_MAX))
    except BaseException as error:
        with suppress(Refusal, Unreachable):
            client.call("IMPORT", "DROP", import_id)
        if isinstance(error, Refusal) and error.code == "BADROWS":
            raise BadRows(_locate(error, sheets)) from error
        raise


def build_chunks(rows: Sequence[Row], bytes_max: int) -> Iterator[bytes]:
    """Yield rows as JSON lists of at most `bytes_max`; a row that is longer goes alone."""
    chunk: list[bytes] = []
    size = 2  # the brackets
    for row in map(msgspec.json.encode, rows):
        if chunk and size + len(row) + 1 > bytes_max:
            yield b"[" + b",".join(chunk) + b"]"
            chunk, size = [], 2
        chunk.append(row)
        size += len(row) + 1
    if chunk:
        yield b"[" + b",".join(chunk) + b"]"


def _chunk_bytes(settings: Settings) -> int:
    return min(CHUNK_BYTES, settings.socket.command_bytes_max - _SPARE_BYTES)


class _Found(msgspec.Struct):
    """One problem of BADROWS."""

    row: int
    problem: str
    field: str = ""


def _locate(refusal: Refusal, sheets: Sequence[Parsed]) -> list[BadRow]:
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
