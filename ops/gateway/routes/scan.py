"""Whether every figure adds up."""

import asyncio
from typing import Any, Final

import structlog
from litestar import Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from ops.gateway.bodies import GatewayRequest
from ops.gateway.client import Lane
from ops.gateway.link import Reply
from ops.gateway.models.scan import Scan, ScanReport, ScanRequest, ScanUnderWay
from ops.gateway.routes.common import ask, describe, pick_link, read_reply

log = structlog.get_logger()

ANSWER_SECONDS_MAX: Final = 10.0
"""A scan that takes longer goes on in the daemon; below what a request may take in all."""

_TAG: Final = "stock"
_ASKED: Final = describe("admin", _TAG, "Check that every figure adds up", 404)
_ASKED["responses"][202] = ResponseSpec(ScanUnderWay, generate_examples=False, description="It takes longer.")


@get("/v1/scan", **describe("stock:read", _TAG, "Figures that do not add up"))
async def show_scan(request: GatewayRequest) -> Scan:
    """On record and not found gone, newest first; how far the background is; the last scan that was asked for."""
    return await ask(request, Lane.READ, Scan, "VIOLATIONS")


@post("/v1/scans", status_code=200, **_ASKED)
async def scan(request: GatewayRequest, data: JSONBody[ScanRequest | None] = None) -> Response[ScanReport]:
    """Of one SKU or of all, against the journal, too, if it is to be deep; one at a time. Repairs nothing.

    202 when it takes longer than ten seconds: then GET /v1/scan has the report when it is done.
    """
    wanted = data or ScanRequest()
    words = ("SCAN", *(() if wanted.sku is None else (wanted.sku,)), *(("DEEP",) if wanted.deep else ()))
    answer = pick_link(request, Lane.SCAN).call(*words)
    await asyncio.wait((answer,), timeout=ANSWER_SECONDS_MAX)
    if answer.done():
        return Response(read_reply(answer.result(), ScanReport, "SCAN"), status_code=200)
    answer.add_done_callback(_note_failure)
    under_way = ScanUnderWay(sku=wanted.sku, deep=wanted.deep)
    begun: Response[Any] = Response(under_way, status_code=202, headers={"location": "/v1/scan"})
    return begun


def _note_failure(answer: asyncio.Future[Reply]) -> None:
    """Nobody waits for it any more, so what went wrong is only told here."""
    error = None if answer.cancelled() else answer.exception()
    if error is not None:
        log.warning("scan.failed", reason=str(error))


ROUTES: Final = (show_scan, scan)
