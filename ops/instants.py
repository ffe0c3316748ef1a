"""Instants as people and programs write them: always with an offset."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

_UNIX_SECONDS: Final = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RULE: Final = "must be an instant with its offset, as 2026-11-11T12:00:00+08:00, or unix seconds"


def read_instant(text: str) -> datetime:
    """Read RFC 3339 with an offset, or unix seconds; return it in UTC.

    A local time without an offset is refused: in one night of the year its hour comes twice, and a server's zone is
    rarely that of the shelf.

    Raises:
        ValueError: says the rule.
    """
    try:
        if _UNIX_SECONDS.fullmatch(text):
            return _EPOCH + timedelta(seconds=float(text))
        instant = msgspec.convert(text, datetime)
        if instant.tzinfo is None:
            raise ValueError(f"says no offset; {_RULE}")
        return instant.astimezone(UTC)
    except msgspec.ValidationError:
        raise ValueError(_RULE) from None
    except OverflowError:
        raise ValueError("must be from year 1 to 9999 in UTC; are these milliseconds?") from None
