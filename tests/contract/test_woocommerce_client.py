"""The client against a small shop that pages, refuses, hides and lies as WooCommerce and its hosts do."""

import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import httpx
import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channels.woocommerce import WooCommerceSettings
from adapters.channels.woocommerce.auth import sign_oauth1
from adapters.channels.woocommerce.client import WooCommerceChannel
from adapters.http import Transport, TransportSettings
from engine.domain.errors import (
    ChannelError,
    ConfigError,
    CredentialsRejected,
    MalformedReply,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
)
from engine.domain.orders import OrderSnapshot, OrderStatus
from engine.domain.units import AccountId, ListingId, OrderId
from engine.ports import Channel, ListingPage, OrderPage, SeenStock, StockWrite, Verdict

Json = dict[str, Any]
Fault = Callable[[httpx.Request], httpx.Response | None]
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)
BASE = "/wp-json/wc/v3"
HOOKS = "https://us.test/hooks/shop"
SETTINGS = WooCommerceSettings(
    account=AccountId("shop"),
    url="https://shop.test/",
    consumer_key="ck_live",
    consumer_secret="cs_live",
    webhook_secret="woo_secret",
    page_size=2,
)


class Stopped:
    """A clock that says noon."""

    def now(self) -> datetime:
        return NOON


class Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


def answer(status: int, value: object, **headers: str) -> httpx.Response:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    kind = "text/html" if isinstance(value, bytes) else "application/json; charset=UTF-8"
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return httpx.Response(status, headers={"content-type": kind, **named}, stream=Body(content))


def refuse(status: int, code: str) -> httpx.Response:
    return answer(status, {"code": code, "message": "No.", "data": {"status": status}})


class Shop:
    """Products, variations, orders, refunds and webhooks in dictionaries; `faults` answer before it does."""

    def __init__(self) -> None:
        self.products: dict[int, Json] = {}
        self.variations: dict[int, dict[int, Json]] = {}
        self.orders: dict[int, Json] = {}
        self.refunds: dict[int, list[Json]] = {}
        self.webhooks: dict[int, Json] = {}
        self.faults: list[Fault] = []
        self.batch_limit = 100
        self.seen: list[str] = []
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        path = request.url.path.removeprefix(BASE)
        self.seen.append(f"{request.method} {path}")
        self.requests.append(request)
        fault = self.faults.pop(0)(request) if self.faults else None
        return fault or self.route(request, path)

    def route(self, request: httpx.Request, path: str) -> httpx.Response:
        query = {name: values[-1] for name, values in parse_qs(request.url.query.decode()).items()}
        numbers = [int(number) for number in re.findall(r"[0-9]+", path)]
        match request.method, re.sub(r"[0-9]+", "N", path):
            case "GET", "/products":
                return self.page(self.products, query)
            case "GET", "/products/N/variations" if numbers[0] in self.products:
                return self.page(self.variations.get(numbers[0], {}), query)
            case "POST", "/products/batch":
                return self.batch(self.products, request)
            case "POST", "/products/N/variations/batch":
                return self.batch(self.variations[numbers[0]], request)
            case "GET", "/orders":
                return self.page(self.pick_orders(query), query)
            case "GET", "/orders/N" if numbers[0] in self.orders:
                return answer(200, self.orders[numbers[0]])
            case "GET", "/orders/N/refunds":
                return self.page({row["id"]: row for row in self.refunds[numbers[0]]}, query)
            case "GET", "/webhooks":
                return self.page(self.webhooks, query)
            case "POST", "/webhooks":
                return self.keep_webhook(len(self.webhooks) + 1, json.loads(request.content), 201)
            case "PUT", "/webhooks/N":
                return self.keep_webhook(numbers[0], json.loads(request.content), 200)
            case _:
                return refuse(404, "woocommerce_rest_shop_order_invalid_id")

    def pick_orders(self, query: dict[str, str]) -> dict[int, Json]:
        trash = query["status"] == "trash"
        return {
            number: row
            for number, row in self.orders.items()
            if (row.get("status") == "trash") is trash and row["date_modified_gmt"] > query["modified_after"]
        }

    def page(self, rows: dict[int, Json], query: dict[str, str]) -> httpx.Response:
        wanted = [int(number) for number in query["include"].split(",")] if "include" in query else rows
        found = [rows[number] for number in sorted(wanted) if number in rows]
        size, number = int(query["per_page"]), int(query.get("page", "1"))
        pages = -(-len(found) // size)
        part = found[(number - 1) * size : number * size]
        return answer(200, part, x_wp_total=str(len(found)), x_wp_totalpages=str(pages))

    def batch(self, rows: dict[int, Json], request: httpx.Request) -> httpx.Response:
        updates = json.loads(request.content)["update"]
        if len(updates) > self.batch_limit:
            return refuse(413, "woocommerce_rest_request_entity_too_large")
        written: list[Json] = []
        for update in updates:
            if update["id"] in rows:
                rows[update["id"]].update(update)
                written.append(rows[update["id"]])
            else:
                error = {"code": "woocommerce_rest_product_invalid_id", "message": "Invalid ID.", "data": None}
                written.append({"id": update["id"], "error": error})
        return answer(200, {"update": written})

    def keep_webhook(self, number: int, fields: Json, status: int) -> httpx.Response:
        hook = self.webhooks.setdefault(number, {"id": number})
        hook.update(fields)
        return answer(status, {name: value for name, value in hook.items() if name != "secret"})


def product(number: int, units: object = 5, **changes: object) -> Json:
    row = {"id": number, "type": "simple", "status": "publish", "name": f"P{number}", "sku": f"S-{number}"}
    return {**row, "manage_stock": True, "stock_quantity": units, **changes}


def order(number: int, **changes: object) -> Json:
    line = {"id": number * 10, "product_id": 11, "variation_id": 0, "sku": "S-11", "quantity": 2, "meta_data": []}
    dates = {"date_created_gmt": "2026-11-11T10:00:00", "date_modified_gmt": "2026-11-11T11:00:00"}
    return {"id": number, "status": "processing", **dates, "line_items": [line], "refunds": [], **changes}


def refund(number: int, line: int, units: int) -> Json:
    named = [{"id": 1, "key": "_refunded_item_id", "value": str(line)}]
    rows = [{"id": number + 1, "product_id": 11, "variation_id": 0, "quantity": -units, "meta_data": named}]
    return {"id": number, "date_created_gmt": "2026-11-11T10:30:00", "line_items": rows}


def connect(shop: Shop, **changes: object) -> WooCommerceChannel:
    http = Transport("shop", TransportSettings(), transport=httpx.MockTransport(shop))
    nonces = iter(range(1000))
    return WooCommerceChannel(
        msgspec.structs.replace(SETTINGS, **changes), clock=Stopped(), new_nonce=lambda: f"n{next(nonces)}", http=http
    )


@pytest.fixture
def shop() -> Shop:
    return Shop()


async def read_catalogue(channel: Channel) -> list[ListingPage]:
    pages = [await channel.read_listings(None)]
    while pages[-1].cursor is not None:
        pages.append(await channel.read_listings(pages[-1].cursor))
    return pages


async def read_window(channel: Channel) -> list[OrderPage]:
    after = NOON - timedelta(days=1)
    pages = [await channel.read_orders(after, None)]
    while pages[-1].cursor is not None:
        pages.append(await channel.read_orders(after, pages[-1].cursor))
    return pages


def told(pages: list[OrderPage]) -> list[str]:
    return [snapshot.order_id for page in pages for snapshot in page.orders]


# Credentials and settings


def test_it_is_a_channel(shop: Shop) -> None:
    channel: Channel = connect(shop)
    assert (channel.account, channel.batch_rows_max) == ("shop", 100)
    assert [channel.batch_key(ListingId(name)) for name in ("11", "10/12", "10/13", "x")] == [
        "/products",
        "/products/10/variations",
        "/products/10/variations",
        "malformed",
    ]
    with pytest.raises(ConfigError, match="url must be"):
        connect(shop, url="shop.test")


async def test_requests_over_https_carry_basic_and_ask_for_json(shop: Shop) -> None:
    await connect(shop).read_listings(None)
    headers = shop.requests[0].headers
    assert headers["authorization"] == "Basic " + b64encode(b"ck_live:cs_live").decode()
    assert headers["accept"] == "application/json"


async def test_requests_over_http_are_signed_anew_and_never_carry_the_secret(shop: Shop) -> None:
    channel = connect(shop, url="http://shop.test", query_string_auth=True)
    await channel.read_listings(None)
    await channel.write_stock([StockWrite(listing_id=ListingId("11"), quantity=1, version=1)])
    for request, nonce in zip(shop.requests, ("n0", "n1"), strict=True):
        query = dict(parse_qsl(request.url.query.decode()))
        signature = query.pop("oauth_signature")
        address = str(request.url.copy_with(query=None))
        assert signature == sign_oauth1(request.method, address, tuple(query.items()), "cs_live", "HMAC-SHA256")
        assert query["oauth_nonce"] == nonce
        assert "authorization" not in request.headers
        assert "cs_live" not in str(request.url)


# Listings


async def test_the_whole_catalogue_is_read_one_request_per_page(shop: Shop) -> None:
    """Lesson G5: as few requests as the API allows."""
    shop.products = {number: product(number) for number in (11, 12, 13, 15)} | {
        10: product(10, type="variable"),
        14: product(14, type="grouped"),
    }
    shop.variations = {10: {number: product(number, type="variation") for number in (101, 102, 103)}}
    pages = await read_catalogue(connect(shop))
    listings = [listing for page in pages for listing in page.listings]
    assert [listing.listing_id for listing in listings] == ["11", "10/101", "10/102", "10/103", "12", "13", "15"]
    assert [listing.shown for listing in listings] == [5] * 7
    assert len(shop.seen) == len(pages) == 5


async def test_reading_resumes_from_a_cursor_in_another_process(shop: Shop) -> None:
    shop.products = {10: product(10, type="variable"), 11: product(11), 12: product(12)}
    shop.variations = {10: {101: product(101)}}
    first = await connect(shop).read_listings(None)
    second = await connect(shop).read_listings(first.cursor)
    third = await connect(shop).read_listings(second.cursor)
    assert [page.listings[0].listing_id for page in (first, second, third)] == ["11", "10/101", "12"]
    assert third.cursor is None


async def test_a_product_deleted_while_reading_hides_no_other(shop: Shop) -> None:
    """Lesson E9: rows that move up across a page border are not gone."""
    shop.products = {number: product(number) for number in range(1, 8)}
    channel = connect(shop)
    page = await channel.read_listings(None)
    names = {listing.listing_id for listing in page.listings}
    del shop.products[1]
    while page.cursor is not None:
        page = await channel.read_listings(page.cursor)
        names |= {listing.listing_id for listing in page.listings}
    assert names == {"1", "2", "3", "4", "5", "6", "7"}


async def test_a_parent_deleted_while_reading_is_passed_over(shop: Shop) -> None:
    shop.products = {10: product(10, type="variable"), 11: product(11)}
    channel = connect(shop)
    first = await channel.read_listings(None)
    del shop.products[10]
    assert await channel.read_listings(first.cursor) == ListingPage(listings=(), cursor=None)


async def test_a_broken_row_costs_only_itself(shop: Shop) -> None:
    shop.products = {11: product(11, 1.5), 12: {"id": "twelve"}, 13: product(13)}
    pages = await read_catalogue(connect(shop, page_size=100))
    assert [(listing.listing_id, listing.shown) for listing in pages[0].listings] == [("11", None), ("13", 5)]
    assert len(pages[0].problems) == 2
    assert pages[0].problems[0] == "11: stock_quantity: 1.5 is not a whole number of units"


async def test_a_short_page_with_more_behind_it_is_not_the_last(shop: Shop) -> None:
    """WordPress drops rows from full pages that a user may not see."""
    shop.faults = [lambda _: answer(200, [product(11)], x_wp_totalpages="2")]
    page = await connect(shop).read_listings(None)
    assert page.cursor is not None


# Stock


async def test_stock_is_written_and_read_back_in_one_request_each(shop: Shop) -> None:
    """Lesson D6: accepted is not applied."""
    shop.products = {11: product(11), 12: product(12, manage_stock=False)}
    shop.variations = {10: {101: product(101)}}
    channel = connect(shop)
    rows = [StockWrite(listing_id=ListingId(name), quantity=n, version=1) for n, name in enumerate(("11", "12", "99"))]
    first, second, third = await channel.write_stock(rows)
    assert [(row.verdict, row.shown) for row in (first, second)] == [(Verdict.APPLIED, 0), (Verdict.APPLIED, 1)]
    assert third.verdict is Verdict.REFUSED
    assert third.reason == "woocommerce_rest_product_invalid_id: Invalid ID."
    seen = await channel.read_stock([ListingId(name) for name in ("99", "12", "11")])
    assert seen == (SeenStock(listing_id=ListingId("12"), shown=1), SeenStock(listing_id=ListingId("11"), shown=0))
    (written,) = await channel.write_stock([StockWrite(listing_id=ListingId("10/101"), quantity=4, version=1)])
    assert written.verdict is Verdict.APPLIED
    assert shop.seen == ["POST /products/batch", "GET /products", "POST /products/10/variations/batch"]


async def test_a_missing_listing_is_left_out_never_zero(shop: Shop) -> None:
    """Lesson E4, law 8."""
    channel = connect(shop)
    assert await channel.read_stock([ListingId("11")]) == ()
    assert await channel.read_stock([ListingId("10/12")]) == ()
    assert await channel.read_stock([ListingId("gid://other/1")]) == ()


async def test_a_listing_id_of_another_channel_is_refused_without_a_request(shop: Shop) -> None:
    (row,) = await connect(shop).write_stock([StockWrite(listing_id=ListingId("B00X"), quantity=1, version=1)])
    assert row.verdict is Verdict.REFUSED
    assert shop.seen == []


async def test_a_shop_with_a_lower_batch_limit_is_learned(shop: Shop) -> None:
    shop.batch_limit = 3
    shop.products = {number: product(number) for number in range(1, 9)}
    channel = connect(shop)
    rows = [StockWrite(listing_id=ListingId(str(number)), quantity=number, version=1) for number in range(1, 9)]
    counts = []
    while rows:
        verdicts = await channel.write_stock(rows)
        rows = [row for row, said in zip(rows, verdicts, strict=True) if said.verdict is Verdict.NOT_SENT]
        counts.append(len(rows))
    assert counts == [8, 8, 6, 4, 2, 0]
    assert channel.batch_rows_max == 2
    assert [row["stock_quantity"] for row in shop.products.values()] == list(range(1, 9))


async def test_one_row_that_is_too_large_is_refused(shop: Shop) -> None:
    shop.batch_limit = 0
    with pytest.raises(Refused, match="413"):
        await connect(shop).write_stock([StockWrite(listing_id=ListingId("1"), quantity=1, version=1)])


def page_of_html(_: httpx.Request) -> httpx.Response:
    return answer(200, b"<html>Checking your browser</html>")


def drop(_: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("")


def unreachable(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("Name or service not known")


def limited(_: httpx.Request) -> httpx.Response:
    return answer(429, b"slow down", retry_after="30")


def updating(_: httpx.Request) -> httpx.Response:
    return answer(503, b"Briefly unavailable", retry_after="Wed, 11 Nov 2026 12:10:00 GMT")


@pytest.mark.parametrize(
    ("fault", "on_read", "on_write"),
    [
        (page_of_html, MalformedReply, OutcomeUnknown),
        (lambda _: answer(200, b'[{"id":1'), MalformedReply, OutcomeUnknown),
        (drop, OutcomeUnknown, OutcomeUnknown),
        (unreachable, NotSent, NotSent),
        (limited, Throttled, Throttled),
        (updating, Throttled, Throttled),
        (lambda _: answer(403, b"<html>Wordfence</html>"), Throttled, Throttled),
        (lambda _: refuse(403, "woocommerce_rest_cannot_edit"), CredentialsRejected, CredentialsRejected),
        (lambda _: refuse(401, "woocommerce_rest_authentication_error"), CredentialsRejected, CredentialsRejected),
        (lambda _: answer(500, b"critical error"), OutcomeUnknown, OutcomeUnknown),
        (lambda _: answer(502, b""), OutcomeUnknown, OutcomeUnknown),
        (lambda _: answer(504, b""), OutcomeUnknown, OutcomeUnknown),
        (lambda _: answer(301, b"", location="https://www.shop.test/x?consumer_secret=cs_live"), Refused, Refused),
        (lambda _: refuse(404, "rest_no_route"), Refused, Refused),
    ],
)
async def test_a_failed_call_is_one_named_error_and_tells_nothing_of_stock(
    shop: Shop, fault: Fault, on_read: type[ChannelError], on_write: type[ChannelError]
) -> None:
    """Lessons D5, D16: 429 storms; errors delivered as HTTP 200."""
    shop.products = {11: product(11)}
    channel = connect(shop)
    for call, expected in (
        (lambda: channel.read_stock([ListingId("11")]), on_read),
        (lambda: channel.read_listings(None), on_read),
        (lambda: channel.read_orders(NOON, None), on_read),
        (lambda: channel.write_stock([StockWrite(listing_id=ListingId("11"), quantity=1, version=1)]), on_write),
    ):
        shop.faults = [fault]
        with pytest.raises(ChannelError) as caught:
            await call()
        assert type(caught.value) is expected
        assert "cs_live" not in str(caught.value)
        if isinstance(caught.value, Throttled):
            assert caught.value.retry_after_seconds in {30, 600, None}


# Orders


async def test_a_window_of_orders_is_read_page_by_page(shop: Shop) -> None:
    shop.orders = {number: order(number) for number in range(1, 6)}
    shop.orders[9] = order(9, date_modified_gmt="2026-11-10T11:59:59")
    shop.orders[4] = order(4, status="checkout-draft")
    pages = await read_window(connect(shop))
    assert told(pages) == ["1", "2", "3", "4", "5"]
    assert pages[1].orders[1].status is OrderStatus.DRAFT
    assert {snapshot.read_at for page in pages for snapshot in page.orders} == {NOON}
    query = dict(parse_qsl(shop.requests[0].url.query.decode()))
    assert query["modified_after"] == "2026-11-10T12:00:00"
    assert (query["dates_are_gmt"], query["status"], query["orderby"], query["order"]) == ("true", "any", "id", "asc")
    assert "billing" not in query["_fields"]


async def test_an_order_deleted_while_reading_hides_no_other(shop: Shop) -> None:
    shop.orders = {number: order(number) for number in range(1, 8)}
    channel = connect(shop)
    page = await channel.read_orders(NOON - timedelta(days=1), None)
    seen = set(told([page]))
    del shop.orders[2]
    while page.cursor is not None:
        page = await channel.read_orders(NOON - timedelta(days=1), page.cursor)
        seen |= set(told([page]))
    assert seen == {"1", "2", "3", "4", "5", "6", "7"}


async def test_an_unreadable_order_is_named_and_the_rest_of_its_page_is_good(shop: Shop) -> None:
    """Lesson E4: the watermark must not pass what was not understood."""
    shop.orders = {1: order(1), 2: order(2, status="lay-away"), 3: order(3, line_items=[{"id": 1}]), 4: order(4)}
    (page,) = await read_window(connect(shop, page_size=100))
    assert told([page]) == ["1", "4"]
    assert [(each.order_id, each.modified_at) for each in page.unreadable] == [
        ("2", NOON - timedelta(hours=1)),
        ("3", NOON - timedelta(hours=1)),
    ]
    assert "lay-away" in page.unreadable[0].reason
    assert msgspec.json.decode(page.unreadable[0].body)["status"] == "lay-away", "kept as the shop sent it"
    assert "$.line_items[0]" in page.unreadable[1].reason


async def test_a_status_of_a_plugin_is_read_as_the_settings_say(shop: Shop) -> None:
    shop.orders = {1: order(1, status="lay-away")}
    pages = await read_window(connect(shop, status_map={"lay-away": OrderStatus.ON_HOLD}))
    assert pages[0].orders[0].status is OrderStatus.ON_HOLD


async def test_a_page_with_something_that_is_no_order_tells_nothing(shop: Shop) -> None:
    shop.faults = [lambda _: answer(200, [order(1), None])]
    with pytest.raises(MalformedReply):
        await connect(shop).read_orders(NOON, None)


async def test_refunds_are_read_for_refunded_orders_only_and_only_once(shop: Shop) -> None:
    shop.orders = {
        1: order(1),
        2: order(2, refunds=[{"id": 800}]),
        3: order(3, status="cancelled", refunds=[{"id": 7}]),
    }
    shop.refunds = {2: [refund(800, 20, 1)]}
    channel = connect(shop, page_size=100)
    pages = await read_window(channel) + await read_window(channel)
    assert shop.seen == ["GET /orders", "GET /orders/2/refunds", "GET /orders"]
    assert [(line.cancelled, line.open_units) for line in pages[1].orders[1].lines] == [(1, 1)]
    shop.orders[2]["refunds"].append({"id": 900})
    shop.refunds[2].append(refund(900, 20, 1))
    (page,) = await read_window(channel)
    assert [line.cancelled for line in page.orders[1].lines] == [2]


async def test_more_refunds_than_fit_a_page_are_all_read(shop: Shop) -> None:
    shop.orders = {1: order(1, refunds=[{"id": 1000 + n} for n in range(120)])}
    shop.orders[1]["line_items"][0]["quantity"] = 500
    shop.refunds = {1: [refund(1000 + n, 10, 1) for n in range(120)]}
    snapshot = await connect(shop).read_order(OrderId("1"))
    assert snapshot is not None
    assert snapshot.lines[0].cancelled == 120


@pytest.mark.parametrize(
    "fault",
    [page_of_html, drop, lambda _: answer(500, b""), lambda _: refuse(404, "woocommerce_rest_invalid_order_id")],
)
async def test_an_order_whose_refunds_cannot_be_read_does_not_hold_up_the_others(shop: Shop, fault: Fault) -> None:
    shop.orders = {1: order(1, refunds=[{"id": 800}]), 2: order(2)}
    shop.refunds = {1: [refund(800, 10, 1)]}
    shop.faults = [lambda _: None, fault]
    channel = connect(shop, page_size=100)
    page = await channel.read_orders(NOON - timedelta(days=1), None)
    assert (told([page]), [each.order_id for each in page.unreadable]) == (["2"], ["1"])
    assert told(await read_window(channel)) == ["1", "2"]


async def test_a_throttled_refund_stops_the_page(shop: Shop) -> None:
    shop.orders = {1: order(1, refunds=[{"id": 800}])}
    shop.faults = [lambda _: None, limited]
    with pytest.raises(Throttled):
        await connect(shop).read_orders(NOON - timedelta(days=1), None)


async def test_refunds_that_are_not_there_yet_are_waited_for(shop: Shop) -> None:
    shop.orders = {1: order(1, refunds=[{"id": 800}])}
    shop.refunds = {1: []}
    channel = connect(shop)
    (page,) = await read_window(channel)
    assert "changed while they were read" in page.unreadable[0].reason
    shop.refunds = {1: [refund(800, 10, 1)]}
    assert told(await read_window(channel)) == ["1"]


async def test_contradictions_are_settled_and_told(shop: Shop) -> None:
    shop.orders = {1: order(1, refunds=[{"id": 800}])}
    shop.refunds = {1: [refund(800, 10, 9)]}
    (page,) = await read_window(connect(shop))
    assert page.orders[0].notes == ("refund 800 has 7 units more of line 10 than were ordered",)


async def test_the_trash_is_read_only_for_those_who_want_it_cancelled(shop: Shop) -> None:
    shop.orders = {1: order(1), 2: order(2, status="trash")}
    assert told(await read_window(connect(shop))) == ["1"]
    assert await connect(shop).read_order(OrderId("2")) is None
    pages = await read_window(connect(shop, trashed="cancel"))
    assert told(pages) == ["1", "2"]
    assert pages[1].orders[0].status is OrderStatus.CANCELLED


async def test_one_order_is_read_and_a_missing_one_is_none(shop: Shop) -> None:
    shop.orders = {1: order(1), 2: order(2, status="lay-away")}
    channel = connect(shop)
    snapshot = await channel.read_order(OrderId("1"))
    assert isinstance(snapshot, OrderSnapshot)
    assert await channel.read_order(OrderId("99")) is None
    assert await channel.read_order(OrderId("../products/1")) is None
    with pytest.raises(MalformedReply, match="lay-away"):
        await channel.read_order(OrderId("2"))
    shop.faults = [lambda _: answer(404, b"<html>Not found</html>")]
    with pytest.raises(Refused):
        await channel.read_order(OrderId("1"))


# Webhooks


async def test_missing_webhooks_are_created_sleeping_ones_woken_and_others_left_alone(shop: Shop) -> None:
    """Lessons D12, D17: a disabled subscription loses events, the caller polls the gap."""

    def hook(number: int, topic: str, status: str = "active", name: str = "lastunit x", url: str = HOOKS) -> Json:
        return {"id": number, "topic": topic, "status": status, "name": name, "delivery_url": url, "secret": "old"}

    others = [hook(number, "order.updated", "disabled", name="ERP") for number in range(1, 120)]
    shop.webhooks = {row["id"]: row for row in others} | {
        200: hook(200, "order.created"),
        201: hook(201, "order.updated", "disabled"),
        202: hook(202, "order.deleted", "paused"),
        203: hook(203, "order.restored", url="https://elsewhere.test"),
    }
    channel = connect(shop, delivery_url=HOOKS)
    health = await channel.ensure_webhooks()
    assert health.active == 5
    assert health.created == ("order.restored", "product.updated")
    assert health.revived == ("order.updated", "order.deleted")
    assert all(row["status"] == "disabled" for row in others)
    assert shop.webhooks[201] == hook(201, "order.updated") | {"secret": "woo_secret"}
    again = await channel.ensure_webhooks()
    assert (again.active, again.created, again.revived) == (5, (), ())


async def test_without_an_address_no_webhooks_are_managed(shop: Shop) -> None:
    assert (await connect(shop).ensure_webhooks()).active == 0
    assert shop.seen == []


async def test_a_webhook_that_stays_asleep_is_an_error(shop: Shop) -> None:
    shop.faults = [
        lambda _: None,
        lambda _: answer(201, {"id": 1, "topic": "", "status": "disabled", "delivery_url": ""}),
    ]
    with pytest.raises(Refused, match="not active"):
        await connect(shop, delivery_url=HOOKS).ensure_webhooks()


# Laws

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "key", "value"]), inner),
    max_leaves=4,
)
damage = st.tuples(st.sampled_from(sorted(order(1)) + sorted(order(1)["line_items"][0])), json_values)


@settings(max_examples=40)
@given(body=st.binary(max_size=30), status=st.sampled_from([200, 200, 201, 301, 400, 403, 404, 413, 500, 503]))
def test_any_bytes_whatsoever_raise_only_channel_errors_and_never_become_stock(body: bytes, status: int) -> None:
    async def use() -> None:
        shop = Shop()
        channel = connect(shop, delivery_url=HOOKS)
        rows = [StockWrite(listing_id=ListingId("11"), quantity=1, version=1)]
        names = [ListingId("11")]
        for call in (
            lambda: channel.read_listings(None),
            lambda: channel.read_stock(names),
            lambda: channel.read_orders(NOON, None),
            lambda: channel.read_order(OrderId("1")),
            lambda: channel.write_stock(rows),
            channel.ensure_webhooks,
        ):
            shop.faults = [lambda _: answer(status, body)]
            try:
                said = await call()
            except ChannelError:
                continue
            assert not isinstance(said, tuple) or not any(getattr(row, "shown", None) is not None for row in said)
        await channel.aclose()

    trio.run(use)


@settings(max_examples=40)
@given(changes=st.lists(damage, max_size=3))
def test_a_damaged_order_is_told_whole_or_named_unreadable(changes: list[tuple[str, Any]]) -> None:
    row = order(1)
    for key, value in changes:
        target = row if key in row and not (key == "id" and len(changes) > 1) else row["line_items"]
        if isinstance(target, dict):
            target[key] = value
        elif isinstance(target, list) and isinstance(target[0] if target else None, dict):
            target[0][key] = value

    async def use() -> OrderPage | None:
        shop = Shop()
        shop.faults = [lambda _: answer(200, json.dumps([row]).encode())]
        shop.refunds = {1: []}
        try:
            return await connect(shop).read_orders(NOON, None)
        except MalformedReply:
            return None

    page = trio.run(use)
    assert page is None or len(page.orders) + len(page.unreadable) + (row["status"] == "trash") == 1
