"""The catalogue: ITEM, IMPORT, EXPORT."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import trio

from engine.domain.catalogue.catalogue import Item, search
from engine.domain.catalogue.importing_rows import SkuRow
from engine.domain.catalogue.items import Patch
from engine.domain.commands import Refusal
from engine.domain.events import SkuMerged, SkuRenamed, SkuRetired, SkuRevived
from engine.domain.units import Sku
from ops.exporter import KINDS, PAGE_SKUS_MAX, read_cursor
from ops.importer import Staged
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.resp import OK, ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.catalogue import item_summary, item_view
from ops.socket.views.stock import no_such_sku

ITEM_SYNTAX: Final = (
    "GET sku|barcode | SET sku json [BY who] | RENAME sku new [BY who] | MERGE sku into [BY who] | "
    "RETIRE|REVIVE sku [BY who] | FIND text [LIMIT n] | LIST [CURSOR cursor] [LIMIT n]"
)
IMPORT_SYNTAX: Final = "STAGE import-id json | CHECK import-id [ROWS n] | APPLY|DROP import-id | STATUS"
EXPORT_SYNTAX: Final = f"{'|'.join(KINDS)} [CURSOR cursor] [LIMIT n]"

_PATCH: Final = msgspec.json.Decoder(Patch)
_BY: Final = frozenset({b"BY"})
_CHECKED_MAX: Final = 1_000_000
_SEARCH_SLICE: Final = 512
"""Items looked at between two checkpoints: about half a millisecond."""
_FIND_MAX: Final = 1000


async def item(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """ITEM."""
    action = arguments[1].upper()
    handler = _ACTIONS.get(action)
    if handler is None or (len(arguments) < 3 and handler is not _list):
        raise ErrorReply("ERR", f"ITEM {ITEM_SYNTAX}")
    await handler(node, session, arguments, reply)


async def _get(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    if len(arguments) != 3:
        raise ErrorReply("ERR", "ITEM GET <sku|barcode>")
    word = read.sku(arguments[2])
    sku = node.catalogue.find(word)
    if sku is None:
        raise no_such_sku(word)
    _give_durable(node, reply, sku)


async def _set(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    if len(arguments) < 4:
        raise ErrorReply("ERR", "ITEM SET <sku> <json> [BY <who>]")
    patch = read.document("item", _PATCH, arguments[3])
    by = _who(session, arguments, 4)
    sku = _find(node, arguments[2])
    fields = {name: getattr(patch, name) for name in Patch.__struct_fields__}
    answer = await node.importer.describe(SkuRow(sku=sku, **fields), by=by)
    if isinstance(answer, Refusal):
        reply.resolve(answer)
        return
    _give_durable(node, reply, sku)


async def _rename(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    if len(arguments) < 4:
        raise ErrorReply("ERR", "ITEM RENAME <sku> <new> [BY <who>]")
    new, by = Sku(read.identifier("new", arguments[3])), _who(session, arguments, 4)
    sku = _find(node, arguments[2])
    await _answer(node, reply, sku, node.registrar.rename(sku, new, by=by))


async def _merge(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    if len(arguments) < 4:
        raise ErrorReply("ERR", "ITEM MERGE <sku> <into> [BY <who>]")
    gone, into, by = _find(node, arguments[2]), _find(node, arguments[3]), _who(session, arguments, 4)
    await _answer(node, reply, into, node.registrar.merge(gone, into, by=by))


async def _retire(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    retired, by, sku = arguments[1].upper() == b"RETIRE", _who(session, arguments, 3), _find(node, arguments[2])
    await _answer(node, reply, sku, node.registrar.set_standing(sku, retired=retired, by=by))


async def _search(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    text = read.text("text", arguments[2], maximum=200).strip()
    if not text:
        raise read.bad("text", arguments[2], "must not be empty")
    limit = min(read.limit(arguments, 3), _FIND_MAX)
    catalogue = node.catalogue
    exact = catalogue.find(text)
    found: dict[Sku, Item] = {}
    if exact is not None and (known := catalogue.get(exact)) is not None:
        found[exact] = known
    start: int | None = 0
    while start is not None and len(found) < limit:
        page, start = catalogue.page(start, _SEARCH_SLICE)
        for each in search(page, catalogue.codes, text):
            if each is not None and len(found) < limit:
                found[each.sku] = each
        await trio.lowlevel.checkpoint()
    rows = [item_summary(catalogue, each) for each in found.values()]
    node.journal.enqueue((), lambda _position: reply.resolve(rows))


async def _list(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    options = read.options(arguments, 2, frozenset({b"CURSOR", b"LIMIT"}))
    count = read.integer("limit", options.get(b"LIMIT", b"100"), minimum=1, maximum=PAGE_SKUS_MAX)
    page, cursor = node.catalogue.page(_cursor(options), count)
    answer = {"rows": [item_summary(node.catalogue, each) for each in page], "cursor": cursor}
    node.journal.enqueue((), lambda _position: reply.resolve(answer))


def _cursor(options: Mapping[bytes, bytes]) -> int:
    shown = options.get(b"CURSOR", b"0")
    start = read_cursor(shown.decode("utf-8", "replace"))
    if start is None:
        raise read.bad("cursor", shown, "must be the cursor of the page before")
    return start


async def import_rows(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """IMPORT."""
    action = arguments[1].upper()
    if action == b"STATUS" and len(arguments) == 2:
        reply.give({"pieces": node.applier.pieces, "pieces_left": node.applier.pieces_left})
        return
    if len(arguments) == 2:
        raise ErrorReply("ERR", f"IMPORT {IMPORT_SYNTAX}")
    import_id = read.identifier("import-id", arguments[2])
    if action == b"STAGE" and len(arguments) == 4:
        staged = sum(each.bytes for each in session.staged.values())
        if staged + len(arguments[3]) > node.import_bytes_max:
            raise ErrorReply("TOOBIG", f"import={import_id}: at most {node.import_bytes_max} bytes staged at once")
        session.staged.setdefault(import_id, Staged(by=session.user)).add(arguments[3])
        reply.give(OK)
    elif action == b"CHECK" and len(arguments) in {3, 5}:
        options = read.options(arguments, 3, frozenset({b"ROWS"}))
        rows = read.integer("rows", options.get(b"ROWS", b"10000"), minimum=1, maximum=_CHECKED_MAX)
        reply.give(await node.importer.check(_staged(session, import_id), rows))
    elif action == b"APPLY" and len(arguments) == 3:
        staging = _staged(session, import_id)
        _check_journal(node)
        del session.staged[import_id]
        reply.resolve(await node.importer.apply(staging))
    elif action == b"DROP" and len(arguments) == 3:
        session.staged.pop(import_id, None)
        reply.give(OK)
    else:
        raise ErrorReply("ERR", f"IMPORT {IMPORT_SYNTAX}")


async def export(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """EXPORT."""
    kind = arguments[1].decode("utf-8", "replace").lower()
    if kind not in KINDS:
        raise read.bad("kind", arguments[1], f"expected {', '.join(KINDS)}")
    options = read.options(arguments, 2, frozenset({b"CURSOR", b"LIMIT"}))
    count = read.integer("limit", options.get(b"LIMIT", b"500"), minimum=1, maximum=PAGE_SKUS_MAX)
    reply.give(await node.exporter.page(kind, _cursor(options), count))


def _staged(session: Session, import_id: str) -> Staged:
    staged: Staged | None = session.staged.get(import_id)
    if staged is None:
        raise ErrorReply("BADARG", f"import-id={import_id!r}: nothing is staged under it on this connection")
    return staged


def _find(node: Node, word: bytes) -> Sku:
    code = read.sku(word)
    sku = node.catalogue.codes.resolve(code)
    if sku not in node.catalogue:
        raise no_such_sku(code)
    return sku


def _who(session: Session, arguments: Arguments, start: int) -> str:
    options = read.options(arguments, start, _BY)
    return read.text("by", options[b"BY"], maximum=200) if b"BY" in options else session.user


def _check_journal(node: Node) -> None:
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")


async def _answer(node: Node, reply: Reply, sku: Sku, deciding: Awaitable[object]) -> None:
    answer = await deciding
    if isinstance(answer, Refusal):
        reply.resolve(answer)
    else:
        assert answer is None or isinstance(answer, SkuRenamed | SkuMerged | SkuRetired | SkuRevived), answer
        _give_durable(node, reply, sku)


def _give_durable(node: Node, reply: Reply, sku: Sku) -> None:
    """Show an item when all that is shown of it is on disk."""
    known = node.catalogue.get(sku)
    assert known is not None, sku
    view: dict[str, Any] = item_view(node.catalogue, known)
    node.journal.enqueue((), lambda _position: reply.resolve(view))


_ACTIONS: Final[Mapping[bytes, Callable[[Node, Session, Arguments, Reply], Awaitable[None]]]] = {
    b"GET": _get,
    b"SET": _set,
    b"RENAME": _rename,
    b"MERGE": _merge,
    b"RETIRE": _retire,
    b"REVIVE": _retire,
    b"FIND": _search,
    b"LIST": _list,
}
