"""Movements: returns, inspections, counts, external snapshots, and where an order line is owed from."""

from litestar import post
from litestar.params import FromPath, JSONBody

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.link import Word
from ops.gateway.models.movements import (
    Adjustment,
    AdjustmentRequest,
    Allocated,
    AllocationRequest,
    Counted,
    CountRequest,
    Inspected,
    InspectionRequest,
    Receipt,
    ReceiptRequest,
    Returned,
    ReturnRequest,
    SnapshotRequest,
    SnapshotTaken,
)
from ops.gateway.problems import Problem
from ops.gateway.routes.common import IdempotencyKey, agree_on_key, ask, describe, lines_of, option, signed

_TAG = "movements"
_REFUSALS = (404, 409, 413, 422)


@post("/v1/adjustments", **describe("stock:write", _TAG, "Correct on hand", *_REFUSALS))
async def adjust(
    request: GatewayRequest, data: JSONBody[AdjustmentRequest], idempotency_key: IdempotencyKey = None
) -> Adjustment:
    """The same key with the same body answers as the first time."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("ADJUST", key, data.sku, data.location, data.delta, data.reason)
    return await ask(request, Lane.WRITE, Adjustment, *words, *signed(request, data.reference))


@post("/v1/receipts", **describe("stock:write", _TAG, "Book units that arrived", *_REFUSALS))
async def receive(
    request: GatewayRequest, data: JSONBody[ReceiptRequest], idempotency_key: IdempotencyKey = None
) -> Receipt:
    """Against a purchase order or not; more than was ordered is taken and told. The same key answers as the first."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("RECEIVE", key, data.sku, data.location, data.quantity)
    more = option("PO", data.purchase_order)
    return await ask(request, Lane.WRITE, Receipt, *words, *more, *signed(request, data.reference))


@post("/v1/returns", **describe("stock:write", _TAG, "Take back a buyer's units", *_REFUSALS))
async def take_back(
    request: GatewayRequest, data: JSONBody[ReturnRequest], idempotency_key: IdempotencyKey = None
) -> Returned:
    """Name the order, and what its channel says was restocked counts no second time."""
    key = agree_on_key("key", data.key, idempotency_key)
    if (data.account is None) != (data.order is None):
        missing = "account" if data.account is None else "order"
        raise Problem("BADREQUEST", f"$.{missing}: account and order come together", path=f"$.{missing}")
    words: list[Word] = ["RETURN", key, data.sku, data.location, data.quantity, "INTO", data.state]
    if data.account is not None and data.order is not None:
        words += ["ORDER", data.account, data.order]
    words += [*option("LINE", data.line), *option("REASON", data.reason)]
    return await ask(request, Lane.WRITE, Returned, *words, *signed(request, data.reference))


@post("/v1/inspections", **describe("stock:write", _TAG, "Say what state units are in", *_REFUSALS))
async def inspect(
    request: GatewayRequest, data: JSONBody[InspectionRequest], idempotency_key: IdempotencyKey = None
) -> Inspected:
    """Restock, set aside, put on show or write off; only units that stand in the source state can leave it."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("INSPECT", key, data.sku, data.location, data.quantity, data.outcome.upper())
    more = (*option("FROM", data.source), *option("REASON", data.reason))
    return await ask(request, Lane.WRITE, Inspected, *words, *more, *signed(request, data.reference))


@post("/v1/counts", **describe("stock:write", _TAG, "Enter a count", *_REFUSALS))
async def count(
    request: GatewayRequest, data: JSONBody[CountRequest], idempotency_key: IdempotencyKey = None
) -> Counted:
    """As of the instant it was taken. A variance beyond the tolerance changes nothing until a second count agrees."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("COUNT", key, data.sku, data.location, data.counted, "AT", data.taken_at.isoformat())
    blind = ("BLIND",) if data.blind else ()
    return await ask(request, Lane.WRITE, Counted, *words, *blind, *signed(request, data.reference))


@post("/v1/snapshots", status_code=200, **describe("stock:write", _TAG, "Tell what a partner has of yours", *_REFUSALS))
async def take_snapshot(
    request: GatewayRequest, data: JSONBody[SnapshotRequest], idempotency_key: IdempotencyKey = None
) -> SnapshotTaken:
    """Each row has its own verdict; SKUs that are not mentioned stay. FUSE when too much falls to zero at once."""
    key = agree_on_key("key", data.key, idempotency_key)
    words: list[Word] = ["SNAPSHOT", key, data.location, data.source, "AS_OF", data.as_of.isoformat()]
    words += ["NETS", "yes" if data.nets_open_orders else "no", *(("FORCE",) if data.force else ())]
    lines = lines_of((row.sku, row.quantity) for row in data.rows)
    return await ask(request, Lane.WRITE, SnapshotTaken, *words, *signed(request, data.reference), *lines)


@post(
    "/v1/orders/{account:str}/{order:str}/allocations",
    **describe("orders:write", _TAG, "Owe an order line from another location", *_REFUSALS),
)
async def reallocate(
    request: GatewayRequest, account: FromPath[str], order: FromPath[str], data: JSONBody[AllocationRequest]
) -> Allocated:
    """Its open units move if the location has room for them. Repeatable."""
    account, order = decode_segment(account, "the account"), decode_segment(order, "the order")
    words = ("REALLOCATE", account, order, data.line, data.sku, data.location)
    more = (*option("REASON", data.reason), *signed(request, data.reference))
    return await ask(request, Lane.WRITE, Allocated, *words, *more)


ROUTES = (adjust, receive, take_back, inspect, count, take_snapshot, reallocate)
