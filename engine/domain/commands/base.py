"""What all commands and answers have in common."""

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One message; built by whoever has checked identifiers and bounds."""
