"""What every route shares: asking the daemon, agreeing on a key, describing itself."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter

from config.schema import Scope
from ops.gateway.auth import CALLER_KEY, need
from ops.gateway.bodies import GatewayRequest
from ops.gateway.client import DaemonClient, Lane
from ops.gateway.examples.table import example_problem
from ops.gateway.link import DaemonMisread, Link, Word
from ops.gateway.problems import KINDS, MEDIA_TYPE, Problem, ProblemDocument

T = TypeVar("T")

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key", description="Stands for the id or key of the body; equal to it if both are sent."
    ),
]
Limit = Annotated[int, QueryParameter(ge=1, le=1000, description="At most this many, the newest.")]


def describe(scope: Scope | None, tag: str, summary: str, *statuses: int) -> dict[str, Any]:
    """Build the keyword arguments of a route: who may call it and what it may refuse.

    Args:
        scope: what the token needs; None: open to everyone.
        tag: where the documentation lists it.
        summary: one line.
        statuses: refusals besides those that every route has.
    """
    usual = (502, 503) if scope is None else (401, 403, 502, 503)
    return {
        "guards": [need(scope)] if scope else [],
        "security": [{"bearer": [scope]}] if scope else [],
        "tags": [tag],
        "summary": summary,
        "responses": {status: _refusal(status) for status in sorted({400, *usual, *statuses})},
    }


async def ask(request: GatewayRequest, lane: Lane, kind: type[T], *words: Word) -> T:
    """Send one command over a lane; see `ask_link`."""
    return await ask_link(pick_link(request, lane), kind, *words)


def pick_link(request: GatewayRequest, lane: Lane) -> Link:
    """Choose a connection for several commands in a row.

    Raises:
        DaemonUnavailable: none is up.
    """
    daemon: DaemonClient = request.app.state.daemon
    return daemon.pick(lane)


async def ask_link(link: Link, kind: type[T], *words: Word) -> T:
    """Send one command and read its answer as `kind`.

    Raises:
        DaemonRefused, DaemonUnavailable: as from `Link.call`.
        DaemonMisread: as from `read_reply`.
    """
    return read_reply(await link.call(*words), kind, str(words[0]))


def read_reply(reply: object, kind: type[T], command: str) -> T:
    """Read an answer as `kind`.

    Raises:
        DaemonMisread: it has another shape, which makes it a fault and not data.
    """
    try:
        return msgspec.convert(reply, kind)
    except msgspec.ValidationError as error:
        raise DaemonMisread(f"the answer to {command} has an unknown shape: {error}") from error


def agree_on_key(field: str, in_body: str | None, in_header: str | None) -> str:
    """Return the one name that this change has, from the body or from Idempotency-Key.

    Raises:
        Problem: 400 when there is none, or two that differ.
    """
    if in_header is not None:
        try:
            in_header = in_header.encode("latin-1").decode()  # the server decodes headers byte by byte
        except UnicodeDecodeError as error:
            raise Problem("BADREQUEST", "Idempotency-Key is not UTF-8") from error
    if in_body is not None and in_header is not None and in_body != in_header:
        raise Problem(
            "BADREQUEST", f"$.{field}: {in_body!r} differs from Idempotency-Key {in_header!r}", path=f"$.{field}"
        )
    key = in_body or in_header
    if not key:
        raise Problem("BADREQUEST", f"send `{field}` in the body or an Idempotency-Key header", path=f"$.{field}")
    return key


def option(name: str, value: str | None) -> tuple[str, ...]:
    """Return an option of the socket, or nothing for no value."""
    return () if value is None else (name, value)


def lines_of(rows: Iterable[tuple[str, int]]) -> tuple[Word, ...]:
    """Return the word LINES and behind it every SKU with its quantity, as commands over many SKUs end."""
    return ("LINES", *(word for row in rows for word in row))


def signed(request: GatewayRequest, reference: str | None) -> tuple[str, ...]:
    """Return the options that say who asks, which is the token's name, and what paper it belongs to."""
    return ("BY", request.scope[CALLER_KEY], *option("REF", reference))  # type: ignore[literal-required]  # our own key


def _refusal(status: int) -> ResponseSpec:
    titles: Mapping[str, None] = dict.fromkeys(title for at, title, _ in KINDS.values() if at == status)
    return ResponseSpec(
        ProblemDocument,
        generate_examples=False,
        description=f"{'; '.join(titles)}. Example: {example_problem(status)['code']}.",
        media_type=MEDIA_TYPE,
    )
