"""Stock: what there is, what is shown of it and why, and what came in or went missing."""

from typing import Annotated, Any

from litestar import get, post
from litestar.params import FromQuery, JSONBody, PathParameter

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.models import (
    Adjustment,
    AdjustmentRequest,
    Incident,
    Incidents,
    Offers,
    Receipt,
    ReceiptRequest,
    Stock,
)
from ops.gateway.routes.common import IdempotencyKey, Limit, agree_on_key, ask, describe

_TAG = "stock"

SkuPath = Annotated[str, PathParameter(description="Percent-encoded UTF-8; slashes may stay as they are.")]


@get("/v1/stock/{sku:path}", **describe("stock:read", _TAG, "Units of one SKU", 404))
async def show_stock(request: GatewayRequest, sku: SkuPath) -> Stock:
    """All figures, in total and per location."""
    return await ask(request, Lane.READ, Stock, "STOCK", _sku(sku))


@get("/v1/offers/{sku:path}", **describe("stock:read", _TAG, "What the channels show of one SKU", 404))
async def show_offers(request: GatewayRequest, sku: SkuPath) -> Offers:
    """One entry per listing: what it was told, what it shows, how far that is verified."""
    return await ask(request, Lane.READ, Offers, "OFFERS", _sku(sku))


@get("/v1/explain/{sku:path}", **describe("stock:read", _TAG, "Why the channels show what they show", 404))
async def explain_sku(request: GatewayRequest, sku: SkuPath, account: FromQuery[str | None] = None) -> dict[str, Any]:
    """Every term of every offer, the open holds and demand, and the last pushes. Shape: EXPLAIN in docs/socket.md."""
    narrowed = () if account is None else (account,)
    return await ask(request, Lane.READ, dict[str, Any], "EXPLAIN", _sku(sku), *narrowed)


@post("/v1/adjustments", **describe("stock:write", _TAG, "Correct a count", 404, 409, 413, 422))
async def adjust(
    request: GatewayRequest, data: JSONBody[AdjustmentRequest], idempotency_key: IdempotencyKey = None
) -> Adjustment:
    """The same key with the same body answers as the first time."""
    key = agree_on_key("key", data.key, idempotency_key)
    words = ("ADJUST", key, data.sku, data.location, data.delta, data.reason)
    return await ask(request, Lane.WRITE, Adjustment, *words)


@post("/v1/receipts", **describe("stock:write", _TAG, "Book units that arrived", 404, 409, 413, 422))
async def receive(
    request: GatewayRequest, data: JSONBody[ReceiptRequest], idempotency_key: IdempotencyKey = None
) -> Receipt:
    """The same key with the same body answers as the first time."""
    key = agree_on_key("key", data.key, idempotency_key)
    return await ask(request, Lane.WRITE, Receipt, "RECEIVE", key, data.sku, data.location, data.quantity)


@get("/v1/incidents", **describe("stock:read", _TAG, "Units that were sold twice, and why"))
async def list_incidents(request: GatewayRequest, limit: Limit = 50) -> Incidents:
    """Newest first, cleared ones too."""
    return Incidents(incidents=await ask(request, Lane.READ, tuple[Incident, ...], "INCIDENTS", "LIMIT", limit))


def _sku(path: str) -> str:
    return decode_segment(path.removeprefix("/"), "the SKU")
