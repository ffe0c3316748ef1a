"""Examples of scans, and of what does not add up."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ops.gateway.models import scan as m

_NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
_LATER = datetime(2026, 11, 11, 12, 4, tzinfo=UTC)
_LAW = "committed is the sum of open demand"
_FACT = m.OriginEvent(
    position=4711, at=_NOON, kind="demand_set", text="order 1001 of shop, line 1: 5 owed (5 from main)"
)
_REPORT: dict[str, Any] = {
    "sku": "A-1",
    "deep": True,
    "books": 1,
    "records": 3,
    "position": 4720,
    "seconds": 1.4,
    "found": 1,
    "violations": (m.ScannedViolation(law=_LAW, sku="A-1", location="main", expected=5, found=6),),
    "origins": (m.Origin(sku="A-1", blame="memory", events=(_FACT,)),),
}

STRUCTS: tuple[msgspec.Struct, ...] = (
    m.ScanRequest(sku="A-1", deep=True),
    m.ScanReport(**_REPORT),
    m.ScanUnderWay(deep=True),
    m.Scan(
        found=1,
        unlisted=0,
        passed_at=_NOON,
        books=1200,
        pass_books=350,
        pass_of=1200,
        last=m.LastScan(**_REPORT, ended_at=_LATER),
        violations=(
            m.Violation(
                law=_LAW,
                sku="A-1",
                location="main",
                expected=5,
                found=6,
                since=_NOON,
                positions=(4690, 4711),
            ),
        ),
    ),
)
