"""What the whole node says of itself: HEALTH, INFO, CHANNEL LIST, and what it told whom."""

from typing import Any

import msgspec
import trio

from engine.domain.units import AccountId, Sku
from ops.node import Node
from ops.socket.views.past import offer_view


def view_health(node: Node) -> dict[str, Any]:
    """HEALTH."""
    accounts = [
        {"account": account.id, "state": status.state, "reason": status.reason}
        for account in node.accounts.values()
        for status in (account.pusher.status(),)
    ]
    stalled = node.journal.stalled
    return {
        "ready": node.ready and stalled is None and not node.shutdown_wanted.is_set(),
        "journal": "ok" if stalled is None else f"stalled: {stalled}",
        "accounts": accounts,
    }


def view_info(node: Node) -> dict[str, dict[str, object]]:
    """INFO: section to field to value."""
    books = [book for shard in node.shards for book in shard.ledger.books.values()]
    return {
        "Server": {
            "node": node.settings.node.name,
            "lastunit_version": node.version,
            "redis_version": "7.0.0",  # some clients parse it before they say anything else
            "uptime_in_seconds": int(trio.current_time() - node.started),
            "shards": len(node.shards),
        },
        "Stock": {
            "skus": len(books),
            "holds_open": sum(len(book.holds) for book in books),
            "orders": len(node.desk.orders),
            "incidents_open": len(node.incidents.open),
            "units_oversold_ever": node.incidents.units_total,
        },
        "Persistence": {
            "journal_position": node.journal.position,
            "journal_waiting_events": node.journal.waiting_events,
            "journal_stalled": node.journal.stalled or "",
            "now": node.clock.now().isoformat(),
        },
    }


def view_channels(node: Node) -> list[dict[str, Any]]:
    """CHANNEL LIST."""
    return [
        {"account": account.id, "channel": account.kind, **msgspec.structs.asdict(status)}
        | {"orders_through": account.intake.through_at}
        | {"problems": (*status.problems, *node.order_notes.of(account.id))}
        for account in node.accounts.values()
        for status in (account.pusher.status(),)
    ]


def view_offers(
    node: Node, sku: Sku, account: AccountId | None = None, *, explained: bool = False
) -> list[dict[str, Any]]:
    """Return what each account is told of a SKU; with every term and the last pushes when `explained`."""
    views: list[dict[str, Any]] = []
    for each in node.accounts.values():
        if account not in {None, each.id}:
            continue
        views += [offer_view(offer, explained=explained) for offer in each.pusher.offers_of(sku)]
    return views
