"""Alerts: what people must hear of."""

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, QueryParameter

from ops.gateway.bodies import GatewayRequest
from ops.gateway.client import Lane
from ops.gateway.models.alerts import Alert, Alerts, Which
from ops.gateway.routes.common import Limit, ask, describe, signed

_TAG = "alerts"

State = Annotated[Which, QueryParameter(name="state", description="all: the last that were resolved, too.")]


@get("/v1/alerts", **describe("stock:read", _TAG, "What is the matter"))
async def list_alerts(request: GatewayRequest, which: State = "open", limit: Limit = 50) -> Alerts:
    """Newest first; open ones, unless `all` are wanted."""
    rows = await ask(request, Lane.READ, tuple[Alert, ...], "ALERTS", which.upper(), "LIMIT", limit)
    return Alerts(alerts=rows)


@post(
    "/v1/alerts/{alert:int}/acknowledge",
    status_code=200,
    **describe("stock:write", _TAG, "Say that you look after an alert", 404, 422),
)
async def acknowledge_alert(request: GatewayRequest, alert: FromPath[int]) -> Alert:
    """In the name of the token. Repeatable: the first one counts."""
    return await ask(request, Lane.WRITE, Alert, "ALERT", "ACK", alert, *signed(request, None))


@post(
    "/v1/alerts/{alert:int}/resolve",
    status_code=200,
    **describe("stock:write", _TAG, "End an alert by hand", 404, 422),
)
async def resolve_alert(request: GatewayRequest, alert: FromPath[int]) -> Alert:
    """In the name of the token. Repeatable. While its condition lasts it is raised again after the cooldown."""
    return await ask(request, Lane.WRITE, Alert, "ALERT", "RESOLVE", alert, *signed(request, None))


ROUTES = (list_alerts, acknowledge_alert, resolve_alert)
