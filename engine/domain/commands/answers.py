"""Answers that any command may get."""

from engine.domain.commands.base import Message


class Done(Message, frozen=True, kw_only=True, gc=False):
    """Recorded; there is nothing more to say."""


class Refusal(Message, frozen=True, kw_only=True, gc=False):
    """No, and why: a code that is kept as API and a text for people."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"
