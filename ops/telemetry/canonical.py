"""One log line per command, with all that is known of it when it is decided."""

from typing import Any, Final, assert_never

import structlog

from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    ChangeState,
    Command,
    CommitHold,
    Count,
    EndPurchase,
    Granted,
    LoseTransfer,
    OpenStock,
    OrderPurchase,
    PlaceHold,
    Reallocate,
    Receive,
    ReceiveTransfer,
    RecordOrder,
    Refusal,
    ReleaseHold,
    Return,
    SendTransfer,
    TakeSnapshot,
)
from engine.domain.events import UnitsHeld
from engine.domain.stock.book import units_of

log = structlog.get_logger(__name__)

COMMAND_NAMES: Final[dict[type, str]] = {
    PlaceHold: "hold",
    CommitHold: "commit",
    ReleaseHold: "release",
    Adjust: "adjust",
    Receive: "receive",
    RecordOrder: "order",
    AddSku: "add_sku",
    OpenStock: "open_stock",
    Return: "return",
    ChangeState: "inspect",
    Count: "count",
    TakeSnapshot: "snapshot",
    OrderPurchase: "po_set",
    EndPurchase: "po_end",
    SendTransfer: "transfer_send",
    ReceiveTransfer: "transfer_receive",
    LoseTransfer: "transfer_lose",
    Reallocate: "reallocate",
}
"""As logs and metrics name them: like the command on the socket where there is one."""


def log_decision(command: Command, answer: Answer, events: int) -> None:
    """Write the line. It comes before the answer is durable: a line without a frame behind it is one that was lost.

    No duration: a decision takes microseconds, and what a caller waits for is the commit, which metrics show.
    """
    name = COMMAND_NAMES[type(command)]
    fields = _describe(command)
    if isinstance(answer, Refusal):
        log.info("command.decided", command=name, outcome=answer.code, events=events, reason=answer.text, **fields)
    else:
        outcome = type(answer).__name__.lower()
        log.info("command.decided", command=name, outcome=outcome, events=events, **fields)


def log_grant(held: UnitsHeld) -> None:
    """Write the line of a plain hold that was granted, as `log_decision` writes that of its command."""
    log.info(
        "command.decided",
        command=COMMAND_NAMES[PlaceHold],
        outcome=Granted.__name__.lower(),
        events=1,
        hold=held.hold_id,
        account=held.account,
        skus=1,
        units=units_of(held.parts),
    )


def _describe(command: Command) -> dict[str, Any]:
    match command:
        case PlaceHold(hold_id=hold_id, account=account, lines=lines):
            units = sum(quantity for _, quantity in lines)
            return {"hold": hold_id, "account": account, "skus": len(lines), "units": units}
        case CommitHold(hold_id=hold_id, order_id=order_id):
            return {"hold": hold_id, "order": order_id}
        case ReleaseHold(hold_id=hold_id):
            return {"hold": hold_id}
        case Adjust(key=key, sku=sku, location=location, delta=delta):
            return {"key": key, "sku": sku, "location": location, "units": delta}
        case Receive(key=key, sku=sku, location=location, quantity=quantity):
            return {"key": key, "sku": sku, "location": location, "units": quantity}
        case RecordOrder(snapshot=snapshot):
            skus = len(command.skus)
            return {"account": snapshot.account, "order": snapshot.order_id, "status": snapshot.status, "skus": skus}
        case AddSku(sku=sku):
            return {"sku": sku}
        case OpenStock(sku=sku, location=location, on_hand=on_hand):
            return {"sku": sku, "location": location, "units": on_hand}
        case (
            Return(key=key, sku=sku, location=location, quantity=quantity)
            | ChangeState(key=key, sku=sku, location=location, quantity=quantity)
        ):
            return {"key": key, "sku": sku, "location": location, "units": quantity}
        case Count(key=key, sku=sku, location=location, counted=units):
            return {"key": key, "sku": sku, "location": location, "units": units}
        case TakeSnapshot(rows=rows):
            units = sum(row.quantity for row in rows)
            return {"key": rows[0].key, "location": rows[0].location, "skus": len(rows), "units": units}
        case OrderPurchase(purchase_order=document, location=location):
            return {"document": document, "location": location, "skus": len(command.lines)}
        case EndPurchase(purchase_order=document):
            return {"document": document}
        case SendTransfer(transfer=document, source=source):
            return {"document": document, "location": source, "skus": len(command.lines)}
        case (
            ReceiveTransfer(key=key, transfer=document, sku=sku, quantity=quantity)
            | LoseTransfer(key=key, transfer=document, sku=sku, quantity=quantity)
        ):
            return {"key": key, "document": document, "sku": sku, "units": quantity}
        case Reallocate(account=account, order_id=order_id, sku=sku, location=location):
            return {"account": account, "order": order_id, "sku": sku, "location": location}
        case _:
            assert_never(command)
