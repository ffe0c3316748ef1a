"""What goes in and out about holds."""

from typing import Annotated, Any, Literal

import msgspec

from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Out, Quantity

BATCH_HOLDS_MAX = 500


class Line(In, frozen=True, kw_only=True):
    """Units of one SKU to hold."""

    sku: Identifier
    quantity: Quantity


class HoldRequest(In, frozen=True, kw_only=True):
    """A promise to a basket or draft: all lines or none."""

    hold: Identifier | None = None
    """Your id, new for each basket; or send it as Idempotency-Key. Repeating it answers as the first time."""
    ttl_seconds: Annotated[int, msgspec.Meta(ge=1)] | Literal["never"]
    """How long the units stay held; `never` for payments that settle later."""
    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1, max_length=1000)]
    account: Identifier | None = None
    """Whose sale it will be; null: your own storefront."""
    location: Identifier | None = None
    """Hold here only; null: as the account's locations are ordered."""


class HoldBatch(In, frozen=True, kw_only=True):
    """Many holds in one round trip; each stands for itself."""

    holds: Annotated[tuple[HoldRequest, ...], msgspec.Meta(min_length=1, max_length=BATCH_HOLDS_MAX)]


class CommitRequest(In, frozen=True, kw_only=True):
    """What became of a hold."""

    order: Identifier | None = None
    """Your order's id, so that the order and the hold are not counted twice."""


class HeldLine(Out, frozen=True, kw_only=True):
    """Units held at one location."""

    sku: str
    location: str | None = None
    quantity: int


class Hold(Out, frozen=True, kw_only=True):
    """Units are yours until then."""

    hold: str
    expires_at: Instant | None = None
    """Null: never."""
    lines: tuple[HeldLine, ...]


class HoldResult(Out, frozen=True, kw_only=True, omit_defaults=True):
    """One item of a batch: `hold` or `problem`."""

    status: int
    """As the hold would have been answered alone."""
    hold: Hold | None = None
    problem: dict[str, Any] | None = None
    """A problem document."""


class HoldResults(Out, frozen=True, kw_only=True):
    """In the order of the batch."""

    results: tuple[HoldResult, ...]


class Committed(Out, frozen=True, kw_only=True):
    """The hold has become demand."""

    hold: str
    order: str | None = None
    committed_at: Instant


class Released(Out, frozen=True, kw_only=True):
    """The units are available again."""

    hold: str
    released_at: Instant


class HoldState(Out, frozen=True, kw_only=True):
    """What is known of a hold."""

    hold: str
    state: str
    """`held`, `committed`, `released`, `expired` or `refused`."""
    expires_at: Instant | None = None
    account: str | None = None
    order: str | None = None
    lines: tuple[HeldLine, ...] = ()
