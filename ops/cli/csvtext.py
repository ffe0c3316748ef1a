"""CSV as spreadsheets really write it: bytes in, records with their line numbers out."""

import csv
import io
from collections.abc import Iterator
from typing import Final

import msgspec

from ops.cli.csvcells import unguard

_DELIMITERS: Final = ",;\t"
"""Spreadsheets write semicolons where the comma is the decimal sign."""
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class BadRow(msgspec.Struct, frozen=True):
    """One thing that is wrong with a file."""

    file: str
    line: int
    """From 1, the line with the column names; of a record over several lines, its first."""
    column: str
    """The column's name as the file spells it; empty for the line as a whole."""
    problem: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {f'{self.column}: ' if self.column else ''}{self.problem}"


class Sheet:
    """The records of one file; `bad` grows while they are read."""

    def __init__(self, content: bytes, file: str) -> None:
        """Decode `content`; `file` is how messages name it."""
        self.bad: list[BadRow] = []
        self._file = file
        self._unreadable: set[int] = set()
        text = self._decode(content)
        first = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=first.count)  # the first of them when there is none
        # strict: a stray quote is an error, not a part of the field
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line and cells, blanks at the ends taken off; empty records are left out."""
        while True:
            line = self._reader.line_num + 1
            try:
                cells = [unguard(cell.strip()) for cell in next(self._reader)]
            except StopIteration:
                return
            except csv.Error as error:
                self.note(line, "", f"broken quotes ({error}); the rest of the file was not read")
                return
            if any(cells):
                yield line, cells

    def note(self, line: int, column: str, problem: str) -> None:
        """Record a problem, unless the line could not be read in the first place."""
        if line not in self._unreadable:
            self.bad.append(BadRow(self._file, line, column, problem))

    def _decode(self, content: bytes) -> str:
        if content.startswith(_UTF16_MARKS):
            self.note(1, "", "is UTF-16: save the file as CSV UTF-8")
            return ""
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            for line, text in enumerate(content.splitlines(), 1):
                self._check_line(line, text)
            return content.decode("utf-8-sig", errors="replace")

    def _check_line(self, line: int, text: bytes) -> None:
        try:
            text.decode()
        except UnicodeDecodeError as error:
            self.note(line, "", f"byte {error.start + 1} (0x{text[error.start]:02x}) is not UTF-8: save as CSV UTF-8")
            self._unreadable.add(line)
