"""Orders: as the channels told them, and by hand for storefronts without an adapter."""

from typing import Annotated, Any

import msgspec
from litestar import get, put
from litestar.params import FromPath, JSONBody, QueryParameter

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.models.orders import Order, OrderRequest, Orders, OrderSummary, Recorded
from ops.gateway.problems import Problem
from ops.gateway.routes.common import Limit, ask, describe

_TAG = "orders"

AccountQuery = Annotated[str | None, QueryParameter(min_length=1, description="Only this account's.")]


@get("/v1/orders/{account:str}/{order:str}", **describe("orders:read", _TAG, "One order", 404))
async def show_order(request: GatewayRequest, account: FromPath[str], order: FromPath[str]) -> Order:
    """The newest snapshot, with what became of each line."""
    return await ask(request, Lane.READ, Order, "ORDER", *_names(account, order))


@get("/v1/orders", **describe("orders:read", _TAG, "The newest orders", 404))
async def list_orders(request: GatewayRequest, account: AccountQuery = None, limit: Limit = 50) -> Orders:
    """Newest first."""
    narrowed = () if account is None else (account,)
    rows = await ask(request, Lane.READ, tuple[OrderSummary, ...], "ORDERS", *narrowed, "LIMIT", limit)
    return Orders(orders=rows)


@put("/v1/orders/{account:str}/{order:str}", **describe("orders:write", _TAG, "Tell an order", 404, 409, 413, 422))
async def record_order(
    request: GatewayRequest, account: FromPath[str], order: FromPath[str], data: JSONBody[OrderRequest]
) -> Recorded:
    """Levels, not steps: send the whole order as it stands now. Repeats and older snapshots change nothing."""
    account, order = _names(account, order)
    for field, told, known in (("account", data.account, account), ("order_id", data.order_id, order)):
        if told is not None and told != known:
            raise Problem("BADREQUEST", f"$.{field}: {told!r} differs from {known!r} in the path", path=f"$.{field}")
    snapshot: dict[str, Any] = msgspec.structs.asdict(data) | {"account": account, "order_id": order}
    return await ask(request, Lane.WRITE, Recorded, "RECORD", msgspec.json.encode(snapshot))


def _names(account: str, order: str) -> tuple[str, str]:
    return decode_segment(account, "the account"), decode_segment(order, "the order")
