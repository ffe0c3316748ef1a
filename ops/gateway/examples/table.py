"""One example per body and answer; the types check them, the OpenAPI document shows them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.domain.orders import OrderLine, OrderStatus
from engine.domain.units import LineId, Sku
from ops.gateway.examples.alerts import STRUCTS as _ALERTS
from ops.gateway.examples.campaigns import STRUCTS as _CAMPAIGNS
from ops.gateway.examples.items import STRUCTS as _ITEMS
from ops.gateway.examples.movements import STRUCTS as _MOVEMENTS
from ops.gateway.examples.past import STRUCTS as _PAST
from ops.gateway.examples.recipes import STRUCTS as _RECIPES
from ops.gateway.examples.rules import STRUCTS as _RULES
from ops.gateway.examples.scan import STRUCTS as _SCAN
from ops.gateway.models import daemon, holds, orders, stock
from ops.gateway.problems import KINDS, Problem

_NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
_QUARTER_PAST = datetime(2026, 11, 11, 12, 15, tzinfo=UTC)
_FRIDAY = datetime(2026, 11, 13, 8, 0, tzinfo=UTC)

_HELD = holds.HeldLine(sku="A-1", location="main", quantity=2)
_HOLD = holds.Hold(hold="basket-81", expires_at=_QUARTER_PAST, lines=(_HELD,))
_HOLD_REQUEST = holds.HoldRequest(hold="basket-81", ttl_seconds=900, lines=(holds.Line(sku="A-1", quantity=2),))
_SHORT = Problem("OUTOFSTOCK", "sku=A-1 requested=3 atp=2", stock=("A-1", 3, 2))

_STRUCTS: tuple[msgspec.Struct, ...] = (
    _HOLD_REQUEST,
    holds.HoldBatch(
        holds=(_HOLD_REQUEST, holds.HoldRequest(hold="basket-82", ttl_seconds="never", lines=_HOLD_REQUEST.lines))
    ),
    holds.CommitRequest(order="1001"),
    _HOLD,
    holds.HoldResults(
        results=(
            holds.HoldResult(status=201, hold=_HOLD),
            holds.HoldResult(status=409, problem=msgspec.to_builtins(_SHORT.document)),
        )
    ),
    holds.Committed(hold="basket-81", order="1001", committed_at=_NOON),
    holds.Released(hold="basket-81", released_at=_NOON),
    holds.HoldState(hold="basket-81", state="held", expires_at=_QUARTER_PAST, account="direct", lines=(_HELD,)),
    stock.Stock(
        sku="A-1",
        name="Mug, blue",
        on_hand=42,
        committed=5,
        reserved=2,
        unavailable=1,
        quality_hold=1,
        damaged=0,
        display=0,
        safety_stock=4,
        incoming=24,
        in_transit=0,
        atp=30,
        oversold=0,
        shortages=(),
        holds=1,
        locations=(
            stock.LocationStock(
                location="main",
                kind="own",
                on_hand=42,
                committed=5,
                reserved=2,
                unavailable=1,
                quality_hold=1,
                damaged=0,
                display=0,
                safety_stock=4,
                incoming=24,
                in_transit=0,
                atp=30,
            ),
        ),
        documents=(
            stock.ExpectedUnits(
                kind="purchase_order", document="PO-12", location="main", quantity=24, expected_at=_FRIDAY
            ),
        ),
    ),
    stock.Offers(
        sku="A-1",
        offers=(
            stock.Offer(
                account="shop",
                listing="product:17",
                offer=28,
                shown=28,
                state="verified",
                version=9,
                sent_at=_NOON,
                accepted_at=_NOON,
                verified_at=_NOON,
            ),
        ),
    ),
    orders.Order(
        account="shop",
        order="1001",
        status="accepted",
        channel_status="processing",
        placed_at=_NOON,
        modified_at=_NOON,
        lines=(
            orders.OrderedLine(
                line="1",
                sku="A-1",
                listing="product:17",
                matched=True,
                ordered=2,
                cancelled=0,
                shipped=0,
                returned=0,
                open=2,
                pickup="main",
                allocation=(orders.Allocation(location="main", quantity=2),),
            ),
        ),
    ),
    orders.Orders(
        orders=(
            orders.OrderSummary(
                account="shop", order="1001", status="accepted", placed_at=_NOON, modified_at=_NOON, units_open=2
            ),
        )
    ),
    orders.OrderRequest(
        status=OrderStatus.SHIPPED,
        placed_at=_NOON,
        modified_at=_QUARTER_PAST,
        lines=(OrderLine(line_id=LineId("1"), sku=Sku("A-1"), ordered=2, shipped=2),),
    ),
    orders.Recorded(account="direct", order="77", outcome="newer"),
    stock.Incidents(
        incidents=(
            stock.Incident(
                sku="A-1", units=1, account="shop", order="1002", cause="lag", detail="sold 3 s late", at=_NOON
            ),
        )
    ),
    daemon.Channels(
        channels=(
            daemon.Channel(
                account="shop",
                channel="woocommerce",
                mode="live",
                state="live",
                listings=200,
                dirty=0,
                in_flight=1,
                accepted=0,
                drifted=0,
                refused=0,
                unmatched=0,
                orders_through=_NOON,
                lag_seconds=1.4,
            ),
        )
    ),
    daemon.ChannelDone(account="shop", action="pause"),
    daemon.Ready(ready=True, journal="ok", accounts=({"account": "shop", "state": "live", "reason": None},)),
    daemon.Alive(),
    *_MOVEMENTS,
    *_ALERTS,
    *_PAST,
    *_RECIPES,
    *_ITEMS,
    *_RULES,
    *_CAMPAIGNS,
    *_SCAN,
)

BY_SCHEMA: Mapping[str, Any] = {type(example).__name__: msgspec.to_builtins(example) for example in _STRUCTS}
"""Example by the name of its type, which is the name of its schema."""
MEANINGS: Mapping[str, str] = {type(example).__name__: str(type(example).__doc__) for example in _STRUCTS}
"""What the type is, in a sentence."""

EXPLANATION: Mapping[str, Any] = {
    **BY_SCHEMA["Stock"],
    "open_holds": [
        {
            "hold": "basket-81",
            "account": "direct",
            "quantity": 2,
            "placed_at": "2026-11-11T12:00:00Z",
            "expires_at": "2026-11-11T12:15:00Z",
            "locations": [{"location": "main", "quantity": 2}],
        }
    ],
    "demand": [
        {
            "account": "shop",
            "order": "1001",
            "line": "1",
            "committed": 5,
            "reserved": 0,
            "expires_at": None,
            "set_at": "2026-11-11T12:00:00Z",
            "locations": [{"location": "main", "quantity": 5}],
        }
    ],
    "truncated": False,
    "offers": [
        {
            **BY_SCHEMA["Offers"]["offers"][0],
            "terms": [
                {"term": "atp", "value": "30", "rule": "locations of shop"},
                {"term": "buffer", "value": "-2", "rule": "default"},
            ],
            "pushes": [
                {
                    "version": 9,
                    "quantity": 28,
                    "sent_at": "2026-11-11T12:00:00Z",
                    "verdict": "applied",
                    "verified_at": "2026-11-11T12:00:01Z",
                    "basis": "order shop/1001",
                }
            ],
        }
    ],
}

_DETAILS = {
    400: ("BADREQUEST", "$.lines[0].quantity: Expected `int` >= 1"),
    401: ("UNAUTHENTICATED", "the token is not known"),
    403: ("FORBIDDEN", "token till lacks scope stock:write"),
    404: ("NOSUCHSKU", "A-9"),
    408: ("TIMEOUT", "the request did not arrive within 30 s"),
    409: ("CONFLICT", "count-7 was used before with other arguments"),
    410: ("EXPIRED", "basket-81 expired at 2026-11-11T12:15:00.000000Z"),
    413: ("TOOBIG", "the body is larger than 2097152 bytes"),
    422: ("BADARG", "ttl-seconds 99999999: at most 2592000"),
    502: ("BADREPLY", "the daemon answered ERR"),
    503: ("UNAVAILABLE", "the daemon is not connected; nothing was done"),
}


def example_problem(status: int) -> dict[str, Any]:
    """Build a problem document that a route may answer with this status."""
    code, detail = _DETAILS[status]
    assert KINDS[code][0] == status
    builtins: dict[str, Any] = msgspec.to_builtins(Problem(code, detail).document)
    return builtins
