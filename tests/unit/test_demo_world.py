"""What the demo draws by its seed, and how it ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ops.demo import run
from ops.demo.sale import popularity
from ops.demo.world import SKUS, draw_stock


def test_a_seed_draws_the_same_stock_again_and_another_seed_another() -> None:
    assert draw_stock(Random("7/stock")) == draw_stock(Random("7/stock"))
    assert draw_stock(Random("7/stock")) != draw_stock(Random("8/stock"))


def test_there_are_last_units_and_more_than_the_sale_can_move() -> None:
    stock = draw_stock(Random("7/stock"))
    assert list(stock) == [f"SKU-{number:05}" for number in range(1, SKUS + 1)]
    assert min(stock.values()) == 1
    assert max(stock.values()) > 100
    assert sum(units == 1 for units in stock.values()) > 5


def test_a_few_skus_are_what_everybody_came_for() -> None:
    skus = [f"SKU-{number:05}" for number in range(1, SKUS + 1)]
    weights = popularity(skus, Random("7/popularity"))
    assert list(weights) == skus
    assert weights == popularity(skus, Random("7/popularity"))
    heaviest = sorted(weights.values(), reverse=True)
    assert heaviest[0] == 1.0
    assert sum(heaviest[:20]) > sum(heaviest[20:])


@pytest.mark.parametrize(
    ("verdicts", "code", "looks"),
    [([True], 0, 1), ([False, True], 0, 2), ([False] * 4, 1, 3), (None, 1, 1)],
    ids=["right", "right at the second look", "wrong", "never at rest"],
)
def test_the_exit_code_is_the_verdict(
    verdicts: list[bool] | None,
    code: int,
    looks: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever the sale was like: a report that is not ok may not end with 0. What moved is looked at again."""
    told: list[bool] = []

    @asynccontextmanager
    async def no_world(folder: Path, _offers: str) -> AsyncIterator[Path]:
        yield folder

    async def nothing(*_: object) -> None:
        pass

    async def settled(*_: object) -> bool:
        return verdicts is not None

    async def report(*_: object, settled: bool) -> dict[str, Any]:
        told.append(settled)
        return {"ok": verdicts is not None and verdicts[len(told) - 1], "buffer": {}}

    monkeypatch.setattr(run, "build_world", no_world)
    for name in ("stock_shelves", "_wait_shown", "open_doors", "_watch", "run_storefront", "close_doors"):
        monkeypatch.setattr(run, name, nothing)
    monkeypatch.setattr(run, "_settle", settled)
    monkeypatch.setattr(run, "_report", report)
    assert run.run_demo(seed=7, seconds=1, buffer="none", keep=False, as_json=True) == code
    printed = json.loads(capsys.readouterr().out)
    assert (printed["ok"], printed["seed"], printed["seconds"]) == (code == 0, 7, 1)
    assert len(told) == looks
