"""Two sets of rules over one past, added up by hand."""

from datetime import datetime, timedelta

from engine.domain.audit.whatif import SETTLED, AccountSums, Pair, WhatIf
from engine.domain.events import OrderRecorded, OversellRecorded, PushPlanned
from engine.domain.orders import OrderSnapshot, OrderStatus
from engine.domain.units import ListingId, OrderId, Sku
from tests.fakes.books import A, B
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order_line

LISTING = ListingId("l")
HOUR = 3600.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Story:
    """One listing of packs of `pack` at one account."""

    def __init__(self, base: int, tried: int, *, pack: int = 1, sent: int | None = None) -> None:
        self.sums = WhatIf(START)
        self.pack = pack
        self.version = 0
        self.shows(0, base, tried, sent=base if sent is None else sent)

    @property
    def found(self) -> AccountSums:
        return self.sums.sums(SHOP)

    def shows(self, second: float, base: int, tried: int, sent: int | None = None) -> None:
        self.sums.shows(SHOP, LISTING, at(second), Pair(base, tried), pack_units=self.pack, sent=sent)

    def push(self, second: float, base: int, tried: int | None, *, accepted: bool = True) -> None:
        self.version += 1
        event = PushPlanned(
            at=at(second), account=SHOP, listing_id=LISTING, sku=A, version=self.version, quantity=base, basis=1
        )
        self.sums.planned(event, tried)
        if accepted:
            self.sums.accepted(SHOP, LISTING, self.version, at(second + 1))

    def order(
        self,
        second: float,
        units: int,
        *,
        oversold: int = 0,
        name: str = "1",
        sku: Sku = A,
        of: tuple[Sku, int] | None = None,
    ) -> None:
        snapshot = OrderSnapshot(
            account=SHOP,
            order_id=OrderId(name),
            status=OrderStatus.ACCEPTED,
            placed_at=at(second),
            modified_at=at(second),
            lines=(order_line(sku, units, listing=LISTING),),
        )
        made_of = ((of,),) if of is not None else ()
        self.sums.ordered(
            OrderRecorded(at=at(second + 2), snapshot=snapshot, skus=(sku,), packs=(self.pack,), components=made_of)
        )
        if oversold:
            self.sums.oversold(
                OversellRecorded(
                    at=at(second + 2),
                    sku=sku if of is None else of[0],
                    units=oversold,
                    open_units=oversold,
                    account=SHOP,
                    order_id=OrderId(name),
                    cause="lag",
                )
            )
        self.sums.frame_ended()


def test_counts_the_units_that_would_not_have_been_shown_and_for_how_long() -> None:
    story = Story(10, 7, pack=2)
    story.shows(HOUR, 4, 4)
    story.shows(2 * HOUR, 4, 5)
    story.sums.end(at(4 * HOUR))
    assert (story.found.less_unit_hours, story.found.more_unit_hours) == (6.0, 4.0)


def test_counts_pushes_with_another_number_and_those_that_would_not_have_been() -> None:
    story = Story(10, 0)
    story.push(10, 9, 0)
    story.push(20, 8, 0)
    story.push(30, 0, 0)
    story.push(40, 0, 0)
    assert (story.found.pushes, story.found.different, story.found.not_sent) == (4, 2, 2 + 1)


def test_a_push_that_nobody_can_compute_is_told_apart() -> None:
    story = Story(10, 9)
    story.push(10, 9, None)
    assert (story.found.pushes, story.found.untold, story.found.different) == (1, 1, 0)


def test_counts_numbers_that_would_have_been_sent_where_none_was() -> None:
    story = Story(10, 9)
    story.shows(100, 10, 8)
    story.shows(100 + SETTLED.total_seconds() - 0.1, 10, 7)
    story.shows(200, 10, 7)
    assert story.found.added == 1
    story.shows(300, 10, 6)
    story.shows(301, 10, 7)
    story.sums.end(at(400))
    assert story.found.added == 1, "it was what had been sent again before anybody would have sent it"
    story.shows(500, 9, 6)
    story.push(501, 9, 6)
    assert story.found.added == 1, "it went along with the push"


def test_an_oversell_of_units_that_would_not_have_been_shown_is_prevented() -> None:
    story = Story(3, 1)
    story.order(10, 3, oversold=2)
    assert (story.found.prevented, story.found.smaller, story.found.same) == (1, 0, 0)
    assert (story.found.prevented_units, story.found.oversold_units) == (2, 2)


def test_an_oversell_may_be_smaller_or_the_same() -> None:
    story = Story(3, 2)
    story.order(10, 3, oversold=2)
    assert (story.found.prevented, story.found.smaller, story.found.same) == (0, 1, 0)
    same = Story(3, 3)
    same.order(10, 3, oversold=2)
    assert (same.found.prevented, same.found.smaller, same.found.same, same.found.prevented_units) == (0, 0, 1, 0)


def test_a_sale_of_units_that_would_not_have_been_shown_is_at_risk() -> None:
    story = Story(10, 4, pack=2)
    story.order(10, 5)
    assert (story.found.order_lines, story.found.lines_at_risk, story.found.units_at_risk) == (1, 1, 2)
    story.order(20, 1, name="2")
    assert (story.found.order_lines, story.found.lines_at_risk, story.found.units_at_risk) == (2, 2, 4)


def test_what_is_shown_is_what_was_accepted_less_what_was_sold_since() -> None:
    story = Story(9, 9)
    story.push(10, 5, 3, accepted=False)
    story.order(20, 5)
    assert story.found.lines_at_risk == 0, "the shop had not taken it"
    story.push(30, 5, 3)
    story.order(40, 3, name="2")
    assert story.found.lines_at_risk == 0
    story.order(50, 1, name="3")
    assert story.found.units_at_risk == 1
    story.order(25, 4, name="4")
    assert story.found.units_at_risk == 1, "it was placed before the push was accepted"


def test_an_order_that_is_told_again_counts_once() -> None:
    story = Story(3, 0)
    story.order(10, 2)
    story.order(10, 2)
    story.order(10, 1)
    assert (story.found.order_lines, story.found.units_at_risk) == (1, 2)


def test_of_a_bundle_the_component_is_oversold() -> None:
    story = Story(2, 1)
    story.order(10, 2, oversold=3, of=(B, 3))
    assert (story.found.prevented, story.found.prevented_units, story.found.units_at_risk) == (1, 3, 1)


def test_orders_of_before_count_for_nothing() -> None:
    story = Story(3, 0)
    story.order(-1, 2, oversold=1)
    assert (story.found.order_lines, story.found.same) == (0, 1)
