"""Stock: what there is, what is shown of it, and what was sold twice."""

from typing import Annotated

from litestar import get
from litestar.params import PathParameter

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.models.stock import Incident, Incidents, Offers, Stock
from ops.gateway.routes.common import Limit, ask, describe

_TAG = "stock"

SkuPath = Annotated[str, PathParameter(description="Percent-encoded UTF-8; slashes may stay as they are.")]


@get("/v1/stock/{sku:path}", **describe("stock:read", _TAG, "Units of one SKU", 404))
async def show_stock(request: GatewayRequest, sku: SkuPath) -> Stock:
    """All figures, in total and per location."""
    return await ask(request, Lane.READ, Stock, "STOCK", decode_sku(sku))


@get("/v1/offers/{sku:path}", **describe("stock:read", _TAG, "What the channels show of one SKU", 404))
async def show_offers(request: GatewayRequest, sku: SkuPath) -> Offers:
    """One entry per listing: what it was told, what it shows, how far that is verified."""
    return await ask(request, Lane.READ, Offers, "OFFERS", decode_sku(sku))


@get("/v1/incidents", **describe("stock:read", _TAG, "Units that were sold twice, and why"))
async def list_incidents(request: GatewayRequest, limit: Limit = 50) -> Incidents:
    """Newest first, cleared ones too."""
    return Incidents(incidents=await ask(request, Lane.READ, tuple[Incident, ...], "INCIDENTS", "LIMIT", limit))


def decode_sku(path: str) -> str:
    """Read a SKU from the end of a path."""
    return decode_segment(path.removeprefix("/"), "the SKU")
