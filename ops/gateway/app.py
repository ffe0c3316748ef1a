"""The ASGI application: the hot route in front, the framework behind it, one log line for each request."""

import asyncio
import time
from http import HTTPStatus
from typing import Any, cast

import structlog
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry

from config.schema import Settings
from ops.gateway import openapi, routes, webhooks
from ops.gateway.auth import CALLER_KEY, Doorkeeper
from ops.gateway.bodies import BodyReader, ClientGone, GatewayRequest
from ops.gateway.client import DaemonClient
from ops.gateway.link import DaemonMisread, DaemonRefused, DaemonUnavailable
from ops.gateway.problems import MEDIA_TYPE, Problem, explain_failure
from ops.gateway.telemetry import Telemetry

log = structlog.get_logger()

REQUEST_SECONDS_MAX = 30.0
"""From the head to the answer. The daemon's part has its own, shorter limit, so this one is for slow senders."""
REQUESTS_MAX = 2048
"""Requests at once; more are answered BUSY. With 64 KiB each in the server's buffers that is 128 MiB."""

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines: logged at level debug."""
_UNMATCHED = "(none)"
_GONE = 499
"""Nobody was left to answer; the word is nginx's."""


def build_app(settings: Settings, daemon: DaemonClient) -> ASGIApp:
    """Build the whole gateway around a client of the daemon."""
    telemetry = Telemetry(CollectorRegistry(), daemon)
    # The daemon hangs up on a command that is too large, and others share the connection: leave room.
    bodies = BodyReader(min(settings.gateway.body_bytes_max, settings.socket.command_bytes_max // 2))
    handlers = [*routes.ROUTES, routes.build_metrics_route(need_token=settings.gateway.metrics_need_token)]
    rest = Litestar(
        handlers,
        exception_handlers={Exception: answer_failure},
        logging_config=None,
        openapi_config=None,
        request_class=GatewayRequest,
        state=State(
            {
                "bodies": bodies,
                "daemon": daemon,
                "document": openapi.build_document(handlers),
                "doorkeeper": Doorkeeper(settings.gateway.tokens),
                "telemetry": telemetry,
            }
        ),
    )
    return Front(rest, webhooks.WebhookDoor(settings.accounts, daemon, bodies), telemetry)


class Front:
    """Every request passes here: webhooks are dealt with, the rest goes on to the framework."""

    def __init__(self, rest: ASGIApp, door: webhooks.WebhookDoor, telemetry: Telemetry) -> None:
        self._rest = rest
        self._door = door
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        visit = _Visit(cast("HTTPScope", scope), send)  # the server is configured for HTTP alone
        self._telemetry.in_flight += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS_MAX):
                await self._answer(visit, receive)
        except TimeoutError:
            await visit.refuse(Problem("TIMEOUT", f"the request did not arrive within {REQUEST_SECONDS_MAX:g} s"))
        except ClientGone:
            visit.status = _GONE
        except Exception:
            log.exception("request.failed", method=visit.scope["method"], route=visit.route)
            await visit.refuse(Problem("INTERNAL", "see the log"))
        finally:
            self._telemetry.in_flight -= 1
            self._record(visit)

    async def _answer(self, visit: "_Visit", receive: Receive) -> None:
        scope = visit.scope
        path = scope["raw_path"].decode("latin-1")
        if self._telemetry.in_flight > REQUESTS_MAX and path not in _QUIET:
            await visit.refuse(Problem("BUSY", f"{REQUESTS_MAX} requests are being worked on"))
        elif path.startswith(webhooks.PREFIX):
            await self._take_webhook(visit, path.removeprefix(webhooks.PREFIX), receive)
        else:
            # Split first, decode later (RFC 3986 section 2.4): %2F in an id is not a separator.
            scope["path"] = path
            await self._rest(scope, receive, visit.send)
            visit.route = _name_route(scope.get("path_template", ""))
            visit.account = scope.get("path_params", {}).get("account")

    async def _take_webhook(self, visit: "_Visit", account: str, receive: Receive) -> None:
        visit.route = webhooks.ROUTE
        known = visit.account = account if self._door.knows(account) else None
        try:
            outcome = await self._door.take(visit.scope["method"], account, visit.scope["headers"], receive)
        except Problem as problem:
            outcome = webhooks.name_outcome(problem)
            await visit.refuse(problem)
        else:
            await visit.reply(200, b'{"outcome":"%b"}' % outcome.encode(), "application/json", {})
        if known is not None:
            self._telemetry.count_webhook(known, outcome)

    def _record(self, visit: "_Visit") -> None:
        seconds = time.perf_counter() - visit.started_at
        scope = visit.scope
        method = scope["method"] if visit.route != _UNMATCHED else _UNMATCHED
        self._telemetry.count_request(method, visit.route, visit.status, seconds)
        write = log.debug if visit.route in _QUIET and visit.status < 500 else log.info
        write(
            "request.answered",
            method=scope["method"],
            route=visit.route,
            status=visit.status,
            duration_ms=round(seconds * 1000, 2),
            account=visit.account,
            caller=scope.get(CALLER_KEY),
        )


class _Visit:
    """One request: what will be logged of it, and how to answer it without the framework."""

    def __init__(self, scope: HTTPScope, send: Send) -> None:
        self.scope = scope
        self.status = 0
        self.route = _UNMATCHED
        self.account: str | None = None
        self.started_at = time.perf_counter()
        self._send = send

    async def send(self, message: Message) -> None:
        """Pass a message on and remember the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Answer with a problem, unless an answer has begun."""
        await self.reply(problem.status, problem.encode(), MEDIA_TYPE, problem.headers)

    async def reply(self, status: int, body: bytes, media_type: str, headers: dict[str, str]) -> None:
        """Answer, unless an answer has begun."""
        if self.status:
            return
        raw = [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(body)),
            *((name.encode(), value.encode()) for name, value in headers.items()),
        ]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Turn whatever a route raised into a problem document.

    Raises:
        ClientGone: nobody is left to read one.
    """
    if isinstance(error, ClientGone):
        raise error
    problem = _judge(error)
    if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("request.failed", method=request.method, exc_info=error)
    elif isinstance(error, DaemonRefused | DaemonMisread) and problem.status == HTTPStatus.BAD_GATEWAY:
        log.error("daemon.misunderstood", answer=str(error))
    return Response(problem.encode(), status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


def _judge(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case DaemonRefused() | DaemonUnavailable() | DaemonMisread():
            return explain_failure(error)
        case ValidationException(extra=[{**first}, *_]):
            where = f"{first['key']}: " if "key" in first and first["key"] != "data" else ""
            return Problem("BADREQUEST", f"{where}{first['message']}" if where else "the body is empty")
        case HTTPException(status_code=HTTPStatus.NOT_FOUND):
            return Problem("NOTFOUND", "see /openapi.json for the routes")
        case HTTPException(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers=headers):
            allowed = {name.lower(): value for name, value in (headers or {}).items()}
            return Problem("BADMETHOD", f"allowed: {allowed.get('allow', '')}", headers=allowed)
        case HTTPException(status_code=status, detail=detail) if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Problem("BADREQUEST", detail)
        case _:
            return Problem("INTERNAL", "see the log")


def _name_route(template: str) -> str:
    """`/v1/stock/{sku:path}` without the parameters' types; the framework leaves it empty where no route fits."""
    return _TEMPLATES.setdefault(template, "".join(_strip_type(part) for part in template.split("{"))) or _UNMATCHED


def _strip_type(part: str) -> str:
    name, brace, rest = part.partition("}")
    return "{" + name.partition(":")[0] + brace + rest if brace else part


_TEMPLATES: dict[str, str] = {}
