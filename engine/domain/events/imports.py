"""An import on its way into the books: its pieces, then the word that all of it is to happen, then piece by piece.

What a piece does stands in the journal as ordinary events, in the frame of the `ImportAdvanced` that counts it. Nobody
but who carries an import out needs to know of these three.
"""

from typing import Annotated

import msgspec

from engine.domain.events.base import BaseEvent

Count = Annotated[int, msgspec.Meta(ge=0)]


class ImportStaged(BaseEvent, frozen=True, kw_only=True, tag="import_staged", gc=False):
    """A piece of an import, kept for later. Nothing of it has happened, or ever will unless it is decided."""

    number: Count
    """Which import: the journal's position when it began."""
    piece: Count
    """From 0, without gaps."""
    packed: bytes
    """`engine.domain.catalogue.pieces.unpack` reads it."""


class ImportDecided(BaseEvent, frozen=True, kw_only=True, tag="import_decided", gc=False):
    """From here on all of an import will happen, whoever may die meanwhile."""

    number: Count
    pieces: Count
    """How many were staged."""
    by: str = ""


class ImportAdvanced(BaseEvent, frozen=True, kw_only=True, tag="import_advanced", gc=False):
    """One more piece of an import has happened: by the events in front of this one in its frame."""

    number: Count
    applied: Count
    """Pieces so far, this one included; all of them: it is over."""


ImportEvent = ImportStaged | ImportDecided | ImportAdvanced
