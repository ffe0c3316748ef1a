"""What clients of the daemon ask, and what they get."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import hiredis

Words: TypeAlias = Sequence[str]


class Answer(NamedTuple):
    """What a client got for one command."""

    value: Any = None
    """Maps, lists, texts and numbers as RESP3 has them."""
    error: str = ""
    """`CODE text` of a refusal."""
    lost: bool = False
    """Nobody knows: there was no daemon, or it died, or the connection broke."""

    @property
    def code(self) -> str:
        """First word of the error; empty: none."""
        return self.error.partition(" ")[0]

    @property
    def good(self) -> bool:
        """Whether it was done."""
        return not self.lost and not self.error

    def __str__(self) -> str:
        return "lost" if self.lost else self.error or _brief(self.value)


LOST: Final = Answer(lost=True)


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 300 else f"{text[:300]}..."


def parse_answer(data: bytes) -> Answer:
    """Read a reply of the socket."""
    reader = hiredis.Reader(encoding="utf-8", errors="backslashreplace")
    reader.feed(data)
    value = reader.gets()
    if isinstance(value, hiredis.ReplyError):
        return Answer(error=str(value))
    return Answer(value=value)
