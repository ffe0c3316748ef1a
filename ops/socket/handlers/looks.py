"""What is there and why each account is told its number: STOCK, OFFERS, EXPLAIN."""

from collections.abc import Callable
from datetime import datetime

from engine.domain.stock.book import Book
from engine.domain.units import Sku
from ops.node import Node
from ops.reports import view_offers
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.handlers.past import explain_at
from ops.socket.session import Reply, Session
from ops.socket.views.recipes import bundle_view
from ops.socket.views.stock import View, explain_view, name_kinds, no_such_sku, stock_view


async def stock(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """STOCK."""
    await _look_with_components(node, read.sku(arguments[1]), stock_view, reply)


async def _look_with_components(node: Node, sku: Sku, show: Callable[[Book], View], reply: Reply) -> None:
    """Look at a book; at that of a bundle together with what it is made of, as of one instant."""
    sku = node.catalogue.codes.resolve(sku)
    recipe = node.recipes.current.get(sku)
    made = node.recipes.made(sku) if recipe is not None else None

    def view(books: dict[Sku, Book], _now: datetime) -> object:
        if sku not in books:
            return no_such_sku(sku)
        shown = name_kinds(show(books[sku]), node.kinds)
        if recipe is None or made is None:
            return shown
        return shown | bundle_view(recipe.version, made, books, node.locations)

    leaves = made.leaves if made is not None else ()
    await node.router.look_at((sku, *(leaf for leaf, _ in leaves)), view, reply)


async def offers(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """OFFERS."""
    sku = node.names.sku(arguments[1])

    def view(book: Book | None, _now: datetime) -> object:
        return no_such_sku(sku) if book is None else {"sku": sku, "offers": view_offers(node, sku)}

    await node.router.look(sku, view, reply)


async def explain(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """EXPLAIN."""
    sku = node.names.sku(arguments[1])
    account = read.account_id(arguments[2]) if len(arguments) in {3, 5} else None
    if account is not None:
        node.names.account(account)
    if len(arguments) > 3:
        given = read.options(arguments, len(arguments) - 2, frozenset({b"AT"}))
        await explain_at(node, sku, account, given[b"AT"], reply)
        return

    def show(book: Book) -> View:
        return {**explain_view(book), "offers": view_offers(node, sku, account, explained=True)}

    await _look_with_components(node, sku, show, reply)
