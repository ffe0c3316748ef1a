"""Alerts: ALERTS, ALERT."""

from itertools import chain, islice

from engine.domain.alerts import AlertId
from engine.domain.errors import ChannelError
from engine.machines.alerts.alerts import Alert
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.options import options, who
from ops.socket.resp import OK, ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.alerts import alert_view

_ID_MAX = 2**53
_SYNTAX = "ALERT ACK|RESOLVE <alert> [BY <who>] | ALERT TEST <destination>"


def alerts(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """ALERTS."""
    which = arguments[1].upper() if len(arguments) > 1 else b"OPEN"
    start = 2 if len(arguments) > 1 and which in {b"OPEN", b"ALL"} else 1
    limit = read.limit(arguments, start)
    known = node.alerter.alerts
    newest: list[Alert] = list(islice(reversed(known.open.values()), limit))
    if which == b"ALL":
        both = chain(newest, islice(reversed(known.history), limit))
        newest = sorted(both, key=lambda alert: alert.raised.alert_id, reverse=True)[:limit]
    reply.give([alert_view(alert) for alert in newest])


async def alert(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """ALERT."""
    action = arguments[1].upper()
    if action == b"TEST" and len(arguments) == 3:
        await _send_test(node, arguments[2], reply)
        return
    acts = {b"ACK": node.alerter.acknowledge, b"RESOLVE": node.alerter.resolve}
    if action not in acts:
        raise ErrorReply("ERR", _SYNTAX)
    alert_id = AlertId(read.integer("alert", arguments[2], minimum=1, maximum=_ID_MAX))
    by = who(options(arguments, 3, {"BY": 1}), session)
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
    found = await acts[action](alert_id, by or session.peer)
    if found is None:
        raise ErrorReply("NOSUCHALERT", f"alert={alert_id}: not open, and not among the last that were resolved")
    reply.give(alert_view(found))


async def _send_test(node: Node, argument: bytes, reply: Reply) -> None:
    name = read.identifier("destination", argument)
    known = node.alerter.deliveries.destinations
    if name not in known:
        listed = ", ".join(known) or "none is configured"
        raise ErrorReply("NOSUCHDESTINATION", f"destination={name} (known: {listed})")
    try:
        await node.alerter.send_test(name)
    except ChannelError as error:
        raise ErrorReply("UNDELIVERED", str(error)) from error
    reply.give(OK)
