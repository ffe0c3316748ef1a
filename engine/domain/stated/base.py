"""What all statements have in common, and who makes them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

import msgspec


class BaseStatement(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    gc=False,
):
    """A part of what an owner knew at a position of the journal. Defaults are not written, so they are forever too."""


class Stateful(Protocol):
    """An owner whose state the journal brought about, and which can say all of it.

    The law: told to one that knows nothing, by `restore` and in their order, these statements bring it to where this
    one is: it says the same of itself, and whatever happens next does the same to both.
    """

    def state(self, as_of: datetime) -> Iterator[Any]:
        """Say what has to be known: statements, or events that `restore` takes for what they say.

        In an order that depends on what is known and not on how it came about, and without what means nothing (zeros,
        what `as_of` lets be forgotten): two owners that know the same say the same, byte for byte.

        Args:
            as_of: what may be forgotten by then is not said; at or after the last event.
        """
        ...

    def restore(self, statement: Any) -> None:  # noqa: ANN401 - each owner knows its own
        """Take in one of them, before anything has happened here."""
        ...
