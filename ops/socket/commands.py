"""The commands of `docs/socket.md`: name, arity, help, and the handler of each.

A handler either gives its reply at once or leaves it as a slot with the engine, which resolves it when the answer is
durable; it waits only where an inbox is full.
"""

from ops.socket.command import Command
from ops.socket.handlers import channels, holds, looks, movements, orders, server
from ops.socket.resp import ErrorReply

COMMANDS: dict[str, Command] = {
    "hold": Command(
        holds.hold,
        "hold-id ttl-seconds|NEVER sku quantity [sku quantity ...] [CHANNEL account] [AT location]",
        "Promise units to a basket, all lines or none.",
        4,
        None,
    ),
    "commit": Command(holds.commit, "hold-id [ORDER id]", "Turn held units into demand of an order.", 1, 3),
    "release": Command(holds.release, "hold-id", "Give held units back.", 1, 1),
    "lookup": Command(holds.lookup, "hold-id", "Show a hold.", 1, 1),
    "adjust": Command(movements.adjust, "key sku location delta reason", "Correct on hand.", 5, 5),
    "receive": Command(movements.receive, "key sku location quantity", "Take in units.", 4, 4),
    "stock": Command(looks.stock, "sku", "Show the figures of a SKU.", 1, 1),
    "offers": Command(looks.offers, "sku", "Show what each account is told of a SKU.", 1, 1, "channels"),
    "explain": Command(looks.explain, "sku [account]", "Show why each account is told its number.", 1, 2, "channels"),
    "order": Command(orders.order, "account id", "Show an order.", 2, 2, "orders"),
    "orders": Command(orders.orders, "[account] [LIMIT n]", "List the newest orders.", 0, 3, "orders"),
    "record": Command(
        orders.record, "json", "Take an order snapshot from a storefront without an adapter.", 1, 1, "orders"
    ),
    "incidents": Command(orders.incidents, "[LIMIT n]", "List oversell incidents and their causes.", 0, 2, "orders"),
    "webhook": Command(
        channels.webhook,
        "account delivery-key headers-json body",
        "Store a webhook whose signature is good.",
        4,
        4,
        "channels",
    ),
    "channel": Command(
        channels.channel,
        "LIST | PAUSE|RESUME|FLUSH|RESYNC|UNMATCHED account",
        "List accounts or steer one.",
        1,
        2,
        "channels",
    ),
    "import": Command(
        channels.import_rows,
        "STAGE import-id json | APPLY|DROP import-id",
        "Import catalogue, listings, stock.",
        2,
        3,
        "server",
    ),
    "info": Command(server.info, "[section ...]", "Describe the daemon.", 0, None, "server"),
    "health": Command(server.health, "", "Say whether the daemon is ready, and what is not.", 0, 0, "server"),
    "metrics": Command(server.metrics, "", "Return metrics as Prometheus text.", 0, 0, "server"),
    "shutdown": Command(server.shutdown, "[NOSAVE|SAVE]", "Stop the daemon; the journal is complete.", 0, 1, "server"),
}


def wrong_arity(name: str) -> ErrorReply:
    """Refuse a wrong number of arguments as Redis does."""
    return ErrorReply("ERR", f"wrong number of arguments for '{name}': {name.upper()} {COMMANDS[name].syntax}")
