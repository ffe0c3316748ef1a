"""What happened, line by line: the same seed tells the same story, byte for byte."""

import hashlib
from collections.abc import Collection
from typing import NamedTuple

import trio


class Line(NamedTuple):
    """One thing that happened."""

    at: float
    """Seconds since the run began."""
    who: str
    text: str
    subjects: tuple[str, ...]
    """SKUs, listings, orders, holds and accounts that it concerns; empty: everybody."""

    def __str__(self) -> str:
        return f"t={self.at:.3f} {self.who}: {self.text}"


class Story:
    """Grows at its end; a run's is some ten thousand lines."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self.lines: list[Line] = []

    def tell(self, who: str, text: str, *subjects: str) -> None:
        """Add a line."""
        self.lines.append(Line(trio.current_time(), who, text, subjects))

    def tail(self, subjects: Collection[str], lines_max: int) -> list[Line]:
        """Return the last lines that concern any of the subjects, or everybody."""
        wanted = set(subjects)
        found = [line for line in self.lines if not line.subjects or not wanted or wanted & set(line.subjects)]
        return found[-lines_max:]

    def digest(self) -> str:
        """Return a digest of all lines."""
        return hashlib.sha256("\n".join(map(str, self.lines)).encode()).hexdigest()
