"""An import is one decision: every problem of every row is told, and then nothing at all is done."""

from engine.domain.catalogue.catalogue import Catalogue
from engine.domain.catalogue.importing import Plan, Planner
from engine.domain.catalogue.importing_rows import ListingRow, Row, SkuRow, StockRow
from engine.domain.catalogue.pieces import Planned, unpack
from engine.domain.events import ListingMapped, SkuAdded, StockAdjusted
from engine.domain.stock.book import Book
from engine.domain.units import ListingId, LocationId, Sku
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

NEW = Sku("NEW")


def plan(shelf: Shelf, *rows: Row) -> Plan:
    def book_of(sku: Sku) -> Book | None:
        return shelf.book(sku) if sku in shelf.ledgers else None

    catalogue = Catalogue()
    for sku in shelf.ledgers:
        catalogue.apply(SkuAdded(at=START, sku=sku, name=shelf.book(sku).name))
    planner = Planner(book_of, catalogue=catalogue, locations=BOTH, accounts=(SHOP,), mapping=mapped, now=START)
    for row in rows:
        planner.take(row)
    for _ in planner.settle():
        pass
    return planner.plan()


def mapped(row: ListingRow) -> ListingMapped:
    return ListingMapped(
        at=START, account=row.account, listing_id=row.listing, sku=row.sku, pack_units=row.pack_units, source="import"
    )


def events_of(planned: Plan) -> list[Planned]:
    return [event for piece in planned.pieces for event in unpack(piece)]


def problems(shelf: Shelf, *rows: Row) -> list[tuple[int, str, str]]:
    planned = plan(shelf, *rows)
    assert planned.is_empty
    return [(each.row, each.field, each.problem) for each in planned.problems]


def test_rows_may_come_in_any_order() -> None:
    planned = plan(
        Shelf(),
        StockRow(sku=NEW, location=HERE, on_hand=7),
        listing := ListingRow(account=SHOP, listing=ListingId("l1"), sku=NEW, pack_units=6),
        SkuRow(sku=NEW, name="New", safety_stock={THERE: 2}),
        StockRow(sku=NEW, location=THERE, on_hand=3),
    )
    assert planned.problems == ()
    events = events_of(planned)
    assert events[0] == SkuAdded(at=START, sku=NEW, name="New", safety_stock=((THERE, 2),))
    assert [(e.location, e.on_hand) for e in events if isinstance(e, StockAdjusted)] == [(HERE, 7), (THERE, 3)]
    assert events[-1] == mapped(listing)
    assert planned.counts == {"skus": 1, "items": 0, "listings": 1, "stock": 2, "recipes": 0}


def test_what_is_so_already_is_no_change() -> None:
    shelf = Shelf()
    assert plan(shelf, SkuRow(sku=A, name="A")).is_empty
    assert plan(shelf, SkuRow(sku=A, name="A", safety_stock={HERE: 0})).is_empty


def test_every_problem_is_told_and_nothing_is_done() -> None:
    shelf = Shelf(A=5)
    told = problems(
        shelf,
        SkuRow(sku=NEW, name="fine"),
        SkuRow(sku=Sku(" "), name="blank"),
        SkuRow(sku=NEW, name="again", safety_stock={LocationId("moon"): 1}),
        SkuRow(sku=B, safety_stock={LocationId("moon"): 1, LocationId("mars"): 1}),
        ListingRow(account=SHOP, listing=ListingId("l1"), sku=NEW),
        ListingRow(account=SHOP, listing=ListingId("l1"), sku=A),
        ListingRow(account=SHOP, listing=ListingId(""), sku=Sku("GONE")),
        StockRow(sku=A, location=HERE, on_hand=9),
        StockRow(sku=Sku("GONE"), location=LocationId("moon"), on_hand=9),
        StockRow(sku=NEW, location=HERE, on_hand=1),
        StockRow(sku=NEW, location=HERE, on_hand=1),
    )
    assert told == [
        (1, "sku", "sku ' ' has control characters or blanks at an end"),
        (2, "sku", "row 0 says it already"),
        (3, "safety_stock", "no location 'moon'"),
        (3, "safety_stock", "no location 'mars'"),
        (5, "listing", "row 4 says it already"),
        (6, "listing", "listing is empty"),
        (6, "sku", "no SKU 'GONE' in the catalogue or in this import"),
        (7, "on_hand", "sku=A location=here has moved before: use ADJUST"),
        (8, "location", "no location 'moon'"),
        (8, "sku", "no SKU 'GONE' in the catalogue or in this import"),
        (10, "sku", "row 9 says it already"),
    ]


def test_an_account_nobody_configured_is_a_problem() -> None:
    row = ListingRow(account=type(SHOP)("elsewhere"), listing=ListingId("l"), sku=A)
    assert problems(Shelf(), row) == [(0, "account", "no account 'elsewhere'")]


def test_the_same_opening_stock_twice_counts_once() -> None:
    shelf = Shelf()
    row = StockRow(sku=A, location=HERE, on_hand=7)
    for event in events_of(plan(shelf, row)):
        assert isinstance(event, StockAdjusted)
        shelf.ledgers[A].apply(event)
    again = plan(shelf, row)
    assert again.is_empty
    assert again.problems == ()
    assert problems(shelf, StockRow(sku=A, location=HERE, on_hand=8)) == [
        (0, "on_hand", "sku=A location=here has moved before: use ADJUST")
    ]
