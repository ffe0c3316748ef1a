"""What one call of `lastunit` was told before its command: small, because every call imports it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Invocation:
    """The options that all commands share."""

    config: Path = Path("lastunit.toml")
    as_json: bool = False
    connect: Callable[[], Any] | None = None
    """Makes a client in place of the configured one; for tests."""
