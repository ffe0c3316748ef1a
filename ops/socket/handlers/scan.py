"""Whether everything adds up: SCAN, VIOLATIONS."""

from engine.actors.scanreport import ScanBusy
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.unreadable import tell_unreadable
from ops.socket.views.scan import report_view, violations_view
from ops.socket.views.stock import no_such_sku


async def scan(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """SCAN."""
    deep = len(arguments) > 1 and arguments[-1].upper() == b"DEEP"
    rest = len(arguments) - 1 - deep
    if rest > 1:
        raise read.bad("option", arguments[2], "expected DEEP, the only one")
    sku = node.catalogue.codes.resolve(read.sku(arguments[1])) if rest == 1 else None
    if sku is not None and not node.router.knows(sku):
        raise no_such_sku(sku)
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
    try:
        report = await node.scanner.scan(sku, deep=deep)
    except ScanBusy:
        raise ErrorReply("BUSY", "another scan is under way: ask again when it is done") from None
    except (StoreCorrupt, JournalUnavailable) as error:
        raise tell_unreadable(error) from error
    reply.give(report_view(report))


async def violations(node: Node, _session: Session, _arguments: Arguments, reply: Reply) -> None:
    """VIOLATIONS."""
    reply.give(violations_view(node.scanner))
