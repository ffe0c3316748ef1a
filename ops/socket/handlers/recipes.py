"""What bundles are made of: RECIPE SET, DROP, GET, LIST."""

import heapq
from collections.abc import Awaitable
from typing import Final

from engine.domain.catalogue.recipes import COMPONENTS_MAX, QUANTITY_MAX, Recipe
from engine.domain.events import RecipeSet
from engine.domain.units import Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket import options
from ops.socket.command import Arguments
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.recipes import recipe_row, recipe_view

_USAGE: Final = (
    "RECIPE SET sku [TOGETHER] [BY who] LINES component quantity [component quantity ...]"
    " | DROP sku [BY who] | GET sku | LIST [AFTER sku] [LIMIT n]"
)
_LIST: Final = frozenset({b"AFTER", b"LIMIT"})
_LISTED: Final = 100
_LISTED_MAX: Final = 10_000


def recipe(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RECIPE."""
    action = arguments[1].upper()
    if action == b"LIST":
        _list(node, arguments, reply)
        return None
    if action not in {b"SET", b"DROP", b"GET"} or len(arguments) == 2:
        raise ErrorReply("ERR", _USAGE)
    resolve = node.catalogue.codes.resolve
    sku = resolve(read.sku(arguments[2]))
    if action == b"GET":
        _get(node, sku, arguments, reply)
        return None
    if action == b"DROP":
        found = options.options(arguments, 3, {"BY": 1})
        return _change(node, sku, Recipe(()), options.who(found, session), reply)
    known = {"TOGETHER": 0, "BY": 1}
    found, lines = options.options_and_lines(arguments, 3, known, least=1, lines_max=COMPONENTS_MAX)
    wanted = _read_recipe([(resolve(part), units) for part, units in lines], together="TOGETHER" in found)
    return _change(node, sku, wanted, options.who(found, session), reply)


def _read_recipe(lines: list[tuple[Sku, int]], *, together: bool) -> Recipe:
    for _, units in lines:
        if units > QUANTITY_MAX:
            raise read.bad("quantity", str(units), f"must be a whole number from 1 to {QUANTITY_MAX}")
    return Recipe(tuple(sorted(lines)), together)


async def _change(node: Node, sku: Sku, wanted: Recipe, by: str, reply: Reply) -> None:
    for name in (sku, *(component for component, _ in wanted.components)):
        if not node.router.knows(name):
            raise ErrorReply("NOSUCHSKU", f"sku={name}")
    answer = await node.recipe_owner.set(sku, wanted, by=by)
    reply.resolve(recipe_view(answer, node.fanout.recipes) if isinstance(answer, RecipeSet) else answer)


def _get(node: Node, sku: Sku, arguments: Arguments, reply: Reply) -> None:
    if len(arguments) > 3:
        raise ErrorReply("ERR", _USAGE)
    known = node.fanout.recipes.current.get(sku)
    if known is None:
        if not node.router.knows(sku):
            raise ErrorReply("NOSUCHSKU", f"sku={sku}")
        raise ErrorReply("NOSUCHRECIPE", f"sku={sku} is no bundle")
    reply.give(recipe_view(known, node.fanout.recipes))


def _list(node: Node, arguments: Arguments, reply: Reply) -> None:
    given = read.options(arguments, 2, _LIST)
    limit = read.integer("limit", given[b"LIMIT"], minimum=1, maximum=_LISTED_MAX) if b"LIMIT" in given else _LISTED
    after = node.catalogue.codes.resolve(read.sku(given[b"AFTER"])) if b"AFTER" in given else ""
    current = node.fanout.recipes.current
    found = heapq.nsmallest(limit, (sku for sku in current if sku > after))
    reply.give([recipe_row(current[sku]) for sku in found])
