"""What stands in one cell: lists, pairs, and text that a spreadsheet must not take for a formula. Writes and reads.

A list is `a;b` or `a|b`, a pair `name=value`; a backslash in front of one of these characters, or of itself, makes it
an ordinary one.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

_SPECIAL: Final = re.compile(r"([\\;|=])")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_PIECES: Final = re.compile(r"((?:[^\\;|]|\\.)*)(?:[;|]|$)", re.DOTALL)
_NAME: Final = re.compile(r"((?:[^\\=]|\\.)*)=(.*)", re.DOTALL)
_FORMULA: Final = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""What spreadsheets run: https://owasp.org/www-community/attacks/CSV_Injection, wide forms included."""


def split_list(cell: str) -> list[str]:
    """Return the pieces of a list without blanks at their ends; empty ones are left out."""
    return [piece for piece in map(_plain, split_raw(cell)) if piece]


def split_raw(cell: str) -> Iterator[str]:
    """Yield the pieces of a list as they are written."""
    for found in _PIECES.finditer(cell):
        if found[1].strip():
            yield found[1]


def split_pair(piece: str) -> tuple[str, str] | None:
    """Return name and value of `name=value`; None when there is no `=`."""
    found = _NAME.fullmatch(piece)
    return None if found is None else (_plain(found[1]), _plain(found[2]))


def join_list(pieces: Iterable[str]) -> str:
    """Write a list, so that `split_list` gives it back."""
    return ";".join(map(_escape, pieces))


def join_pairs(pairs: Mapping[str, object]) -> str:
    """Write pairs, so that `split_raw` and `split_pair` give them back."""
    return ";".join(f"{_escape(name)}={_escape(str(value))}" for name, value in pairs.items())


def guard(cell: str) -> str:
    """Put an apostrophe in front of what a spreadsheet would run, and of what looks like that already guarded."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """Take the apostrophe away that `guard` put there."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", text.strip())
