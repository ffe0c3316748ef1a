"""How far the import is that was begun last: staged, decided, piece by piece done. One at a time."""

from collections.abc import Iterator
from datetime import datetime

from engine.domain.events import ImportAdvanced, ImportDecided, ImportEvent, ImportStaged
from engine.domain.stated.imports import ImportStated, PieceStated


class Underway:
    """What the journal says of it, live and in replay alike; bounded by the pieces of one import."""

    def __init__(self) -> None:
        """Know of none."""
        self.number = 0
        self._pieces: list[bytes] = []
        """The next one last; in the order of staging until decided."""
        self.is_decided = False
        """Whether all of it will happen; False: nothing of it, or there is none."""
        self.applied = 0

    @property
    def left(self) -> int:
        """Pieces that are to be done; 0: nothing is decided that was not done."""
        return len(self._pieces) if self.is_decided else 0

    @property
    def next_piece(self) -> bytes:
        """The piece to be done now."""
        assert self.left, "an import is decided and not over"
        return self._pieces[-1]

    def apply(self, event: ImportEvent) -> None:
        """Take in one event. An import that begins makes the one before it, which was never decided, forgotten."""
        match event:
            case ImportStaged(number=number, piece=piece, packed=packed):
                assert not self.is_decided, f"import {number} begins while import {self.number} is under way"
                if piece == 0:
                    self.number, self._pieces = number, []
                assert (number, piece) == (self.number, len(self._pieces)), "pieces are staged in order"
                self._pieces.append(packed)
            case ImportDecided(number=number, pieces=pieces):
                assert (number, pieces) == (self.number, len(self._pieces)), "what is decided is what was staged"
                self._pieces.reverse()
                self.is_decided, self.applied = True, 0
            case ImportAdvanced(number=number, applied=applied):
                assert self.is_decided, f"import {number} was not decided"
                assert (number, applied) == (self.number, self.applied + 1), "each piece is done once, in order"
                self._pieces.pop()
                self.applied = applied
                self.is_decided = bool(self._pieces)

    # -- as statements (`engine.domain.stated.Stateful`)

    def state(self, as_of: datetime) -> Iterator[PieceStated | ImportStated]:  # noqa: ARG002 - none goes by time
        """State the pieces that are not done, in the order in which they are to be, and how far the import is."""
        for packed in reversed(self._pieces) if self.is_decided else self._pieces:
            yield PieceStated(packed=packed)
        yield ImportStated(number=self.number, is_decided=self.is_decided, applied=self.applied)

    def restore(self, statement: PieceStated | ImportStated) -> None:
        """Take in a piece, or how far the import is."""
        if isinstance(statement, PieceStated):
            self._pieces.append(statement.packed)
            return
        self.number, self.is_decided, self.applied = statement.number, statement.is_decided, statement.applied
        if self.is_decided:
            self._pieces.reverse()
