"""When a SKU runs low, runs out, is oversold and comes back."""

from datetime import datetime, timedelta

import pytest

from engine.domain.alerts import AlertKey, AlertKind
from engine.domain.availability import Availability, Component
from engine.domain.events import SkuMerged, SkuRetired, SkuRevived
from engine.domain.stock.places import ONE_POOL, Kind, Pools
from engine.domain.units import LocationId, Sku
from engine.machines.alerts.findings import Findings
from engine.machines.alerts.stocklevels import LowStockTerms, StockLevels
from tests.fakes.clocks import START

A, B, KIT = Sku("A"), Sku("B"), Sku("KIT")
LOW, OUT, NEGATIVE, BACK = (
    AlertKind.LOW_STOCK,
    AlertKind.OUT_OF_STOCK,
    AlertKind.NEGATIVE_ATP,
    AlertKind.STOCK_BACK,
)


def level_of(sku: Sku, *atp: int) -> Availability:
    """What there is at one location after the other."""
    places = tuple((LocationId(f"l{number}"), units) for number, units in enumerate(atp))
    return Availability(sku=sku, position=1, atp=places, changed_at=START)


def kit_of(*components: tuple[int, Availability], together: bool = False) -> Availability:
    """What there is of a bundle; the location sums of its own are never looked at."""
    made = tuple(Component(units, level) for units, level in components)
    return Availability(sku=KIT, position=1, atp=(), changed_at=START, components=made, together=together)


class Shelf:
    """Bands of SKUs; every alert that could be open is taken to be open."""

    def __init__(
        self,
        *,
        units: int = 5,
        days: float = 0,
        sales: float | None = None,
        unsettled: tuple[AlertKey, ...] = (),
        moved: tuple[Sku, ...] = (),
        pools: Pools = ONE_POOL,
    ) -> None:
        self.findings = Findings(ignored=(), is_known=lambda _: True)
        self.findings.live = True
        self.sales = sales
        self.levels = StockLevels(
            self.findings,
            terms=LowStockTerms(units=units, days=days),
            terms_of={Sku("B"): LowStockTerms(units=50, days=0)},
            daily_sales=self._daily_sales,
            unsettled=lambda key, skus: key in unsettled or bool({*skus} & {*moved}),
            pools=pools,
        )
        self.sales_on: dict[datetime, float] = {}
        """Where they differ from day to day."""

    def _daily_sales(self, _sku: Sku, at: datetime) -> float | None:
        return self.sales_on.get(at, self.sales)

    def look(self, atp: int, sku: Sku = A) -> dict[AlertKind, str]:
        """Return what a level makes of alerts: `begins`, `ends` or `happens`, by kind."""
        self.levels.look(level_of(sku, atp), START)
        return self.said(sku)

    def make(self, *components: tuple[int, Availability], together: bool = False) -> dict[AlertKind, str]:
        """Return the same for a bundle made of so many units of these."""
        self.levels.look(kit_of(*components, together=together), START)
        return self.said(KIT)

    def said(self, sku: Sku) -> dict[AlertKind, str]:
        said = {}
        for (kind, subject), (finding, ended) in self.findings.take().items():
            assert subject == sku
            said[kind] = "ends" if finding is None else "happens" if ended else "begins"
        return said

    def text(self, atp: int, sku: Sku = A) -> str:
        self.levels.look(level_of(sku, atp), START)
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


# -- bundles


def test_a_bundle_runs_low_out_and_comes_back_with_the_component_that_binds() -> None:
    """Lesson F4: a level of each component is enough, whichever of them changed."""
    shelf = Shelf()
    plenty = level_of(A, 100)
    assert shelf.make((2, plenty), (1, level_of(B, 50))) == dict.fromkeys((LOW, OUT, NEGATIVE), "ends")
    shelf.levels.look(kit_of((2, plenty), (3, level_of(B, 4, 3))), START)
    ((_, (finding, _)),) = shelf.findings.take().items()
    assert finding is not None
    assert finding.text == "KIT: 2 can be made (limit 5); B binds: 7 available, 3 in each"
    assert dict(finding.details) == {
        "sku": "KIT",
        "atp": "2",
        "component": "B",
        "component_atp": "7",
        "units_in_one": "3",
    }
    shelf.levels.look(kit_of((2, level_of(A, 1)), (3, level_of(B, 2))), START)
    ((_, (finding, _)),) = shelf.findings.take().items()
    assert finding is not None
    assert finding.text == "KIT: none can be made; A binds: 1 available, 2 in each", "of two the first in SKU order"
    assert shelf.make((2, plenty), (1, level_of(B, 50))) == {LOW: "ends", OUT: "ends", BACK: "happens"}


def test_of_a_bundle_none_is_owed() -> None:
    """That its component is oversold is an alert of the component."""
    shelf = Shelf()
    shelf.make((1, level_of(A, 100)))
    assert shelf.make((1, level_of(A, -3))) == {OUT: "begins"}


def test_components_that_lie_apart_make_none() -> None:
    shelf = Shelf()
    apart = (1, level_of(A, 9, 0)), (1, level_of(B, 0, 9))
    shelf.make((1, level_of(A, 100)))
    assert shelf.make(*apart) == {}, "one buyer may have both"
    shelf.levels.look(kit_of(*apart, together=True), START)
    ((_, (finding, _)),) = shelf.findings.take().items()
    assert finding is not None
    assert finding.text == "KIT: none can be made; its components lie apart, A alone would make 9"


def test_components_of_which_a_marketplace_keeps_one_make_none() -> None:
    kinds = {LocationId("l0"): Kind.OWN, LocationId("l1"): Kind.CHANNEL_FULFILLED}
    shelf = Shelf(pools=Pools(kinds))
    shelf.make((1, level_of(A, 100)))
    assert shelf.make((1, level_of(A, 9, 0)), (1, level_of(B, 0, 9))) == {OUT: "begins"}
    assert shelf.make((1, level_of(A, 0, 9)), (1, level_of(B, 0, 9))) == {OUT: "ends", BACK: "happens", LOW: "ends"}


def test_a_bundle_is_judged_by_units_and_not_by_days() -> None:
    shelf = Shelf(units=0, days=3, sales=1000.0)
    assert "begins" not in shelf.make((1, level_of(A, 100))).values()
    shelf.levels.judge_again(shelf.levels.skus(), START)
    assert shelf.said(KIT) == {}


def test_a_bundle_whose_component_moved_just_before_a_restart_is_news() -> None:
    assert Shelf(moved=(A,)).make((1, level_of(A, 0)))[OUT] == "begins"
    assert "begins" not in Shelf(moved=(B,)).make((1, level_of(A, 0))).values()


# -- days that pass


def test_days_of_stock_are_judged_again_when_demand_rises_and_when_it_falls() -> None:
    shelf = Shelf(units=0, days=3, sales=1.0)
    shelf.look(10)
    for sales, said in ((3.0, {}), (4.0, {LOW: "begins"}), (5.0, {}), (3.0, {LOW: "ends"}), (None, {})):
        shelf.sales = sales
        shelf.levels.judge_again(shelf.levels.skus(), START)
        assert shelf.said(A) == said
    shelf.sales = 4.0
    shelf.levels.judge_again((A,), START)
    assert shelf.said(A) == {LOW: "begins"}
    shelf.sales = None  # the last sale left the window
    shelf.levels.judge_again((A,), START)
    assert shelf.said(A) == {LOW: "ends"}


def test_what_there_is_none_of_is_not_judged_by_days() -> None:
    shelf = Shelf(days=3, sales=1000.0)
    shelf.look(0)
    shelf.levels.judge_again((A, Sku("NEVER-HEARD-OF")), START)
    assert shelf.said(A) == {}


def test_what_the_days_alone_changed_while_nobody_looked_is_news() -> None:
    """The daemon was down at midnight: without this a SKU would be low in silence until it is out."""
    for days_down, before, said in ((1, 3.0, "begins"), (0, 3.0, None), (1, 4.5, None)):
        shelf = Shelf(units=0, days=3, sales=4.0)
        since = START - timedelta(days=days_down, seconds=1)
        shelf.levels.judged_until, shelf.sales_on = since, {since: before}
        assert shelf.look(10).get(LOW) == said, (days_down, before)
