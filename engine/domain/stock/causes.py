"""Why more is promised than there is: what the command or the event at hand says of it."""

from typing import NamedTuple

from engine.domain.commands import (
    Adjust,
    ChangeState,
    Command,
    Count,
    PlaceHold,
    RecordOrder,
    Return,
    SendTransfer,
    TakeSnapshot,
)
from engine.domain.events import BookEvent
from engine.domain.units import AccountId, OrderId, Sku


class Cause(NamedTuple):
    """A word that is kept as API (docs/operations.md lists them), and a sentence for people."""

    cause: str = "unknown"
    detail: str = ""
    account: AccountId | None = None
    order_id: OrderId | None = None


class Regrouped:
    """The configuration, or a newer program, says otherwise which locations stand in for one another."""


def cause_of_shortage(sku: Sku, cause: Command | BookEvent | Regrouped | None) -> Cause:
    """Name what took the units; unknown for whatever takes none."""
    match cause:
        case RecordOrder(snapshot=snapshot, causes=causes):
            why, detail = next(((c, d) for short, c, d in causes if short == sku), ("unknown", ""))
            return Cause(why, detail, snapshot.account, snapshot.order_id)
        case Adjust(key=key, reason=reason):
            return Cause("count", f"adjustment {key}: {reason}")
        case Count(key=key, counted=counted, location=location):
            return Cause("count", f"count {key}: {counted} were at {location}")
        case TakeSnapshot(rows=rows):
            row = next(row for row in rows if row.sku == sku)
            seen = f"{row.quantity} at {row.location} as of {row.as_of:%Y-%m-%dT%H:%M:%SZ}"
            return Cause("observed", f"{row.source} told {seen}")
        case ChangeState(key=key, quantity=quantity, source=source, target=target, reason=reason):
            why = f": {reason}" if reason else ""
            return Cause("set_aside", f"{key}: {quantity} from {source} to {target}{why}")
        case SendTransfer(transfer=transfer, source=source):
            return Cause("transfer", f"transfer {transfer} took units from {source} that another location is short of")
        case Return(key=key, state=state, account=account, order_id=order_id):
            return Cause("return", f"return {key} came as {state}; the channel had it on the shelf", account, order_id)
        case Regrouped():
            return Cause("regrouped", "which locations stand in for one another was changed: judged again at the start")
        case PlaceHold(account=account, hold_id=hold_id):
            return Cause("elsewhere", f"hold {hold_id} took units that another location is short of", account)
        case _:
            return Cause()
