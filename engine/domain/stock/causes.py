"""Why more is promised than there is: what the command or the event at hand says of it."""

from typing import NamedTuple

from engine.domain.commands import (
    Adjust,
    ChangeState,
    Command,
    Count,
    Observe,
    PlaceHold,
    RecordOrder,
    Return,
    SendTransfer,
)
from engine.domain.events import BookEvent
from engine.domain.units import AccountId, OrderId, Sku


class Cause(NamedTuple):
    """A word that is kept as API (docs/operations.md lists them), and a sentence for people."""

    cause: str = "unknown"
    detail: str = ""
    account: AccountId | None = None
    order_id: OrderId | None = None


def cause_of_shortage(sku: Sku, cause: Command | BookEvent | None) -> Cause:
    """Name what took the units; unknown for whatever takes none."""
    match cause:
        case RecordOrder(snapshot=snapshot, causes=causes):
            why, detail = next(((c, d) for short, c, d in causes if short == sku), ("unknown", ""))
            return Cause(why, detail, snapshot.account, snapshot.order_id)
        case Adjust(key=key, reason=reason):
            return Cause("count", f"adjustment {key}: {reason}")
        case Count(key=key, counted=counted, location=location):
            return Cause("count", f"count {key}: {counted} were at {location}")
        case Observe(source=source, quantity=quantity, location=location, as_of=as_of):
            return Cause("observed", f"{source} told {quantity} at {location} as of {as_of:%Y-%m-%dT%H:%M:%SZ}")
        case ChangeState(key=key, quantity=quantity, source=source, target=target, reason=reason):
            why = f": {reason}" if reason else ""
            return Cause("set_aside", f"{key}: {quantity} from {source} to {target}{why}")
        case SendTransfer(transfer=transfer, source=source):
            return Cause("transfer", f"transfer {transfer} took units from {source} that another location is short of")
        case Return(key=key, state=state, account=account, order_id=order_id):
            return Cause("return", f"return {key} came as {state}; the channel had it on the shelf", account, order_id)
        case PlaceHold(account=account, hold_id=hold_id):
            return Cause("elsewhere", f"hold {hold_id} took units that another location is short of", account)
        case _:
            return Cause()
