"""What may be asked of the books, and what they answer.

Whoever builds a command has checked identifiers and bounds; the books check what only they can know.
"""

from engine.domain.commands.answers import Done, Refusal
from engine.domain.commands.holds import CommitHold, Committed, Granted, PlaceHold, Released, ReleaseHold, sum_lines
from engine.domain.commands.movements import AddSku, Adjust, Moved, OpenStock, Receive
from engine.domain.commands.orders import DemandLevel, RecordOrder

Command = PlaceHold | CommitHold | ReleaseHold | Adjust | Receive | RecordOrder | AddSku | OpenStock
Answer = Granted | Committed | Released | Moved | Done | Refusal

__all__ = [
    "AddSku",
    "Adjust",
    "Answer",
    "Command",
    "CommitHold",
    "Committed",
    "DemandLevel",
    "Done",
    "Granted",
    "Moved",
    "OpenStock",
    "PlaceHold",
    "Receive",
    "RecordOrder",
    "Refusal",
    "ReleaseHold",
    "Released",
    "sum_lines",
]
