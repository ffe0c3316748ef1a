"""The daemon itself: INFO, HEALTH, METRICS, SHUTDOWN."""

import trio

from ops.node import Node
from ops.reports import view_health, view_info
from ops.socket.command import Arguments
from ops.socket.resp import OK
from ops.socket.session import Reply, Session


async def info(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """INFO."""
    await trio.lowlevel.checkpoint()  # it counts every book: others may go first
    wanted = {argument.decode("utf-8", "replace").lower() for argument in arguments[1:]}
    sections = view_info(node)
    lines: list[str] = []
    for name, fields in sections.items():
        if not wanted or name.lower() in wanted or wanted & {"all", "everything", "default"}:
            lines += [f"# {name}", *(f"{field}:{value}" for field, value in fields.items()), ""]
    reply.give("\r\n".join(lines))


async def health(node: Node, _session: Session, _arguments: Arguments, reply: Reply) -> None:
    """HEALTH."""
    reply.give(view_health(node))


async def metrics(node: Node, _session: Session, _arguments: Arguments, reply: Reply) -> None:
    """METRICS."""
    await trio.lowlevel.checkpoint()  # every family is written: others may go first
    reply.give(node.metrics_text())


async def shutdown(node: Node, session: Session, _arguments: Arguments, reply: Reply) -> None:
    """SHUTDOWN."""
    session.closing = True
    reply.give(OK)
    node.request_shutdown(f"SHUTDOWN from {session.peer}")
