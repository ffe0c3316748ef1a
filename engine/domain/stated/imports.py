"""How far the newest import is."""

from engine.domain.stated.base import BaseStatement


class PieceStated(BaseStatement, frozen=True, kw_only=True, tag="piece_stated", gc=False):
    """A piece that is staged and not done; they stand in the order in which they are to be done."""

    packed: bytes


class ImportStated(BaseStatement, frozen=True, kw_only=True, tag="import_stated", gc=False):
    """The import whose pieces were stated."""

    number: int
    is_decided: bool = False
    applied: int = 0
