"""Purchase orders and transfers: papers that announce units and follow them."""

from typing import Annotated, Literal

from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.models.documents import (
    Arrival,
    ArrivalRequest,
    EndRequest,
    Loss,
    LossRequest,
    Purchase,
    PurchaseRequest,
    Purchases,
    PurchaseSummary,
    Transfer,
    TransferRequest,
    Transfers,
    TransferSummary,
)
from ops.gateway.routes.common import IdempotencyKey, Limit, agree_on_key, ask, describe, lines_of, option, signed

_TAG = "documents"

Which = Annotated[
    Literal["open", "all"],
    QueryParameter(name="state", description="all: finished ones too, as long as they are remembered."),
]


@put("/v1/purchase-orders/{purchase_order:str}", **describe("stock:write", _TAG, "Order", 404, 409, 413, 422))
async def set_purchase_order(
    request: GatewayRequest, purchase_order: FromPath[str], data: JSONBody[PurchaseRequest]
) -> Purchase:
    """Levels, not steps: send the whole order as it stands. Repeatable."""
    words = ["PO", "SET", _purchase(purchase_order), data.location, *option("SUPPLIER", data.supplier)]
    expected = data.expected_at.isoformat() if data.expected_at is not None else None
    lines = lines_of((line.sku, line.quantity) for line in data.lines)
    more = (*option("EXPECTED", expected), *signed(request, data.reference), *lines)
    return await ask(request, Lane.WRITE, Purchase, *words, *more)


@post(
    "/v1/purchase-orders/{purchase_order:str}/close",
    status_code=200,
    **describe("stock:write", _TAG, "Expect nothing more on a purchase order", 404, 409),
)
async def close_purchase_order(
    request: GatewayRequest, purchase_order: FromPath[str], data: JSONBody[EndRequest | None] = None
) -> Purchase:
    """Whatever has come of it. Repeatable."""
    return await _end(request, "CLOSE", purchase_order, data)


@post(
    "/v1/purchase-orders/{purchase_order:str}/cancel",
    status_code=200,
    **describe("stock:write", _TAG, "Cancel a purchase order", 404, 409),
)
async def cancel_purchase_order(
    request: GatewayRequest, purchase_order: FromPath[str], data: JSONBody[EndRequest | None] = None
) -> Purchase:
    """What has come of it stays. Repeatable."""
    return await _end(request, "CANCEL", purchase_order, data)


@get("/v1/purchase-orders/{purchase_order:str}", **describe("stock:read", _TAG, "One purchase order", 404))
async def show_purchase_order(request: GatewayRequest, purchase_order: FromPath[str]) -> Purchase:
    """What was ordered, has come, and is still expected."""
    return await ask(request, Lane.READ, Purchase, "PO", "GET", _purchase(purchase_order))


@get("/v1/purchase-orders", **describe("stock:read", _TAG, "The newest purchase orders"))
async def list_purchase_orders(request: GatewayRequest, which: Which = "open", limit: Limit = 50) -> Purchases:
    """Newest first; open ones, unless `all` are wanted."""
    rows = await ask(request, Lane.READ, tuple[PurchaseSummary, ...], "PO", "LIST", which.upper(), "LIMIT", limit)
    return Purchases(purchase_orders=rows)


@put("/v1/transfers/{transfer:str}", **describe("stock:write", _TAG, "Send units", 404, 409, 413, 422))
async def send_transfer(request: GatewayRequest, transfer: FromPath[str], data: JSONBody[TransferRequest]) -> Transfer:
    """All lines or none; sellable nowhere until they arrive. The same again answers as it stands."""
    words = ["TRANSFER", "SEND", _transfer(transfer), data.source, data.target, *option("REASON", data.reason)]
    expected = data.expected_at.isoformat() if data.expected_at is not None else None
    lines = lines_of((line.sku, line.quantity) for line in data.lines)
    more = (*option("EXPECTED", expected), *signed(request, data.reference), *lines)
    return await ask(request, Lane.WRITE, Transfer, *words, *more)


@post(
    "/v1/transfers/{transfer:str}/arrivals",
    **describe("stock:write", _TAG, "Take in units of a transfer", 404, 409, 413, 422),
)
async def receive_transfer(
    request: GatewayRequest,
    transfer: FromPath[str],
    data: JSONBody[ArrivalRequest],
    idempotency_key: IdempotencyKey = None,
) -> Arrival:
    """In parts if need be, never more than is under way."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("TRANSFER", "RECEIVE", key, _transfer(transfer), data.sku, data.quantity)
    return await ask(request, Lane.WRITE, Arrival, *words, *signed(request, data.reference))


@post(
    "/v1/transfers/{transfer:str}/losses",
    **describe("stock:write", _TAG, "Give up on units of a transfer", 404, 409, 413, 422),
)
async def lose_transfer(
    request: GatewayRequest,
    transfer: FromPath[str],
    data: JSONBody[LossRequest],
    idempotency_key: IdempotencyKey = None,
) -> Loss:
    """With the reason; never more than is under way."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("TRANSFER", "LOSE", key, _transfer(transfer), data.sku, data.quantity, data.reason)
    return await ask(request, Lane.WRITE, Loss, *words, *signed(request, data.reference))


@get("/v1/transfers/{transfer:str}", **describe("stock:read", _TAG, "One transfer", 404))
async def show_transfer(request: GatewayRequest, transfer: FromPath[str]) -> Transfer:
    """What was sent, has arrived, is lost, and is under way."""
    return await ask(request, Lane.READ, Transfer, "TRANSFER", "GET", _transfer(transfer))


@get("/v1/transfers", **describe("stock:read", _TAG, "The newest transfers"))
async def list_transfers(request: GatewayRequest, which: Which = "open", limit: Limit = 50) -> Transfers:
    """Newest first; those under way, unless `all` are wanted."""
    rows = await ask(request, Lane.READ, tuple[TransferSummary, ...], "TRANSFER", "LIST", which.upper(), "LIMIT", limit)
    return Transfers(transfers=rows)


async def _end(request: GatewayRequest, action: str, purchase_order: str, data: EndRequest | None) -> Purchase:
    reason = data.reason if data is not None else None
    words = ("PO", action, _purchase(purchase_order), *option("REASON", reason))
    return await ask(request, Lane.WRITE, Purchase, *words, *signed(request, None))


def _purchase(segment: str) -> str:
    return decode_segment(segment, "the purchase order")


def _transfer(segment: str) -> str:
    return decode_segment(segment, "the transfer")


ROUTES = (
    set_purchase_order,
    close_purchase_order,
    cancel_purchase_order,
    show_purchase_order,
    list_purchase_orders,
    send_transfer,
    receive_transfer,
    lose_transfer,
    show_transfer,
    list_transfers,
)
