"""The daemon itself: channels, health, metrics, and the documentation of all this."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, PathParameter
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.link import DaemonRefused, DaemonUnavailable
from ops.gateway.models.daemon import Alive, Channel, ChannelDone, Channels, Ready
from ops.gateway.openapi import render_page
from ops.gateway.problems import Problem, explain_failure
from ops.gateway.routes.common import ask, describe
from ops.gateway.telemetry import Telemetry, merge_expositions

ACTIONS = ("pause", "resume", "flush", "resync")
Action = Annotated[str, PathParameter(description="What to do.", schema_extra={"enum": list(ACTIONS)})]


@get("/v1/channels", **describe("stock:read", "channels", "Every account and how far it is in step"))
async def list_channels(request: GatewayRequest) -> Channels:
    """State, counts of listings by state, and the instant up to which orders are known."""
    return Channels(channels=await ask(request, Lane.READ, tuple[Channel, ...], "CHANNEL", "LIST"))


@post(
    "/v1/channels/{account:str}/{action:str}",
    status_code=200,
    **describe("admin", "channels", "Pause, resume, flush or resync an account", 404),
)
async def command_channel(request: GatewayRequest, account: FromPath[str], action: Action) -> ChannelDone:
    """A pause survives restarts. Flush pushes what is dirty now; resync reads catalogue and recent orders again."""
    if action not in ACTIONS:
        raise Problem("NOTFOUND", f"{action!r} is none of {', '.join(ACTIONS)}")
    account = decode_segment(account, "the account")
    await ask(request, Lane.WRITE, str, "CHANNEL", action.upper(), account)
    return ChannelDone(account=account, action=action)


@get("/healthz", **describe(None, "health", "Is this process up?"))
async def healthz() -> Alive:
    """Says nothing about the daemon: restart the gateway when this fails, and only then."""
    return Alive()


@get("/readyz", **describe(None, "health", "Is the daemon in business?"))
async def readyz(request: GatewayRequest) -> Ready:
    """503 with the reason while the daemon is away, its journal is stalled or it is not ready."""
    try:
        health = await ask(request, Lane.READ, _Health, "HEALTH")
    except (DaemonUnavailable, DaemonRefused) as error:
        raise Problem("NOTREADY", explain_failure(error).document.detail) from error
    if not health.ready:
        reasons = [f"journal {health.journal}", *(_describe_account(account) for account in health.accounts)]
        raise Problem("NOTREADY", f"the daemon is not ready: {'; '.join(reasons)}")
    return Ready(ready=True, journal=health.journal, accounts=health.accounts)


def build_metrics_route(*, need_token: bool) -> HTTPRouteHandler:
    """Build /metrics, open or behind the scope `metrics`."""

    @get("/metrics", media_type="text/plain", **describe("metrics" if need_token else None, "health", "Metrics"))
    async def metrics(request: GatewayRequest) -> Response[bytes]:
        """The daemon's and the gateway's as one Prometheus exposition; the gateway's alone while the daemon is away."""
        telemetry: Telemetry = request.app.state.telemetry
        try:
            theirs = await ask(request, Lane.READ, str, "METRICS")
        except (DaemonUnavailable, DaemonRefused):
            theirs = ""
        exposition = merge_expositions(telemetry.expose(), theirs)
        return Response(exposition.encode(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return metrics


@get("/openapi.json", include_in_schema=False)
async def openapi_json(request: GatewayRequest) -> dict[str, Any]:
    """Describe every route, with examples."""
    document: dict[str, Any] = request.app.state.document
    return document


@get("/docs", media_type="text/html", include_in_schema=False)
async def docs_page(request: GatewayRequest) -> str:
    """Show the same to people; one page that loads nothing else."""
    return render_page(request.app.state.document)


class _Health(msgspec.Struct, frozen=True, kw_only=True):
    ready: bool | int
    journal: Any = None
    accounts: tuple[dict[str, Any], ...] = ()


def _describe_account(account: dict[str, Any]) -> str:
    reason = account.get("reason")
    return f"{account.get('account')} {account.get('state')}" + (f" ({reason})" if reason else "")
