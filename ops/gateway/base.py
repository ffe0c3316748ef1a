"""What all bodies and answers are made of."""

from typing import Annotated

import msgspec

from engine.domain.units import ID_BYTES_MAX, UNITS_MAX
from ops.sizes import TEXT_CHARACTERS_MAX

Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_BYTES_MAX)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=UNITS_MAX)]
Level = Annotated[int, msgspec.Meta(ge=0, le=UNITS_MAX)]
"""A quantity that may be 0."""
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
"""Words for people, on one line."""


class In(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A body. An unknown field is an error: a misspelt one must not be ignored."""


class Out(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. No quantity has a default: what the daemon does not tell is not zero."""
