"""Oversell incidents as people read them."""

from datetime import timedelta

from engine.domain.events import OversellCleared, OversellRecorded, SkuAdded
from engine.domain.stock.incidents import INCIDENTS_MAX, Incidents
from engine.domain.units import Sku
from tests.fakes.books import A, B
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP


def oversell(sku: Sku, units: int, open_units: int) -> OversellRecorded:
    return OversellRecorded(
        at=START, sku=sku, units=units, open_units=open_units, account=SHOP, order_id=None, cause="lag"
    )


def test_each_further_unit_is_an_incident_and_all_of_a_sku_clear_together() -> None:
    incidents = Incidents()
    later = START + timedelta(hours=1)
    for event in (
        SkuAdded(at=START, sku=A),
        oversell(A, 2, 2),
        oversell(B, 1, 1),
        oversell(A, 1, 3),
        oversell(A, 0, 1),
        OversellCleared(at=later, sku=A),
    ):
        incidents.apply(event)
    assert [(each.recorded.sku, each.recorded.units, each.cleared_at) for each in incidents.newest] == [
        (A, 2, later),
        (B, 1, None),
        (A, 1, later),
    ]
    assert list(incidents.open) == [(B, None)]
    assert incidents.units_total == 4, "made good or not"


def test_the_list_is_bounded_and_the_total_is_not() -> None:
    incidents = Incidents()
    for _ in range(INCIDENTS_MAX + 5):
        incidents.apply(oversell(A, 1, 1))
        incidents.apply(OversellCleared(at=START, sku=A))
    assert len(incidents.newest) == INCIDENTS_MAX
    assert incidents.units_total == INCIDENTS_MAX + 5
