"""What sold when: levels again, on the day of the order, over the days on which it could be bought."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.events import DemandLapsed, DemandSet, HoldCommitted, OrderRecorded, SkuMerged
from engine.domain.offers.demand import Demand
from engine.domain.offers.sales import WINDOW_DAYS
from engine.domain.units import DIRECT, AccountId, HoldId, LineId, OrderId, Sku
from tests.fakes.clocks import START
from tests.fakes.orders import order, order_line
from tests.fakes.rules import HERE, MARKET, SHOP, A, B

DAY = timedelta(days=1)


class Seller:
    """Tells a projection what happens, as the ledger would."""

    def __init__(self) -> None:
        self.at = START
        self.position = 0
        self.changes: list[tuple[AccountId, int]] = []
        self.demand = Demand(lambda _sku, account, units, _at: self.changes.append((account, units)))

    def stock(self, *, sellable: bool = True) -> None:
        self.position += 1
        self.demand.stocked(A, self.position, self.at, sellable=sellable)

    def sell(
        self,
        units: int,
        order_id: str = "1",
        *,
        account: AccountId = SHOP,
        placed_at: datetime | None = None,
        shipped: int = 0,
        reserved: bool = False,
    ) -> None:
        told = order(order_line("A", units), account=account, order_id=order_id)
        snapshot = msgspec.structs.replace(told, placed_at=placed_at or self.at)
        self.demand.apply(OrderRecorded(at=self.at, snapshot=snapshot, skus=(A,)))
        parts = ((HERE, units),) if units else ()
        self.demand.apply(
            DemandSet(
                at=self.at,
                sku=A,
                account=account,
                order_id=OrderId(order_id),
                line_id=LineId("1"),
                committed=() if reserved else parts,
                reserved=parts if reserved else (),
                shipped=((HERE, shipped),) if shipped else (),
            )
        )

    @property
    def daily(self) -> float | None:
        return self.demand.daily_sales(A, self.at)


def test_sales_are_counted_per_day_in_stock() -> None:
    seller = Seller()
    assert seller.daily is None
    seller.stock()
    seller.sell(6)
    seller.at += DAY
    assert seller.daily == 3  # in stock on two days, though nothing happened on the second
    seller.stock(sellable=False)
    seller.at += 5 * DAY
    assert seller.daily == 3  # the days without stock do not count
    seller.stock()
    assert seller.daily == 2
    assert seller.demand.daily_sales(B, seller.at) is None


def test_a_day_counts_when_there_was_any_during_it() -> None:
    seller = Seller()
    seller.stock()
    seller.stock(sellable=False)
    seller.sell(4)
    seller.at += DAY
    assert seller.daily == 4


def test_an_order_counts_once_on_its_own_day_however_often_and_late_it_is_told() -> None:
    seller = Seller()
    seller.stock()
    seller.at += 3 * DAY
    for _ in range(3):
        seller.sell(8, placed_at=START)
    assert seller.daily == 2
    seller.sell(4, placed_at=START)  # half of it cancelled
    assert seller.daily == 1
    seller.sell(0, placed_at=START)
    assert seller.daily == 0
    assert seller.changes == [(SHOP, 8), (SHOP, -4), (SHOP, -4)]


def test_shipping_changes_nothing_and_neither_does_a_return() -> None:
    seller = Seller()
    seller.stock()
    seller.sell(8)
    seller.sell(3, shipped=5)
    assert seller.demand.sold_by(A, SHOP, seller.at) == 8


def test_an_unpaid_order_counts_until_it_lapses() -> None:
    seller = Seller()
    seller.sell(8, reserved=True)
    assert seller.demand.sold_by(A, SHOP, seller.at) == 8
    lapsed = DemandLapsed(at=seller.at, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"))
    seller.demand.apply(lapsed)
    seller.demand.apply(lapsed)
    assert seller.demand.sold_by(A, SHOP, seller.at) == 0


def test_a_committed_hold_counts_until_the_order_s_own_lines_do() -> None:
    seller = Seller()
    event = HoldCommitted(at=seller.at, sku=A, hold_id=HoldId("h"), account=DIRECT, order_id=OrderId("1"))
    seller.demand.committed(event, 3)
    assert seller.demand.sold_by(A, DIRECT, seller.at) == 3
    seller.sell(3, account=DIRECT)
    gone = DemandSet(at=seller.at, sku=A, account=DIRECT, order_id=OrderId("1"), line_id=LineId("hold:h"))
    seller.demand.apply(gone)
    assert seller.demand.sold_by(A, DIRECT, seller.at) == 3
    owed = HoldCommitted(at=seller.at, sku=A, hold_id=HoldId("i"), account=DIRECT, order_id=OrderId("1"), owed=False)
    seller.demand.committed(owed, 3)
    assert seller.demand.sold_by(A, DIRECT, seller.at) == 3


def test_the_rate_elsewhere_leaves_out_the_account_s_own_sales() -> None:
    seller = Seller()
    seller.stock()
    seller.sell(86_400)
    seller.sell(43_200, account=MARKET)
    seller.sell(43_200, account=DIRECT)
    assert seller.demand.rate_elsewhere(A, SHOP, seller.at) == 1
    assert seller.demand.rate_elsewhere(A, MARKET, seller.at) == 1.5
    assert seller.demand.rate_elsewhere(A, AccountId("new"), seller.at) == 2
    assert seller.demand.rate_elsewhere(B, SHOP, seller.at) == 0


def test_what_left_the_window_counts_no_more_and_takes_no_memory() -> None:
    seller = Seller()
    seller.stock()
    for number in range(20):
        seller.sell(2, str(number))
    seller.at += WINDOW_DAYS * DAY
    seller.sell(28, "new")
    assert seller.daily == 1
    for number in range(10):
        seller.sell(0, f"other {number}")
    assert len(seller.demand) == 1
    seller.sell(9, "1", placed_at=START)  # an old order changes once more
    assert seller.daily == 1


def test_a_line_that_no_order_in_the_window_brought_counts_on_no_day() -> None:
    """Units of an old order are moved to another location: nobody has bought anything."""
    seller = Seller()
    seller.stock()
    moved = DemandSet(
        at=seller.at, sku=A, account=SHOP, order_id=OrderId("old"), line_id=LineId("1"), committed=((HERE, 5),)
    )
    seller.demand.apply(moved)
    assert seller.daily == 0


def test_an_order_from_the_future_counts_today() -> None:
    seller = Seller()
    seller.stock()
    seller.sell(5, placed_at=START + 9 * DAY)
    assert seller.daily == 5


@given(
    days=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 2)), max_size=30),
)
def test_days_in_stock_are_those_of_a_diary(days: Iterable[tuple[int, bool, int]]) -> None:
    """Against a model that writes down each day; the last word of a frame counts."""
    demand, at, position, sellable = Demand(), START, 0, False
    diary: dict[int, bool] = {}
    before: tuple[dict[int, bool], bool] = ({}, False)
    for passed, after, step in days:
        for _ in range(passed):
            at += DAY
            if sellable:
                diary[at.toordinal()] = True
        if step or passed:
            position += 1
            before = (dict(diary), sellable)
        else:
            diary, sellable = dict(before[0]), before[1]
        if sellable or after:
            diary[at.toordinal()] = True
        sellable = after
        demand.stocked(A, position, at, sellable=after)
    today = at.toordinal()
    counted = sum(day > today - WINDOW_DAYS for day in diary)
    history = demand._histories.get(A)
    assert (0 if history is None else history.days(today).bit_count()) == counted


def test_two_projections_are_equal_when_every_figure_is() -> None:
    one, other = Seller(), Seller()
    one.stock()
    other.stock()
    one.sell(5)
    assert one.demand != other.demand
    other.sell(5)
    assert one.demand == other.demand
    other.stock(sellable=False)
    assert one.demand != other.demand
    with pytest.raises(TypeError):
        hash(one.demand)


def merge(seller: Seller, *lines: tuple[str, int]) -> None:
    """Let B turn out to be what A was: each line is told of B, then taken off A (`catalogue/merging.py`)."""
    for order_id, units in lines:
        told = DemandSet(
            at=seller.at, sku=B, account=SHOP, order_id=OrderId(order_id), line_id=LineId("1"), shipped=((HERE, units),)
        )
        seller.demand.apply(told)
        seller.demand.apply(msgspec.structs.replace(told, sku=A, shipped=()))
    seller.demand.apply(SkuMerged(at=seller.at, sku=A, into=B))


def test_the_heir_of_a_merge_has_sold_it_all_on_the_same_days() -> None:
    """Buffers and days of stock go by four weeks: a merge must not begin them anew."""
    seller = Seller()
    seller.stock()
    seller.sell(6, "1")
    seller.at += 3 * DAY
    seller.sell(2, "2")
    seller.sell(9, "other")  # the last order told: its lines come next
    seller.sell(0, "other")
    told = list(seller.changes)
    merge(seller, ("1", 6), ("2", 2))
    demand = seller.demand
    assert (demand.daily_sales(A, seller.at), demand.daily_sales(B, seller.at)) == (None, 2)
    assert (demand.sold_by(A, SHOP, seller.at), demand.sold_by(B, SHOP, seller.at)) == (0, 8)
    assert [units for _, units in seller.changes[len(told) :]] == [-6, -2], "nobody sold anything to anybody now"
    demand.apply(
        DemandSet(at=seller.at, sku=B, account=SHOP, order_id=OrderId("2"), line_id=LineId("1"), shipped=((HERE, 1),))
    )
    assert demand.sold_by(B, SHOP, seller.at) == 7, "an order of before the merge is corrected on its own day"
    seller.at += (WINDOW_DAYS - 3) * DAY
    seller.demand.stocked(B, 9, seller.at, sellable=True)
    assert demand.sold_by(B, SHOP, seller.at) == 1


def test_what_ended_in_an_earlier_frame_is_not_inherited() -> None:
    """Somebody's demand that ended for another reason was sold by nobody."""
    seller = Seller()
    seller.sell(6, "1")
    ended = DemandSet(at=seller.at, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"))
    seller.demand.apply(ended, 2)
    seller.demand.apply(SkuMerged(at=seller.at, sku=A, into=B), 3)
    assert seller.demand.sold_by(B, SHOP, seller.at) == 0


def test_days_in_stock_of_a_merge_are_those_of_either() -> None:
    seller = Seller()
    demand = seller.demand
    demand.stocked(A, 1, START, sellable=True)
    demand.stocked(B, 2, START + DAY, sellable=True)
    demand.stocked(A, 3, START + 2 * DAY, sellable=False)
    demand.stocked(B, 4, START + 3 * DAY, sellable=False)
    seller.at = START + 9 * DAY
    seller.sell(8)
    merge(seller, ("1", 8))
    assert demand.daily_sales(B, seller.at) == 2  # the first day, the second, both on the third, the fourth


def test_a_bundle_is_sold_as_such_and_its_components_within_it() -> None:
    """A buffer of a kit by tiers goes by the kits sold; that of a component by all that others take of it."""
    seller = Seller()
    at, demand = seller.at, seller.demand
    kit, made_of = Sku("KIT"), ((A, 2), (B, 1))
    for units in (3, 2):
        snapshot = order(order_line("KIT", units), account=SHOP, order_id="1")
        demand.apply(OrderRecorded(at=at, snapshot=snapshot, skus=(kit,), components=(made_of,)))
        for leaf, each in made_of:
            line = {"sku": leaf, "account": SHOP, "order_id": OrderId("1"), "line_id": LineId("1")}
            demand.apply(DemandSet(at=at, committed=((HERE, units * each),), **line))  # type: ignore[arg-type]
    assert (demand.daily_sales_of_bundle(kit, made_of, at), demand.daily_sales(A, at)) == (2, 4)
    day = 86_400
    assert demand.rate_elsewhere(A, SHOP, at) * day == 4, "the shop's listing of A does not know of its kits"
    assert demand.rate_elsewhere(A, MARKET, at) * day == 4
    assert (demand.rate_beside((A, 2), kit, SHOP, at), demand.rate_beside((A, 2), kit, MARKET, at) * day) == (0, 4)
    assert seller.changes == [(SHOP, 6), (SHOP, 3), (SHOP, 3), (SHOP, -2), (SHOP, -1), (SHOP, -1)]
    seller.sell(5, "2")
    assert demand.rate_beside((A, 2), kit, SHOP, at) * day == 5, "its own listing of A takes from its kits"


def test_days_in_stock_of_a_bundle_are_those_on_which_all_of_it_was() -> None:
    demand, kit = Demand(), Sku("KIT")
    demand.stocked(A, 1, START, sellable=True)
    demand.stocked(B, 2, START + DAY, sellable=True)
    demand.stocked(A, 3, START + 3 * DAY, sellable=False)
    at = START + 9 * DAY
    assert demand.daily_sales_of_bundle(kit, ((A, 2), (B, 1)), at) == 0
    assert demand.daily_sales_of_bundle(kit, ((A, 2), (Sku("C"), 1)), at) is None
    snapshot = msgspec.structs.replace(order(order_line("KIT", 6), order_id="1"), placed_at=START + DAY)
    demand.apply(OrderRecorded(at=at, snapshot=snapshot, skus=(kit,), components=(((A, 2), (B, 1)),)))
    line = DemandSet(at=at, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"), committed=((HERE, 12),))
    demand.apply(line)
    assert demand.daily_sales_of_bundle(kit, ((A, 2), (B, 1)), at) == 2


def test_a_line_that_turns_out_to_be_no_bundle_is_one_no_more() -> None:
    seller = Seller()
    demand, at, kit = seller.demand, seller.at, Sku("KIT")
    snapshot = order(order_line("KIT", 1), account=SHOP, order_id="1")
    demand.apply(OrderRecorded(at=at, snapshot=snapshot, skus=(kit,), components=(((A, 2),),)))
    line = DemandSet(at=at, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"), reserved=((HERE, 2),))
    demand.apply(line)
    assert demand.daily_sales_of_bundle(kit, (), at) == pytest.approx(1 / WINDOW_DAYS)
    demand.apply(DemandLapsed(at=at, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1")))
    assert demand.daily_sales_of_bundle(kit, (), at) == 0
    seller.sell(2)
    assert (demand.daily_sales_of_bundle(kit, (), at), demand.daily_sales(A, at)) == (0, 2)
    assert demand.rate_elsewhere(A, SHOP, at) == 0


def test_a_merge_behind_an_order_of_a_bundle_leaves_the_bundle_its_sales() -> None:
    """Lines that a merge moves come in a frame of their own: they are not what the order told last."""
    demand, at, kit = Demand(), START, Sku("KIT")
    snapshot = order(order_line("KIT", 3), account=SHOP, order_id="1")
    line = DemandSet(at=at, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"), committed=((HERE, 6),))
    demand.apply(OrderRecorded(at=at, snapshot=snapshot, skus=(kit,), components=(((A, 2),),)), 1)
    demand.apply(line, 1)
    sold = demand.daily_sales_of_bundle(kit, (), at)
    assert sold == pytest.approx(3 / WINDOW_DAYS)
    demand.apply(msgspec.structs.replace(line, sku=B), 2)
    demand.apply(msgspec.structs.replace(line, committed=()), 2)
    demand.apply(SkuMerged(at=at, sku=A, into=B), 2)
    assert demand.daily_sales_of_bundle(kit, (), at) == sold
