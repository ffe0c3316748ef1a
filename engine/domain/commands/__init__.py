"""What may be asked of the books, and what they answer.

Whoever builds a command has checked identifiers and bounds; the books check what only they can know.
"""

from engine.domain.commands.answers import Done, Refusal
from engine.domain.commands.holds import (
    BundleLine,
    CommitHold,
    Committed,
    Granted,
    PlaceHold,
    Released,
    ReleaseHold,
    sum_lines,
)
from engine.domain.commands.movements import (
    AddSku,
    Adjust,
    ChangeState,
    Count,
    EndPurchase,
    LoseTransfer,
    Moved,
    Observe,
    Observed,
    OpenStock,
    OrderPurchase,
    Receive,
    ReceiveTransfer,
    Return,
    SendTransfer,
    TakeSnapshot,
)
from engine.domain.commands.orders import DemandLevel, Reallocate, RecordOrder

Command = (
    PlaceHold
    | CommitHold
    | ReleaseHold
    | RecordOrder
    | Reallocate
    | AddSku
    | OpenStock
    | Adjust
    | Receive
    | Return
    | ChangeState
    | Count
    | TakeSnapshot
    | OrderPurchase
    | EndPurchase
    | SendTransfer
    | ReceiveTransfer
    | LoseTransfer
)
Answer = Granted | Committed | Released | Moved | Observed | Done | Refusal

__all__ = [
    "AddSku",
    "Adjust",
    "Answer",
    "BundleLine",
    "ChangeState",
    "Command",
    "CommitHold",
    "Committed",
    "Count",
    "DemandLevel",
    "Done",
    "EndPurchase",
    "Granted",
    "LoseTransfer",
    "Moved",
    "Observe",
    "Observed",
    "OpenStock",
    "OrderPurchase",
    "PlaceHold",
    "Reallocate",
    "Receive",
    "ReceiveTransfer",
    "RecordOrder",
    "Refusal",
    "ReleaseHold",
    "Released",
    "Return",
    "SendTransfer",
    "TakeSnapshot",
    "sum_lines",
]
