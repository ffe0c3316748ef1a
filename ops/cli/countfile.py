"""The file of `lastunit count FILE.csv`: what was counted, a row per SKU and location."""

from collections.abc import Callable
from typing import Final

import msgspec

from config.rules import show
from ops.cli.csvfiles import Cells, Known, Table, parse
from ops.cli.csvtext import BadRow
from ops.cli.movementfile import Said
from ops.instants import read_instant


class Sheet(msgspec.Struct, frozen=True):
    """What holds for every row that does not say otherwise."""

    location: str | None
    at: str | None
    """None: every row names it, so that the same sheet later is still the same count."""
    blind: bool
    signed: tuple[str, ...] = ()
    """Options that say who enters it and what paper it belongs to."""


COLUMNS: Final = ("location", "at", "key", "ref")


def read_counts(content: bytes, file: str, known: Known, sheet: Sheet) -> tuple[list[Said], list[BadRow]]:
    """Read a count sheet.

    A row without a key is named after its location and instant, so that the same sheet twice counts once.

    Returns:
        One COUNT per row, and every problem; with a problem nothing is to be sent.
    """
    needed = tuple(name for name in ("location", "at") if getattr(sheet, name) is None)
    table = Table(
        ("sku", "counted", *needed),
        tuple(column for column in COLUMNS if column not in needed),
        (),
        _row(sheet),
    )
    parsed = parse(table, content, file, known)
    bad = list(parsed.bad)
    said: list[Said] = []
    first: dict[tuple[str, ...], int] = {}
    for words, line in zip(parsed.rows, parsed.lines, strict=True):
        if (before := first.setdefault((words[2], words[1]), line)) != line:
            bad.append(
                BadRow(file, line, parsed.columns.get("sku", "sku"), f"the same sku and key as in line {before}")
            )
        said.append(Said(words, [line]))
    return said, sorted(bad, key=lambda row: row.line)


def _row(sheet: Sheet) -> Callable[[Cells], list[str]]:
    def build(cells: Cells) -> list[str]:
        sku = cells.identifier("sku")
        counted = cells.units("counted", cells.get("counted"))
        location = cells.get("location") or sheet.location or ""
        if not sheet.location or cells.get("location"):
            cells.one_of("location", "location", cells.known.locations)
        at = cells.get("at") or sheet.at or ""
        try:
            read_instant(at)
        except ValueError as error:
            cells.bad.append(("at", f"{show(at)}: {error}"))
        key = cells.identifier("key") if cells.get("key") else f"count:{location}:{at}"
        words = [
            "COUNT",
            key,
            sku,
            location,
            str(counted),
            "AT",
            at,
            *(["BLIND"] if sheet.blind else []),
            *sheet.signed,
        ]
        if reference := cells.get("ref"):
            if "REF" in sheet.signed:
                cells.bad.append(("ref", "stands in --ref too"))
            words += ["REF", reference]
        return words

    return build
