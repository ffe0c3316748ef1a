"""The measurement of snapshots measures what it says: tiny, with real processes."""

import shutil
from pathlib import Path

import msgspec
import pytest
import trio

from adapters.store.sqlite_reader import open_to_read
from config.loader import load_settings
from engine.domain.units import Sku
from ops.bench.load import Load
from ops.bench.longjournal import ACCOUNTS, HERE, write_long_journal
from ops.bench.snapshots import Cost, Report, configure, describe, measure_cost, measure_recovery
from ops.bystander import build_bystander
from ops.clock import SteadyClock
from ops.recovery import catch_up


def test_the_journal_is_one_that_a_seller_leaves_behind(tmp_path: Path) -> None:
    """Every order shipped, every hold given back, each SKU listed on each account and pushed there."""
    path = tmp_path / "journal.sqlite3"
    settings = load_settings(configure(tmp_path, snapshots=True), secrets=())

    async def read() -> None:
        written = await write_long_journal(path, 2000, 20)
        source, node = open_to_read(path, alone=True), build_bystander(settings, SteadyClock())
        assert (await catch_up(node, source)).events == written.events
        assert node.journal.position == written.frames
        turns = (written.events - 20 * (3 + len(ACCOUNTS))) // 23
        assert len(node.desk.orders) == turns
        book = node.router.ledger_of(Sku("SKU-000000")).books[Sku("SKU-000000")]
        assert not book.holds
        position = book.positions[HERE]
        assert (position.on_hand, position.committed, position.reserved) == (10**6 + -(-turns // 20), 0, 0)
        for account in node.accounts.values():
            (offer,) = account.pusher.offers_of(Sku("SKU-000000"))
            assert [push.quantity for push in offer.pushes] == [7] * len(offer.pushes)
            assert offer.pushes
        await source.aclose()

    trio.run(read)


@pytest.mark.process
@pytest.mark.slow
def test_both_starts_are_measured(tmp_path: Path) -> None:
    found = measure_recovery(3000, 20, 2000, tmp_path)
    assert found.made.made
    assert found.made.position == found.from_snapshot.frames
    assert 0 < found.from_snapshot.cpu_seconds < 60
    assert found.from_journal.frames < found.from_snapshot.frames
    said = describe(Report(found, None))
    assert f"20 SKUs; 3000 events in {found.from_snapshot.frames} frames" in said


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="redis-benchmark drives it")
def test_holds_are_measured_with_and_without() -> None:
    found = measure_cost(1, Load("64x16", 64, 16, 1024))
    assert (len(found.alone), len(found.beside)) == (1, 1)
    assert found.made >= 1


def test_what_it_costs_is_the_middle_of_the_rounds() -> None:
    cost = Cost((100.0, 200.0, 100.0), (95.0, 100.0, 99.0), 7, 1.0, 1.0)
    assert cost.lost == pytest.approx(0.05)
    assert "5.0% less, must be under 10%: met" in describe(Report(None, cost))
    missed = msgspec.structs.replace(cost, beside=(50.0, 50.0, 50.0))
    assert "MISSED" in describe(Report(None, missed))
