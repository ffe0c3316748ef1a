"""What is there and why each account is told its number: STOCK, OFFERS, EXPLAIN."""

from datetime import datetime

from engine.domain.book import Book
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.session import Reply, Session
from ops.socket.views import explain_view, no_such_sku, stock_view


async def stock(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """STOCK."""
    sku = read.sku(arguments[1])
    await node.router.look(sku, lambda book, _now: stock_view(book) if book is not None else no_such_sku(sku), reply)


async def offers(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """OFFERS."""
    sku = read.sku(arguments[1])

    def view(book: Book | None, _now: datetime) -> object:
        return no_such_sku(sku) if book is None else {"sku": sku, "offers": node.offer_views(sku)}

    await node.router.look(sku, view, reply)


async def explain(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """EXPLAIN."""
    sku = read.sku(arguments[1])
    account = read.account_id(arguments[2]) if len(arguments) > 2 else None
    if account is not None:
        node.account(account)

    def view(book: Book | None, _now: datetime) -> object:
        if book is None:
            return no_such_sku(sku)
        return {**explain_view(book), "offers": node.offer_views(sku, account, explained=True)}

    await node.router.look(sku, view, reply)
