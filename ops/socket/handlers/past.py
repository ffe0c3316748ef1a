"""What was: HISTORY, and EXPLAIN of an instant of the past."""

import re
from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import Final, TypeVar

from engine.domain.audit.history import LINES_MAX, Place, Window
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.domain.units import AccountId, Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket import options
from ops.socket.command import Arguments
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.unreadable import tell_unreadable
from ops.socket.views.past import history_view, then_view
from ops.socket.views.stock import no_such_sku

T = TypeVar("T")

_PLACE: Final = re.compile(rb"(\d{1,18})-(\d{1,9})")
_LINES: Final = 50
"""Lines of HISTORY unless told."""


def past_instant(what: str, value: bytes, now: datetime) -> datetime:
    """Read an instant that has been."""
    at = options.instant(what, value, now)
    if at > now:
        raise read.bad(what, value, f"is in the future: it is {now:%Y-%m-%dT%H:%M:%SZ}")
    return at


async def explain_at(node: Node, sku: Sku, account: AccountId | None, value: bytes, reply: Reply) -> None:
    """EXPLAIN AT."""
    sku = node.catalogue.codes.resolve(sku)
    at = past_instant("at", value, node.clock.now())
    started_at = await _from_journal(node.past.started_at())
    if started_at is None or at < started_at:
        begins = "is empty" if started_at is None else f"begins at {started_at:%Y-%m-%dT%H:%M:%S.%fZ}"
        raise read.bad("at", value, f"is before anything on record: the journal {begins}")
    then = await _from_journal(node.past.moment(sku, at))
    moment, book = then.moment, then.moment.book()
    if book is not None:
        reply.give(then_view(book, then, account, node.kinds))
    elif moment.added_at is not None:
        raise ErrorReply("NOSUCHSKU", f"sku={sku} did not exist then: added_at={moment.added_at:%Y-%m-%dT%H:%M:%S.%fZ}")
    else:
        raise no_such_sku(sku)


async def history(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """HISTORY."""
    sku = node.catalogue.codes.resolve(read.sku(arguments[1]))
    given = read.options(arguments, 2, frozenset({b"FROM", b"TO", b"BEFORE", b"ACCOUNT", b"LIMIT"}))
    found = await _from_journal(node.past.history(sku, _window(node, given)))
    reply.give(history_view(found) if found.exists else no_such_sku(sku))


def _window(node: Node, given: Mapping[bytes, bytes]) -> Window:
    now = node.clock.now()
    account = None
    if b"ACCOUNT" in given:
        account = read.account_id(given[b"ACCOUNT"])
        node.names.check_account(account)
    before = None
    if b"BEFORE" in given:
        place = _PLACE.fullmatch(given[b"BEFORE"])
        if place is None:
            raise read.bad("before", given[b"BEFORE"], "must be `older` of a page, as 4711-2")
        before = Place(int(place[1]), int(place[2]))
    limit = _LINES
    if b"LIMIT" in given:
        limit = read.integer("limit", given[b"LIMIT"], minimum=1, maximum=LINES_MAX)
    since = past_instant("from", given[b"FROM"], now) if b"FROM" in given else None
    until = past_instant("to", given[b"TO"], now) if b"TO" in given else None
    if since is not None and until is not None and since > until:
        raise read.bad("from", given[b"FROM"], "must not be after `to`")
    return Window(since=since, until=until, before=before, account=account, limit=limit)


async def _from_journal(reading: Awaitable[T]) -> T:
    """Read the journal; what is damaged or missing there is the asker's to hear and the operator's."""
    try:
        return await reading
    except (StoreCorrupt, JournalUnavailable) as error:
        raise tell_unreadable(error) from error
