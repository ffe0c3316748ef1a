"""A client of the daemon: asks, remembers under which id, and asks again until it knows."""

import random
from collections import Counter
from typing import Final

import trio

from ops.simulate.answers import LOST, Answer, Words
from ops.simulate.daemon import Connection, Host
from ops.simulate.story import Story

AGAIN: Final = frozenset({"BUSY", "STALLED", "SHUTTINGDOWN", "MERGED"})
"""What may be asked again, as docs/socket.md says."""
_PATIENCE_SECONDS: Final = (0.1, 4.0)
_ANSWER_SECONDS_MAX: Final = 40.0
"""A client that hears nothing for so long takes its connection for dead."""


class Till:
    """One person's or program's way to the daemon."""

    def __init__(self, who: str, host: Host, story: Story, counts: Counter[str], rng: random.Random) -> None:
        """Count every command and kind of answer in `counts`."""
        self.who = who
        self.rng = rng
        self._host = host
        self._story = story
        self._counts = counts
        self._connection: Connection | None = None

    async def ask(self, words: Words, *subjects: str, quiet: bool = False) -> Answer:
        """Ask once."""
        if self._connection is None or self._connection.life is not self._host.life:
            self._connection = self._host.connect()
        answer = LOST
        with trio.move_on_after(_ANSWER_SECONDS_MAX):
            answer = await self._host.ask(self._connection, words)
        if answer.lost:
            self._connection = None
        verb = words[0] if words[0] not in _TWO_WORDS else f"{words[0]} {words[1]}"
        self._counts[f"command {verb}"] += 1
        self._counts[f"answer {'lost' if answer.lost else answer.code or 'good'}"] += 1
        if not quiet:
            self._story.tell(self.who, f"{' '.join(words)} -> {answer}", *subjects)
        return answer

    async def insist(self, words: Words, *subjects: str, tries: int | None = None, quiet: bool = False) -> Answer:
        """Ask until there is an answer that tells something, or `tries` times."""
        while True:
            answer = await self.ask(words, *subjects, quiet=quiet)
            if not answer.lost and answer.code not in AGAIN:
                return answer
            if tries is not None:
                tries -= 1
                if tries <= 0:
                    return answer
            await self.wait()

    async def wait(self) -> None:
        """Wait a moment before asking again."""
        await trio.sleep(self.rng.uniform(*_PATIENCE_SECONDS))


_TWO_WORDS: Final = frozenset({"CAMPAIGN", "CHANNEL", "IMPORT", "ITEM", "PO", "RECIPE", "RULES", "TRANSFER"})
