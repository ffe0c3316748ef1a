"""Holds: HOLD, COMMIT, RELEASE, LOOKUP."""

from collections.abc import Awaitable, Sequence

import msgspec

from engine.actors.order_desk import CommitInto
from engine.domain.commands import CommitHold, PlaceHold, ReleaseHold, sum_lines
from engine.domain.events import Line
from engine.domain.units import DIRECT, UNITS_MAX, AccountId, LocationId
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.stock import hold_view

_HOLD_OPTIONS = frozenset({b"CHANNEL", b"AT"})


def hold(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """HOLD."""
    hold_id = read.hold_id(arguments[1])
    expires_at = read.expiry(arguments[2], session.now, node.limits.hold_seconds_max)
    lines: tuple[Line, ...] = ((read.sku(arguments[3]), read.quantity(arguments[4])),)
    index = 5
    while index + 1 < len(arguments) and arguments[index].upper() not in _HOLD_OPTIONS:
        lines += ((read.sku(arguments[index]), read.quantity(arguments[index + 1])),)
        index += 2
    account, location, locations = DIRECT, None, node.direct_locations
    if index < len(arguments):
        account, location, locations = _hold_options(node, arguments, index)
    if len(lines) > 1:
        lines = _sum_lines(node, list(lines))
    command = PlaceHold(
        hold_id=hold_id,
        lines=lines,
        expires_at=expires_at,
        account=account,
        locations=locations,
        location=location,
    )
    bundles = node.recipes.current
    if bundles and (lines[0][0] in bundles or len(lines) > 1 or node.catalogue.codes.active):
        command = _explode(node, command)
    return node.router.begin(command, reply)


def _explode(node: Node, command: PlaceHold) -> PlaceHold:
    """Ask for what the bundles of a hold are made of, if there are any among its lines."""
    resolve = node.catalogue.codes.resolve
    wanted = sum_lines([(resolve(sku), units) for sku, units in command.lines])
    lines, bundles = node.recipes.explode(wanted)
    if not bundles:
        return command
    _check_lines(node, lines, "bundles come to ")
    retired = next((bundle.sku for bundle in bundles if node.fanout.is_retired(bundle.sku)), None)
    return msgspec.structs.replace(command, lines=lines, wanted=wanted, bundles=bundles, retired=retired)


def _sum_lines(node: Node, lines: list[Line]) -> tuple[Line, ...]:
    _check_lines(node, lines)
    summed = sum_lines(lines)
    _check_lines(node, summed)
    return summed


def _check_lines(node: Node, lines: Sequence[Line], what: str = "") -> None:
    if len(lines) > node.limits.hold_lines_max:
        raise ErrorReply("BADARG", f"{what}{len(lines)} lines: at most {node.limits.hold_lines_max} in one hold")
    for sku, quantity in lines:
        if quantity > UNITS_MAX:
            text = f"{what}sku={sku} quantity={quantity}: at most {UNITS_MAX} in all lines together"
            raise ErrorReply("BADARG", text)


def _hold_options(
    node: Node, arguments: Arguments, index: int
) -> tuple[AccountId, LocationId | None, tuple[LocationId, ...]]:
    if len(arguments) - index == 1 and arguments[index].upper() not in _HOLD_OPTIONS:
        raise read.bad("sku", arguments[index], "needs a quantity")
    options = read.options(arguments, index, _HOLD_OPTIONS)
    account, location, locations = DIRECT, None, node.direct_locations
    if b"CHANNEL" in options:
        account = read.account_id(options[b"CHANNEL"])
        locations = node.names.locations_of(account)
    if b"AT" in options:
        location = node.names.location(read.location_id(options[b"AT"]))
        if location not in locations:
            raise read.bad("location", location, f"account {account} does not sell from there")
    return account, location, locations


def commit(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """COMMIT."""
    hold_id = read.hold_id(arguments[1])
    options = read.options(arguments, 2, frozenset({b"ORDER"}))
    if b"ORDER" in options:
        return _commit_into(node, CommitInto(hold_id, read.order_id(options[b"ORDER"]), reply))
    return node.router.begin(CommitHold(hold_id=hold_id, order_id=None), reply)


async def _commit_into(node: Node, message: CommitInto) -> None:
    await node.desk.inbox.put(message)
    await node.desk.wait_passed_on()  # the next command of this connection may go straight to a shard


def release(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RELEASE."""
    return node.router.begin(ReleaseHold(hold_id=read.hold_id(arguments[1])), reply)


async def lookup(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """LOOKUP."""
    hold_id = read.hold_id(arguments[1])
    skus = node.router.skus_of(hold_id)
    if not skus:
        reply.give(ErrorReply("NOSUCHHOLD", f"hold={hold_id}"))
        return
    await node.router.look_at(skus, lambda books, _now: hold_view(hold_id, books.values()), reply)
