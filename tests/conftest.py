"""What every test may count on."""

from collections.abc import Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def loggers_that_nobody_keeps(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give structlog back as it was: a command that runs in this process configures it for good, as a process may.

    A module's logger that was kept then would write where that command wrote, whatever later tests want to hear.
    """
    configure = structlog.configure

    def configure_for_a_test(**settings: Any) -> None:
        configure(**settings | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_for_a_test)
    yield
    structlog.reset_defaults()
