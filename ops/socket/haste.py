"""Waiting for a client that asks one thing after another: awake, as long as it takes it to ask again.

To go to sleep and to be woken costs the loop as long as such a client needs for its next command, and caches forget
meanwhile. So the loop stays with it for a moment, if it has been in haste just now; nobody else runs then.
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

T = TypeVar("T")

AWAKE_SECONDS: Final = 0.0001
"""How long to stay awake for one: twice what a client on the same machine takes."""
TOGETHER_SECONDS: Final = 0.002
"""How long to go on like that before others run: a few commits."""


class Haste(Generic[T]):
    """Knows whether the last client came back at once."""

    def __init__(self, look: Callable[[], Sequence[T]], clock: Callable[[], float]) -> None:
        """Watch what `look` returns: who is ready now.

        Args:
            look: must not block.
            clock: seconds, of real time also where the loop's are virtual.
        """
        self._look = look
        self._clock = clock
        self._until = 0.0
        self._left_at = float("-inf")

    def wake(self) -> Sequence[T]:
        """Return who is ready, after others have run."""
        now = self._clock()
        in_haste = now - self._left_at < AWAKE_SECONDS
        self._until = now + TOGETHER_SECONDS if in_haste else now
        return self._look()

    def stay(self) -> Sequence[T]:
        """Return who is ready next to the one client there was, which has its answer; nobody: let others run."""
        now = self._left_at = self._clock()
        ends = min(self._until, now + AWAKE_SECONDS)
        while now < ends:
            ready = self._look()
            if ready:
                return ready
            now = self._clock()
        return ()
