"""The past of a SKU."""

from typing import Annotated, Any, Final

from litestar import get
from litestar.params import FromQuery, QueryParameter

from ops.gateway.bodies import GatewayRequest
from ops.gateway.client import Lane
from ops.gateway.models.past import History
from ops.gateway.routes.common import ask, describe
from ops.gateway.routes.stock import SkuPath, decode_sku

_TAG: Final = "stock"
_INSTANT: Final = "An instant with its offset, unix seconds, or ago as in -2h."

Since = Annotated[str | None, QueryParameter(name="from", description=f"Only from then on. {_INSTANT}")]
Until = Annotated[str | None, QueryParameter(name="to", description=f"Only up to then. {_INSTANT}")]
At = Annotated[str | None, QueryParameter(description=f"As of then; now if left out. {_INSTANT}")]
Before = Annotated[str | None, QueryParameter(description="The page before this line: `older` of the page after it.")]
Lines = Annotated[int, QueryParameter(ge=1, le=1000, description="At most this many, the newest that fit.")]


@get("/v1/explain/{sku:path}", **describe("stock:read", _TAG, "Why the channels show what they show", 404, 422))
async def explain_sku(
    request: GatewayRequest, sku: SkuPath, account: FromQuery[str | None] = None, at: At = None
) -> dict[str, Any]:
    """Every term of every offer, the open holds and demand, and the last pushes; now, or as of an instant.

    Shape: EXPLAIN in docs/socket.md. A plus sign in `at` is written %2B.
    """
    words = [*(() if account is None else (account,)), *(() if at is None else ("AT", at))]
    lane = Lane.READ if at is None else Lane.PAST
    return await ask(request, lane, dict[str, Any], "EXPLAIN", decode_sku(sku), *words)


@get("/v1/history/{sku:path}", **describe("stock:read", _TAG, "The ledger of one SKU", 404, 422))
async def show_history(
    request: GatewayRequest,
    sku: SkuPath,
    since: Since = None,
    until: Until = None,
    account: FromQuery[str | None] = None,
    before: Before = None,
    limit: Lines = 50,
) -> History:
    """One line per fact, the newest last, with what there was after it. Pages go back in time."""
    options = {"FROM": since, "TO": until, "ACCOUNT": account, "BEFORE": before, "LIMIT": limit}
    words = [word for name, value in options.items() if value is not None for word in (name, value)]
    return await ask(request, Lane.PAST, History, "HISTORY", decode_sku(sku), *words)


ROUTES: Final = (explain_sku, show_history)
