"""Errors as callers see them: RFC 9457 problem documents, one per refusal, never a traceback."""

import re
from typing import Annotated

import msgspec

from ops.gateway.link import DaemonMisread, DaemonRefused, DaemonUnavailable

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, for people and programs (RFC 9457)."""

    type: str
    """`urn:lastunit:problem:<code in lower case>`."""
    title: str
    """The same for every problem of this type."""
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: str
    """This occurrence, naming the thing, the value and the rule."""
    code: str
    """Stable: a code of the command socket, or the gateway's own."""
    path: str | None = None
    """Where in the body, as JSON path: `$.lines[0].quantity`."""
    sku: str | None = None
    requested: int | None = None
    atp: int | None = None
    """Units that were available to promise."""
    component: str | None = None
    """Of a bundle: which of its components was short."""


class Problem(Exception):
    """A refusal on its way to the caller."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        path: str | None = None,
        stock: tuple[str, int, int] | None = None,
        component: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        """Describe one refusal.

        Args:
            code: a key of `KINDS`; anything else counts as the daemon's fault.
            detail: for people; must hold no secret and no body.
            path: JSON path of the value at fault.
            stock: `sku, requested, atp` when units were short.
            component: of a bundle that was short, the component to blame.
            headers: besides those that the status brings by itself.
        """
        super().__init__(f"{code} {detail}")
        status, title, self.retry_after_seconds = KINDS.get(code, KINDS["BADREPLY"])
        sku, requested, atp = stock or (None, None, None)
        self.document = ProblemDocument(
            type=f"urn:lastunit:problem:{code.lower()}",
            title=title,
            status=status,
            detail=detail or title,
            code=code,
            path=path,
            sku=sku,
            requested=requested,
            atp=atp,
            component=component,
        )
        self._headers = headers or {}

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.document.status

    @property
    def headers(self) -> dict[str, str]:
        """Response headers; a body that was not read to its end closes the connection."""
        headers = dict(self._headers)
        if self.retry_after_seconds is not None:
            headers["retry-after"] = str(self.retry_after_seconds)
        if self.status in {408, 413}:
            headers["connection"] = "close"
        return headers

    def encode(self) -> bytes:
        """Build the document's bytes."""
        return _ENCODER.encode(self.document)


KINDS: dict[str, tuple[int, str, int | None]] = {
    # The daemon's, in the order of docs/socket.md: status, title, Retry-After in seconds.
    "BADARG": (422, "An argument breaks its rule", None),
    "OUTOFSTOCK": (409, "Not enough units are available", None),
    "NOSUCHSKU": (404, "No such SKU", None),
    "NOSUCHLOCATION": (404, "No such location", None),
    "NOSUCHACCOUNT": (404, "No such account", None),
    "NOSUCHHOLD": (404, "No such hold", None),
    "NOSUCHORDER": (404, "No such order", None),
    "NOSUCHALERT": (404, "No such alert", None),
    "NOSUCHVERSION": (404, "No such version of the rules", None),
    "NOSUCHCAMPAIGN": (404, "No such campaign", None),
    "RUNNING": (409, "The campaign is not over", None),
    "NOSUCHRECIPE": (404, "The SKU is no bundle", None),
    "BADRECIPE": (422, "The recipe cannot be", None),
    "BUNDLE": (409, "A bundle has no stock of its own", None),
    "INUSE": (409, "Something of the SKU is still under way", None),
    "MERGED": (409, "The SKU was merged into another one", None),
    "RETIRED": (409, "The SKU is not sold any more", None),
    "CONFLICT": (409, "The id or key was used before with other content", None),
    "EXPIRED": (410, "The hold has expired", None),
    "RELEASED": (410, "The hold was released", None),
    "COMMITTED": (409, "The hold was committed", None),
    "NEGATIVE": (409, "Fewer than zero units would be on hand", None),
    "NOSUCHPO": (404, "No such purchase order", None),
    "NOSUCHTRANSFER": (404, "No such transfer", None),
    "NOSUCHLINE": (404, "Nothing is owed on the order line", None),
    "EXCEEDS": (409, "More units than there are", None),
    "ENDED": (409, "The purchase order was closed or cancelled", None),
    "STALE": (409, "Something newer is known", None),
    "TOOOLD": (409, "Further back than the figures are kept", None),
    "BOUND": (409, "The order is bound to its store", None),
    "FUSE": (409, "Too much would fall to zero at once", None),
    "BUSY": (503, "At a limit; try again", 1),
    "DAMAGED": (500, "The journal cannot be read", None),
    "PUTAWAY": (500, "Frames that are needed were put away", None),
    "STALLED": (503, "The journal cannot be written just now", 5),
    "TOOBIG": (413, "The body is too large", None),
    "SHUTTINGDOWN": (503, "The daemon is stopping", 2),
    # The gateway's own.
    "UNAVAILABLE": (503, "The daemon does not answer", 1),
    "NOTREADY": (503, "The daemon is not ready", 1),
    "BADREPLY": (502, "Gateway and daemon do not understand each other", None),
    "BADREQUEST": (400, "The request cannot be read", None),
    "UNAUTHENTICATED": (401, "A valid token is needed", None),
    "FORGED": (401, "The signature does not fit the body", None),
    "FORBIDDEN": (403, "The token lacks a scope", None),
    "NOTSIGNED": (403, "Webhooks of this account are switched off", None),
    "NOTFOUND": (404, "No such route", None),
    "BADMETHOD": (405, "The route has other methods", None),
    "TIMEOUT": (408, "The request took too long to arrive", None),
    "INTERNAL": (500, "A fault in the gateway; its log has the details", None),
}

_ENCODER = msgspec.json.Encoder()
_SHORT = re.compile(
    r"sku=(?P<sku>.*) requested=(?P<requested>\d+) atp=(?P<atp>-?\d+)(?: component=(?P<component>.*))?", re.DOTALL
)


def explain_failure(error: DaemonRefused | DaemonUnavailable | DaemonMisread) -> Problem:
    """Translate a failed command into the problem its HTTP caller gets."""
    match error:
        case DaemonRefused(code=code, text=text) if code in KINDS:
            short = _SHORT.fullmatch(text) if code == "OUTOFSTOCK" else None
            stock = (short["sku"], int(short["requested"]), int(short["atp"])) if short else None
            return Problem(code, text, stock=stock, component=short["component"] if short else None)
        case DaemonRefused(code=code):
            # NOAUTH, ERR and the like: ours to mend; the text may tell what is none of the caller's business.
            return Problem("BADREPLY", f"the daemon answered {code}")
        case DaemonUnavailable(sent=True):
            return Problem("UNAVAILABLE", f"{error}; whether it was done is unknown: repeat it with the same id or key")
        case DaemonUnavailable():
            return Problem("UNAVAILABLE", f"{error}; nothing was done")
        case DaemonMisread():
            return Problem("BADREPLY", str(error))
