"""What has happened. The journal is made of these, so they are forever: new fields get defaults, none is renamed.

An event carries the instant of its decision (`at`), so that replay needs no clock.
"""

from engine.domain.events.alerts import (
    AlertAcknowledged,
    AlertDelivered,
    AlertDispatched,
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertUndeliverable,
    DeliveryEvent,
)
from engine.domain.events.base import Line, Part
from engine.domain.events.campaigns import CampaignEnded, CampaignEvent, CampaignReturned, CampaignSet
from engine.domain.events.catalogue import (
    CatalogueEvent,
    ItemDescribed,
    SkuMerged,
    SkuRenamed,
    SkuRetired,
    SkuRevived,
)
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
from engine.domain.events.imports import ImportAdvanced, ImportDecided, ImportEvent, ImportStaged
from engine.domain.events.laws import BooksCompared, LawEvent, ViolationCleared, ViolationFound
from engine.domain.events.letters import LetterEvent, LetterKept, LetterSettled
from engine.domain.events.movements import (
    Movement,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    StateChanged,
    StockAdjusted,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    TransferSent,
)
from engine.domain.events.orders import (
    IntakeEvent,
    OrderEvent,
    OrderRecorded,
    OrdersCaughtUp,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.events.recipes import RecipeSet
from engine.domain.events.rules import RuleEvent, RulesSet
from engine.domain.events.snapshots import SnapshotEvent, SnapshotFused, StockConfirmed
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
    UnitsHeld,
)

Event = (
    BookEvent
    | OrderEvent
    | IntakeEvent
    | LetterEvent
    | PushEvent
    | CatalogueEvent
    | AlertEvent
    | DeliveryEvent
    | LawEvent
    | RuleEvent
    | CampaignEvent
    | SnapshotEvent
    | ImportEvent
)

DecidedEvent = BookEvent | OrderRecorded | StockConfirmed
"""What a command or the clock brings forth in a shard."""

__all__ = [
    "AccountPaused",
    "AccountResumed",
    "AlertAcknowledged",
    "AlertDelivered",
    "AlertDispatched",
    "AlertEvent",
    "AlertRaised",
    "AlertResolved",
    "AlertUndeliverable",
    "BookEvent",
    "BooksCompared",
    "CampaignEnded",
    "CampaignEvent",
    "CampaignReturned",
    "CampaignSet",
    "CatalogueEvent",
    "DecidedEvent",
    "DeliveryEvent",
    "DemandLapsed",
    "DemandSet",
    "DriftFound",
    "Event",
    "HoldCommitted",
    "HoldExpired",
    "HoldRefused",
    "HoldReleased",
    "ImportAdvanced",
    "ImportDecided",
    "ImportEvent",
    "ImportStaged",
    "IntakeEvent",
    "ItemDescribed",
    "LawEvent",
    "LetterEvent",
    "LetterKept",
    "LetterSettled",
    "Line",
    "ListingDropped",
    "ListingMapped",
    "Movement",
    "OrderEvent",
    "OrderRecorded",
    "OrdersCaughtUp",
    "OversellCleared",
    "OversellRecorded",
    "PaperForgotten",
    "Part",
    "PurchaseOrderEnded",
    "PurchaseOrdered",
    "PushEvent",
    "PushPlanned",
    "PushSettled",
    "PushVerified",
    "RecipeSet",
    "RuleEvent",
    "RulesSet",
    "SkuAdded",
    "SkuMerged",
    "SkuRenamed",
    "SkuRetired",
    "SkuRevived",
    "SnapshotEvent",
    "SnapshotFused",
    "StateChanged",
    "StockAdjusted",
    "StockConfirmed",
    "StockCounted",
    "StockObserved",
    "StockReceived",
    "StockReturned",
    "TransferArrived",
    "TransferLost",
    "TransferSent",
    "UnitsHeld",
    "ViolationCleared",
    "ViolationFound",
    "WebhookHandled",
    "WebhookStored",
]
