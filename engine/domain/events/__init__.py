"""What has happened. The journal is made of these, so they are forever: new fields get defaults, none is renamed.

An event carries the instant of its decision (`at`), so that replay needs no clock.
"""

from engine.domain.events.base import Line, Part
from engine.domain.events.channels import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    ListingDropped,
    ListingMapped,
    PushEvent,
    PushPlanned,
    PushSettled,
    PushVerified,
)
from engine.domain.events.orders import (
    IntakeEvent,
    OrderEvent,
    OrderRecorded,
    OrdersCaughtUp,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.events.stock import (
    BookEvent,
    DemandLapsed,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    OversellCleared,
    OversellRecorded,
    SkuAdded,
    StockAdjusted,
    StockReceived,
    UnitsHeld,
)

Event = BookEvent | OrderEvent | IntakeEvent | PushEvent

__all__ = [
    "AccountPaused",
    "AccountResumed",
    "BookEvent",
    "DemandLapsed",
    "DemandSet",
    "DriftFound",
    "Event",
    "HoldCommitted",
    "HoldExpired",
    "HoldRefused",
    "HoldReleased",
    "IntakeEvent",
    "Line",
    "ListingDropped",
    "ListingMapped",
    "OrderEvent",
    "OrderRecorded",
    "OrdersCaughtUp",
    "OversellCleared",
    "OversellRecorded",
    "Part",
    "PushEvent",
    "PushPlanned",
    "PushSettled",
    "PushVerified",
    "SkuAdded",
    "StockAdjusted",
    "StockReceived",
    "UnitsHeld",
    "WebhookHandled",
    "WebhookStored",
]
