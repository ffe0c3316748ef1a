"""What a daemon with one shop and a blue mug would say, by command."""

from typing import Any

NOON = "2026-11-11T12:00:00.000000Z"
FIGURES = {
    "on_hand": 12,
    "committed": 3,
    "reserved": 1,
    "unavailable": 0,
    "safety_stock": 2,
    "incoming": 0,
    "in_transit": 4,
    "atp": 6,
}
BOOK: dict[str, Any] = {
    "sku": "MUG-BLUE",
    "name": "Mug, [blue]",
    **FIGURES,
    "oversold": 0,
    "holds": 1,
    "locations": [{"location": "berlin", **FIGURES}],
}
OFFER: dict[str, Any] = {
    "account": "shop",
    "listing": "101",
    "offer": 2,
    "shown": None,
    "state": "accepted",
    "version": 17,
    "sent_at": NOON,
    "accepted_at": NOON,
    "verified_at": None,
    "reason": None,
}
TERMS = [
    {"term": "atp berlin", "value": "6", "rule": "stock"},
    {"term": "atp", "value": "6", "rule": "sum over the account's locations"},
    {"term": "share", "value": "0.5", "rule": "default"},
    {"term": "shared", "value": "3", "rule": "atp x share, rounded down"},
    {"term": "buffer", "value": "1", "rule": "account shop"},
    {"term": "offer", "value": "2", "rule": "packs between floor and cap, never negative"},
]
PUSH = {"version": 17, "quantity": 2, "sent_at": NOON, "verdict": "accepted", "verified_at": None, "basis": "order 77"}
CHANNEL: dict[str, Any] = {
    "account": "shop",
    "channel": "woocommerce",
    "mode": "live",
    "state": "paused",
    "reason": "mass zeroing",
    "listings": 4,
    "dirty": 1,
    "in_flight": 0,
    "accepted": 1,
    "drifted": 0,
    "refused": 0,
    "unmatched": 2,
    "orders_through": NOON,
    "lag_seconds": 1.25,
}
ORDER: dict[str, Any] = {
    "account": "shop",
    "order": "77",
    "status": "accepted",
    "channel_status": "processing",
    "placed_at": NOON,
    "modified_at": NOON,
    "held_until": None,
    "notes": ["picked up at 'Pankow', for which `pickup` has no location: owed from anywhere"],
    "lines": [
        {
            "line": "1",
            "sku": "MUG-BLUE",
            "listing": "101",
            "matched": True,
            "ordered": 3,
            "cancelled": 0,
            "shipped": 0,
            "returned": 0,
            "open": 3,
            "pickup": "hamburg",
            "allocation": [{"location": "berlin", "quantity": 2}, {"location": "hamburg", "quantity": 1}],
        }
    ],
}
INCIDENT = {
    "sku": "MUG-BLUE",
    "units": 1,
    "account": "shop",
    "order": "77",
    "cause": "lag",
    "detail": "sold 0.8 s before the push landed",
    "at": NOON,
    "cleared_at": None,
}
ALERT: dict[str, Any] = {
    "alert": 17,
    "kind": "oversell",
    "subject": "MUG-BLUE",
    "severity": "critical",
    "state": "raised",
    "text": "MUG-BLUE: 2 promised beyond what there is, order shop/77; cause: lag",
    "details": {"sku": "MUG-BLUE"},
    "raised_at": NOON,
    "acknowledged_at": None,
    "acknowledged_by": None,
    "resolved_at": None,
    "resolved_by": None,
    "how": None,
    "suppressed": 0,
    "suppressed_since": None,
}
INFO = (
    "# Server\r\nnode:warehouse-1\r\nlastunit_version:0.1.0\r\nuptime_in_seconds:273910\r\n\r\n"
    "# Stock\r\nskus:200\r\nholds_open:3\r\nincidents_open:0\r\njournal_position:12345\r\n"
    "now:2026-11-11T12:00:00+00:00\r\n"
)
PURCHASE: dict[str, Any] = {
    "purchase_order": "PO-1",
    "state": "partly_received",
    "location": "berlin",
    "supplier": "Mug Works",
    "expected_at": NOON,
    "ordered_at": NOON,
    "changed_at": NOON,
    "units_ordered": 48,
    "units_received": 24,
    "units_open": 24,
    "units_over": 0,
    "reference": "",
    "by": "ada",
    "reason": "",
    "ended_by": "",
    "lines": [{"sku": "A", "ordered": 48, "received": 24, "open": 24, "over": 0}],
}
TRANSFER: dict[str, Any] = {
    "transfer": "T-1",
    "state": "in_transit",
    "source": "berlin",
    "target": "hamburg",
    "expected_at": None,
    "sent_at": NOON,
    "changed_at": NOON,
    "units_sent": 4,
    "units_arrived": 0,
    "units_lost": 0,
    "units_open": 4,
    "reason": "",
    "reference": "",
    "by": "ada",
    "lines": [{"sku": "A", "sent": 4, "arrived": 0, "lost": 0, "open": 4}],
}
MOVED = {"key": "k", "sku": "A", "location": "berlin"}
ANSWERS: dict[str, object] = {
    "INFO": INFO,
    "HEALTH": {"ready": True, "journal": "ok", "accounts": []},
    "CHANNEL LIST": [CHANNEL],
    "CHANNEL PAUSE shop": "OK",
    "CHANNEL UNMATCHED shop": [{"listing": "9", "sku": "", "title": "Mug\x1b[2J", "reason": "no SKU"}],
    "STOCK MUG-BLUE": BOOK,
    "OFFERS MUG-BLUE": {"sku": "MUG-BLUE", "offers": [OFFER]},
    "EXPLAIN MUG-BLUE": {
        **BOOK,
        "open_holds": [
            {
                "hold": "cart-1",
                "account": "direct",
                "quantity": 1,
                "placed_at": NOON,
                "expires_at": None,
                "locations": [{"location": "berlin", "quantity": 1}],
            }
        ],
        "demand": [],
        "truncated": False,
        "offers": [{**OFFER, "terms": TERMS, "pushes": [PUSH]}],
    },
    "ORDERS": [
        {
            "account": "shop",
            "order": "77",
            "status": "accepted",
            "placed_at": NOON,
            "modified_at": NOON,
            "units_open": 3,
        }
    ],
    "ORDER shop 77": ORDER,
    "INCIDENTS": [INCIDENT],
    "ALERTS": [ALERT],
    "ALERT": ALERT,
    "ALERT TEST": "OK",
    "HOLD": {"hold": "cart-1", "expires_at": NOON, "lines": [{"sku": "A", "location": "berlin", "quantity": 2}]},
    "COMMIT": {"hold": "cart-1", "order": "77", "committed_at": NOON},
    "RELEASE": {"hold": "cart-1", "released_at": NOON},
    "ADJUST": {"key": "k", "sku": "A", "location": "berlin", "delta": -3, "on_hand": 9},
    "RECEIVE": {"key": "k", "sku": "A", "location": "berlin", "quantity": 3, "on_hand": 12},
    "RETURN": {**MOVED, "quantity": 1, "on_hand": 13, "state": "quality_hold", "order": None},
    "INSPECT": {**MOVED, "quantity": 1, "on_hand": 13, "source": "quality_hold", "target": "sellable"},
    "COUNT": {**MOVED, "counted": 11, "applied": True, "recount": False, "expected": 12, "variance": -1, "on_hand": 11},
    "REALLOCATE": {"account": "shop", "order": "77", "line": "1", "sku": "A", "location": "berlin"},
    "SNAPSHOT": {
        "key": "k",
        "applied": 1,
        "rows": [{"sku": "A", "outcome": "applied", "quantity": 3, "delta": 0, "on_hand": 3, "problem": None}],
    },
    "PO": PURCHASE,
    "PO LIST": [PURCHASE],
    "TRANSFER": TRANSFER,
    "TRANSFER RECEIVE": {**MOVED, "transfer": "T-1", "quantity": 4, "on_hand": 4},
    "TRANSFER LOSE": {**MOVED, "transfer": "T-1", "quantity": 4},
    "TRANSFER LIST": [TRANSFER],
}
