"""What tables for reading have in common, wherever they are kept: how far they are, and what can be wrong with them."""

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from engine.domain.errors import StockError


class ReadingError(StockError):
    """The tables cannot be used until somebody changes something; the journal has lost nothing."""


class ReadingUnavailable(ReadingError):
    """The server does not answer, or has no room; nothing was written that the next one will not find."""


class Mark(NamedTuple):
    """How far the tables have come."""

    position: int
    written_at: datetime
    """When that frame was written."""
    digest: int
    """Of that frame: tells another journal of the same length."""


def announce(hint: Path, position: int) -> None:
    """After a commit: tell in a file of a few bytes how far it is, for who must not wait for a database.

    Raises:
        ReadingError: it cannot be written.
    """
    fresh = hint.with_suffix(".position-new")
    try:
        fresh.write_text(f"{position}\n", encoding="ascii")
        fresh.replace(hint)
    except OSError as error:
        raise ReadingError(f"{hint}: {error.strerror or error}") from error


def check_version(place: str, version: int, *, known: int, mend: str) -> bool:
    """Say whether tables are of this version; False: of an older one, to be made anew.

    Raises:
        ReadingError: they are of a newer one, which somebody may be keeping.
    """
    if version > known:
        raise ReadingError(
            f"{place}: the tables are of a newer lastunit (version {version}, this one knows {known});"
            f" to have them made anew by this one, {mend}"
        )
    return version == known
