"""The commands of `docs/socket.md`: name, arity, help, and the handler of each.

A handler either gives its reply at once or leaves it as a slot with the engine, which resolves it when the answer is
durable; it waits only where an inbox is full.
"""

from ops.socket.command import Command
from ops.socket.handlers import (
    alerts,
    campaigns,
    catalogue,
    channels,
    documents,
    holds,
    letters,
    looks,
    movements,
    orders,
    past,
    recipes,
    rules,
    scan,
    server,
    snapshots,
)
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
    "adjust": Command(
        movements.adjust, "key sku location delta reason [BY who] [REF reference]", "Correct on hand.", 5, 9
    ),
    "receive": Command(
        movements.receive, "key sku location quantity [PO id] [BY who] [REF reference]", "Take in units.", 4, 10
    ),
    "return": Command(
        movements.return_units,
        "key sku location quantity [INTO state] [ORDER account id [LINE line]] [REASON text] [BY who] [REF reference]",
        "Take back a buyer's units.",
        4,
        17,
    ),
    "inspect": Command(
        movements.inspect,
        "key sku location quantity RESTOCK|DAMAGED|WRITEOFF|DISPLAY|HOLD"
        " [FROM state] [REASON text] [BY who] [REF reference]",
        "Say what state units are in.",
        5,
        13,
    ),
    "count": Command(
        movements.count,
        "key sku location counted AT instant [BLIND] [BY who] [REF reference]",
        "Say how many units were counted, and when.",
        4,
        11,
    ),
    "snapshot": Command(
        snapshots.snapshot,
        "key location source AS_OF instant NETS yes|no [FORCE] [BY who] [REF reference]"
        " LINES sku quantity [sku quantity ...]",
        "Say what a partner says it has of ours.",
        10,
        None,
    ),
    "po": Command(
        documents.purchase_order,
        "SET id location [EXPECTED instant] [SUPPLIER name] [BY who] [REF reference]"
        " LINES sku quantity [sku quantity ...]"
        " | CLOSE|CANCEL id [REASON text] [BY who] | GET id | LIST [OPEN|ALL] [LIMIT n]",
        "Announce units that are to come.",
        1,
        None,
    ),
    "transfer": Command(
        documents.transfer,
        "SEND id source target [EXPECTED instant] [REASON text] [BY who] [REF reference]"
        " LINES sku quantity [sku quantity ...]"
        " | RECEIVE key id sku quantity [BY who] [REF reference]"
        " | LOSE key id sku quantity reason [BY who] [REF reference] | GET id | LIST [OPEN|ALL] [LIMIT n]",
        "Move units between locations.",
        1,
        None,
    ),
    "reallocate": Command(
        movements.reallocate,
        "account order line sku location [REASON text] [BY who] [REF reference]",
        "Owe an order line from another location.",
        5,
        11,
    ),
    "recipe": Command(
        recipes.recipe,
        "SET sku [TOGETHER] [BY who] LINES component quantity [component quantity ...]"
        " | DROP sku [BY who] | GET sku | LIST [AFTER sku] [LIMIT n]",
        "Say what a bundle is made of.",
        1,
        None,
    ),
    "stock": Command(looks.stock, "sku", "Show the figures of a SKU.", 1, 1),
    "offers": Command(looks.offers, "sku", "Show what each account is told of a SKU.", 1, 1, "channels"),
    "explain": Command(
        looks.explain,
        "sku [account] [AT instant]",
        "Show why each account is told its number, now or as of an instant.",
        1,
        4,
        "channels",
    ),
    "history": Command(
        past.history,
        "sku [FROM instant] [TO instant] [ACCOUNT account] [BEFORE place] [LIMIT n]",
        "Show the ledger of a SKU, one line per fact.",
        1,
        11,
        "stock",
    ),
    "order": Command(orders.order, "account id", "Show an order.", 2, 2, "orders"),
    "orders": Command(orders.orders, "[account] [LIMIT n]", "List the newest orders.", 0, 3, "orders"),
    "record": Command(
        orders.record, "json", "Take an order snapshot from a storefront without an adapter.", 1, 1, "orders"
    ),
    "incidents": Command(orders.incidents, "[LIMIT n]", "List oversell incidents and their causes.", 0, 2, "orders"),
    "alerts": Command(alerts.alerts, "[OPEN|ALL] [LIMIT n]", "List alerts, newest first.", 0, 3, "alerts"),
    "alert": Command(
        alerts.alert,
        "ACK|RESOLVE alert [BY who] | TEST destination",
        "Say who looks after an alert, end one, or try a destination.",
        2,
        4,
        "alerts",
    ),
    "rules": Command(
        rules.rules,
        "SHOW [version] | HISTORY | PREVIEW json [LIMIT n] | SET json [IF version] [NOTE text] [BY who]",
        "Show and edit the rules of what accounts may show.",
        1,
        8,
        "channels",
    ),
    "campaign": Command(
        campaigns.campaign,
        "SET key account sku quota FROM instant TO instant [LOCK open|increase_only|closed] [LISTING listing]"
        " [RETURN hours] [NOTE text] [BY who] | END|RETURN key [NOTE text] [BY who] | GET key"
        " | LIST [OPEN|ALL] [LIMIT n]",
        "Set stock aside for a campaign.",
        1,
        19,
        "channels",
    ),
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
    "letters": Command(
        letters.letters, "[account] [LIMIT n]", "List what channels told and nobody understood.", 0, 3, "channels"
    ),
    "letter": Command(
        letters.letter,
        "GET|REDRIVE account letter | DISCARD account letter [NOTE text] [BY who]",
        "Show a dead letter, try it once more, or discard it.",
        3,
        7,
        "channels",
    ),
    "item": Command(
        catalogue.item, catalogue.ITEM_SYNTAX, "Show, describe, rename, merge or retire a SKU.", 1, 6, "catalogue"
    ),
    "import": Command(
        catalogue.import_rows, catalogue.IMPORT_SYNTAX, "Import catalogue, listings, stock.", 1, 4, "catalogue"
    ),
    "export": Command(
        catalogue.export,
        catalogue.EXPORT_SYNTAX,
        "Export catalogue, listings, stock or recipes, page by page.",
        1,
        5,
        "catalogue",
    ),
    "scan": Command(
        scan.scan, "[sku] [DEEP]", "Check that every figure adds up; DEEP: with the journal, too.", 0, 2, "server"
    ),
    "violations": Command(scan.violations, "", "List what the scanner found and is not gone.", 0, 0, "server"),
    "info": Command(server.info, "[section ...]", "Describe the daemon.", 0, None, "server"),
    "health": Command(server.health, "", "Say whether the daemon is ready, and what is not.", 0, 0, "server"),
    "metrics": Command(server.metrics, "", "Return metrics as Prometheus text.", 0, 0, "server"),
    "shutdown": Command(server.shutdown, "[NOSAVE|SAVE]", "Stop the daemon; the journal is complete.", 0, 1, "server"),
}


def wrong_arity(name: str) -> ErrorReply:
    """Refuse a wrong number of arguments as Redis does."""
    return ErrorReply("ERR", f"wrong number of arguments for '{name}': {name.upper()} {COMMANDS[name].syntax}")
