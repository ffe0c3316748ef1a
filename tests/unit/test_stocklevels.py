"""When a SKU runs low, runs out, is oversold and comes back."""

import pytest

from engine.domain.alerts import AlertKey, AlertKind
from engine.domain.events import SkuMerged, SkuRetired, SkuRevived
from engine.domain.units import Sku
from engine.machines.alerts.findings import Findings
from engine.machines.alerts.stocklevels import LowStockTerms, StockLevels
from tests.fakes.clocks import START

A = Sku("A")
LOW, OUT, NEGATIVE, BACK = (
    AlertKind.LOW_STOCK,
    AlertKind.OUT_OF_STOCK,
    AlertKind.NEGATIVE_ATP,
    AlertKind.STOCK_BACK,
)


class Shelf:
    """Bands of SKUs; every alert that could be open is taken to be open."""

    def __init__(
        self, *, units: int = 5, days: float = 0, sales: float | None = None, unsettled: tuple[AlertKey, ...] = ()
    ) -> None:
        self.findings = Findings(ignored=(), is_known=lambda _: True)
        self.findings.live = True
        self.sales = sales
        self.levels = StockLevels(
            self.findings,
            terms=LowStockTerms(units=units, days=days),
            terms_of={Sku("B"): LowStockTerms(units=50, days=0)},
            daily_sales=lambda _sku, _at: self.sales,
            unsettled=lambda key: key in unsettled,
        )

    def look(self, atp: int, sku: Sku = A) -> dict[AlertKind, str]:
        """Return what a level makes of alerts: `begins`, `ends` or `happens`, by kind."""
        self.levels.look(sku, atp, START)
        said = {}
        for (kind, subject), (finding, ended) in self.findings.take().items():
            assert subject == sku
            said[kind] = "ends" if finding is None else "happens" if ended else "begins"
        return said

    def text(self, atp: int, sku: Sku = A) -> str:
        self.levels.look(sku, atp, START)
        [finding] = [finding for finding, _ in self.findings.take().values() if finding is not None]
        return finding.text


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([10, 5], {LOW: "begins"}),
        ([10, 0], {OUT: "begins"}),
        ([10, -1], {NEGATIVE: "begins"}),
        ([5, 4], {}),
        ([3, 0], {OUT: "begins"}),
        ([0, -2], {NEGATIVE: "begins"}),
        ([-2, -3], {}),
        ([-2, 0], {NEGATIVE: "ends", OUT: "begins"}),
        ([-2, 3], {NEGATIVE: "ends", OUT: "ends", LOW: "begins", BACK: "happens"}),
        ([-2, 30], {NEGATIVE: "ends", OUT: "ends", LOW: "ends", BACK: "happens"}),
        ([0, 3], {OUT: "ends", LOW: "begins", BACK: "happens"}),
        ([0, 6], {OUT: "ends", LOW: "ends", BACK: "happens"}),
        ([5, 6], {LOW: "ends"}),
    ],
)
def test_a_change_of_level_begins_and_ends_alerts(levels: list[int], said: dict[AlertKind, str]) -> None:
    shelf = Shelf()
    for level in (100, *levels[:-1]):
        shelf.look(level)
    assert shelf.look(levels[-1]) == said


@pytest.mark.parametrize("atp", [-2, 0, 3, 5])
def test_what_was_empty_when_it_was_first_heard_of_is_no_news(atp: int) -> None:
    shelf = Shelf()
    assert "begins" not in shelf.look(atp).values()
    assert shelf.look(atp) == {}


@pytest.mark.parametrize("empty", [0, -2])
def test_the_first_stock_of_a_new_sku_is_no_news_either(empty: int) -> None:
    """A catalogue of 100,000 SKUs, some with safety stock, and then their opening stock: not one alert."""
    shelf = Shelf()
    shelf.look(empty)
    assert "happens" not in shelf.look(30).values()
    shelf.look(0)
    assert shelf.look(30)[BACK] == "happens", "the second time it is"


def test_what_an_order_takes_of_a_new_sku_is_news() -> None:
    shelf = Shelf()
    shelf.look(0)
    assert shelf.look(-1) == {NEGATIVE: "begins"}


def test_what_may_have_happened_just_before_a_restart_is_news() -> None:
    assert Shelf(unsettled=((OUT, A),)).look(0)[OUT] == "begins"


def test_alerts_that_are_not_true_any_more_end_at_the_first_look() -> None:
    assert Shelf().look(20) == {LOW: "ends", OUT: "ends", NEGATIVE: "ends"}
    assert Shelf().look(3) == {OUT: "ends", NEGATIVE: "ends"}


def test_thresholds_are_per_sku() -> None:
    shelf = Shelf()
    shelf.look(100, Sku("B"))
    assert shelf.look(50, Sku("B")) == {LOW: "begins"}
    assert shelf.text(0, Sku("B")) == "B: none is available"


def test_days_of_stock_are_measured_by_what_is_sold() -> None:
    shelf = Shelf(units=0, days=3, sales=4.0)
    shelf.look(100)
    assert shelf.look(12) == {}
    assert shelf.look(11) == {LOW: "begins"}
    shelf.look(100)
    assert shelf.text(8) == "A: 8 available, sold in 2.0 days at 4.00 a day (limit 3 days)"


@pytest.mark.parametrize("sales", [None, 0.0])
def test_what_is_not_sold_lasts(sales: float | None) -> None:
    shelf = Shelf(units=0, days=3, sales=sales)
    shelf.look(100)
    assert shelf.look(1) == {}


def test_zero_switches_low_stock_off() -> None:
    shelf = Shelf(units=0, days=0, sales=100.0)
    shelf.look(100)
    assert shelf.look(1) == {}
    assert shelf.look(0) == {OUT: "begins"}


def test_texts_name_the_value_and_the_rule() -> None:
    shelf = Shelf()
    shelf.look(100)
    assert shelf.text(4) == "A: 4 available (limit 5)"
    assert shelf.text(-3) == "A: 3 units more are promised or kept back than there are"


def test_a_retired_sku_may_run_out_but_not_be_oversold() -> None:
    shelf = Shelf()
    shelf.look(100)
    shelf.look(4)
    shelf.levels.retire(SkuRetired(at=START, sku=A))
    assert {kind for kind, _ in shelf.findings.take()} == {LOW, OUT}, "whichever is open ends"
    assert shelf.look(0) == {}
    assert shelf.look(-1) == {NEGATIVE: "begins"}
    assert shelf.look(3) == {NEGATIVE: "ends"} | {LOW: "ends", OUT: "ends"}
    shelf.levels.revive(SkuRevived(at=START, sku=A))
    assert "begins" not in shelf.look(2).values()
    assert shelf.look(0) == {OUT: "begins"}


def test_a_sku_that_is_another_one_is_heard_of_no_more() -> None:
    shelf = Shelf()
    shelf.look(100)
    shelf.levels.retire(SkuMerged(at=START, sku=A, into=Sku("B")))
    shelf.findings.take()
    assert shelf.look(0) == {}
