"""What options of every section are made of: bounds, names, secrets, and the table itself."""

from typing import Annotated

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="1 to 63 letters, digits, dots, dashes or underscores, a letter or digit first",
    ),
]
"""Names end up in metrics labels, URLs and log lines: letters, digits, dot, dash, underscore; at most 63."""


class Secret:
    """A value that is never shown: `repr` and `str` are `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold `value`; read it back with `reveal()`, at the one place that needs it."""
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. An unknown key is an error: a misspelt option must not be a default."""
