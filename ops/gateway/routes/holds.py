"""Holds: promises to baskets and drafts."""

import asyncio

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.link import DaemonMisread, DaemonRefused, DaemonUnavailable, Link, Word
from ops.gateway.models.holds import (
    CommitRequest,
    Committed,
    Hold,
    HoldBatch,
    HoldRequest,
    HoldResult,
    HoldResults,
    HoldState,
    Line,
    Released,
)
from ops.gateway.problems import Problem, explain_failure
from ops.gateway.routes.common import IdempotencyKey, agree_on_key, ask, ask_link, describe, pick_link

_TAG = "holds"
_OPTIONS = ("CHANNEL", "AT")


@post("/v1/holds", **describe("holds", _TAG, "Hold units for a basket", 404, 409, 410, 413, 422))
async def place_hold(
    request: GatewayRequest, data: JSONBody[HoldRequest], idempotency_key: IdempotencyKey = None
) -> Hold:
    """All lines or none. The same id with the same lines answers as the first time, refusals too."""
    hold_id = agree_on_key("hold", data.hold, idempotency_key)
    return await ask(request, Lane.WRITE, Hold, *_hold_words(hold_id, data))


@post("/v1/holds/batch", status_code=200, **describe("holds", _TAG, "Place many holds", 413))
async def place_holds(request: GatewayRequest, data: JSONBody[HoldBatch]) -> HoldResults:
    """One round trip, decided in the order of the batch; each hold stands for itself and has its own result."""
    commands = []
    for number, hold in enumerate(data.holds):
        if hold.hold is None:
            path = f"$.holds[{number}].hold"
            raise Problem("BADREQUEST", f"{path}: each hold of a batch needs its own id", path=path)
        commands.append(_hold_words(hold.hold, hold))
    link = pick_link(request, Lane.WRITE)
    return HoldResults(results=tuple(await asyncio.gather(*(_try_hold(link, words) for words in commands))))


@post("/v1/holds/{hold:str}/commit", status_code=200, **describe("holds", _TAG, "The basket was sold", 404, 409, 410))
async def commit_hold(
    request: GatewayRequest, hold: FromPath[str], data: JSONBody[CommitRequest | None] = None
) -> Committed:
    """Repeatable. Name the order so that it and the hold are not counted twice."""
    order = () if data is None or data.order is None else ("ORDER", data.order)
    return await ask(request, Lane.WRITE, Committed, "COMMIT", decode_segment(hold, "hold"), *order)


@delete("/v1/holds/{hold:str}", status_code=200, **describe("holds", _TAG, "The basket was given up", 404, 409, 410))
async def release_hold(request: GatewayRequest, hold: FromPath[str]) -> Released:
    """Repeatable."""
    return await ask(request, Lane.WRITE, Released, "RELEASE", decode_segment(hold, "hold"))


@get("/v1/holds/{hold:str}", **describe("holds", _TAG, "What became of a hold", 404))
async def look_up_hold(request: GatewayRequest, hold: FromPath[str]) -> HoldState:
    """Look here after an answer was lost; or simply repeat the request."""
    return await ask(request, Lane.READ, HoldState, "LOOKUP", decode_segment(hold, "hold"))


def _hold_words(hold_id: str, hold: HoldRequest) -> tuple[Word, ...]:
    ttl = "NEVER" if hold.ttl_seconds == "never" else hold.ttl_seconds
    words: list[Word] = ["HOLD", hold_id, ttl]
    for line in _put_options_first(hold.lines):
        words += (line.sku, line.quantity)
    if hold.account is not None:
        words += ("CHANNEL", hold.account)
    if hold.location is not None:
        words += ("AT", hold.location)
    return tuple(words)


def _put_options_first(lines: tuple[Line, ...]) -> list[Line]:
    """Move a SKU that is called like an option to the front, the only place where the command takes it for a SKU.

    Raises:
        Problem: 400, there are two of them; else the second would be lost and the rest be granted.
    """
    first = [line for line in lines if line.sku.upper() in _OPTIONS]
    if len(first) > 1:
        raise Problem("BADREQUEST", f"one hold cannot have two lines with SKUs called {' or '.join(_OPTIONS)}")
    return first + [line for line in lines if line not in first]


async def _try_hold(link: Link, words: tuple[Word, ...]) -> HoldResult:
    try:
        return HoldResult(status=201, hold=await ask_link(link, Hold, *words))
    except (DaemonRefused, DaemonUnavailable, DaemonMisread) as error:
        problem = explain_failure(error)
        return HoldResult(status=problem.status, problem=msgspec.to_builtins(problem.document))
