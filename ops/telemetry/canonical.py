"""One log line per command, with all that is known of it when it is decided."""

from typing import Any, Final, assert_never

import structlog

from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    Command,
    CommitHold,
    OpenStock,
    PlaceHold,
    Receive,
    RecordOrder,
    Refusal,
    ReleaseHold,
)

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
        case _:
            assert_never(command)
