"""Where storms rage, how long, and the report of what they came to."""

import os
import random
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.grounds import Ground, PostgresGround, SqliteGround
from tests.fakes.postgres import migrated_database, shared_server
from tests.fakes.storm import list_reports

SEED: Final = int(os.environ.get("SEED", "20261111"))
"""Repeats the clients' choices, not the scheduler's."""


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Chance of its own for every test."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture(params=["sqlite", "postgresql"])
async def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    """Each store in turn."""
    if request.param == "sqlite":
        return SqliteGround(tmp_path)
    return PostgresGround(tmp_path, await migrated_database(shared_server()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the storms came to: what `make crash` is run for."""
    lines = list_reports()
    if lines:
        terminalreporter.section(f"storms, seed {SEED}")
        for line in lines:
            terminalreporter.line(line)
