"""Examples of alerts, one per answer."""

from datetime import UTC, datetime

import msgspec

from ops.gateway.models import alerts as a

_NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
_LATER = datetime(2026, 11, 11, 12, 4, tzinfo=UTC)
_ALERT = a.Alert(
    alert=17,
    kind="oversell",
    subject="A-1",
    severity="critical",
    state="acknowledged",
    text="A-1: 2 promised beyond what there is, order shop/1002; cause: lag",
    details={"sku": "A-1", "open_units": "2", "account": "shop", "order": "1002", "cause": "lag", "detail": ""},
    raised_at=_NOON,
    acknowledged_at=_LATER,
    acknowledged_by="helpdesk",
    suppressed=0,
)

STRUCTS: tuple[msgspec.Struct, ...] = (_ALERT, a.Alerts(alerts=(_ALERT,)))
