"""What the tests of the REST interface stand on: one gateway for each file of them, before a daemon of the test's."""

from collections.abc import Iterator

import httpx
import pytest

from tests.fakes.daemon import FakeDaemon
from tests.fakes.gateway import RunningGateway, configure, connect


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeDaemon, int]]:
    folder = tmp_path_factory.mktemp("gw")
    with FakeDaemon(folder / "d.sock") as daemon, RunningGateway(configure(folder)) as gateway:
        yield daemon, gateway.port


@pytest.fixture
def daemon(stage: tuple[FakeDaemon, int]) -> FakeDaemon:
    stage[0].reset()
    return stage[0]


@pytest.fixture
def api(stage: tuple[FakeDaemon, int], daemon: FakeDaemon) -> Iterator[httpx.Client]:
    with connect(stage[1]) as client:
        yield client
