"""Stock set aside for campaigns: CAMPAIGN."""

from collections.abc import Sequence
from itertools import chain, islice
from typing import Final, get_args

from engine.domain.commands import Refusal
from engine.domain.events import CampaignSet
from engine.domain.events.campaigns import Lock
from engine.domain.offers.campaigns import Campaign
from engine.domain.units import UNITS_MAX, Key, ListingId
from ops.node import Node
from ops.sizes import RETURN_HOURS_MAX
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.options import Options, instant, options, text, who
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.rules import campaign_view

_SET: Final = {"FROM": 1, "TO": 1, "LOCK": 1, "LISTING": 1, "RETURN": 1, "NOTE": 1, "BY": 1}
_LOCKS: Final[Sequence[Lock]] = get_args(Lock)
_SYNTAX: Final = (
    "CAMPAIGN SET <key> <account> <sku> <quota> FROM <instant> TO <instant> [LOCK open|increase_only|closed]"
    " [LISTING <listing>] [RETURN <hours>] [NOTE <text>] [BY <who>]"
    " | CAMPAIGN END|RETURN <key> [NOTE <text>] [BY <who>] | CAMPAIGN GET <key> | CAMPAIGN LIST [OPEN|ALL] [LIMIT <n>]"
)


async def campaign(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """CAMPAIGN."""
    match arguments[1].upper():
        case b"SET" if len(arguments) >= 6:
            terms = _terms(node, session, arguments)
            _check_journal(node)
            _answer(node, await node.offers.set_campaign(terms), reply)
        case (b"END" | b"RETURN") as action if len(arguments) >= 3:
            found = options(arguments, 3, {"NOTE": 1, "BY": 1})
            act = node.offers.end_campaign if action == b"END" else node.offers.return_campaign
            _check_journal(node)
            _answer(node, await act(_key(arguments[2]), who(found, session), text(found, "NOTE")), reply)
        case b"GET" if len(arguments) == 3:
            known = node.offers.campaigns.get(_key(arguments[2]))
            _answer(node, known or Refusal(code="NOSUCHCAMPAIGN", text=f"campaign={_key(arguments[2])}"), reply)
        case b"LIST":
            reply.give([campaign_view(each, node.clock.now()) for each in _list(node, arguments)])
        case _:
            raise ErrorReply("ERR", _SYNTAX)


def _list(node: Node, arguments: Arguments) -> list[Campaign]:
    which = arguments[2].upper() if len(arguments) > 2 else b"OPEN"
    limit = read.limit(arguments, 3 if which in {b"OPEN", b"ALL"} and len(arguments) > 2 else 2)
    campaigns = node.offers.campaigns
    newest = reversed(campaigns.open.values())
    return list(islice(chain(newest, reversed(campaigns.over)) if which == b"ALL" else newest, limit))


def _terms(node: Node, session: Session, arguments: Arguments) -> CampaignSet:
    found = options(arguments, 6, _SET)
    for name in ("FROM", "TO"):
        if name not in found:
            raise ErrorReply("BADARG", f"{name} is missing: {_SYNTAX}")
    account = read.account_id(arguments[3])
    node.names.account(account)
    return CampaignSet(
        at=node.clock.now(),
        key=_key(arguments[2]),
        account=account,
        sku=node.names.sku(arguments[4]),
        listing_id=ListingId(read.identifier("listing", found["LISTING"][0])) if "LISTING" in found else None,
        quota=read.integer("quota", arguments[5], minimum=1, maximum=UNITS_MAX),
        lock=_lock(found),
        starts_at=instant("from", found["FROM"][0]),
        ends_at=instant("to", found["TO"][0]),
        return_hours=_hours(found),
        by=who(found, session),
        note=text(found, "NOTE"),
    )


def _lock(found: Options) -> Lock:
    word = found["LOCK"][0].decode("utf-8", "replace").lower() if "LOCK" in found else "open"
    for lock in _LOCKS:
        if word == lock:
            return lock
    raise read.bad("lock", word, f"must be one of {', '.join(_LOCKS)}")


def _hours(found: Options) -> float:
    if "RETURN" not in found:
        return 24.0
    return float(read.integer("return", found["RETURN"][0], minimum=0, maximum=RETURN_HOURS_MAX))


def _key(argument: bytes) -> Key:
    return read.key(argument)


def _check_journal(node: Node) -> None:
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")


def _answer(node: Node, answer: Campaign | Refusal, reply: Reply) -> None:
    if isinstance(answer, Refusal):
        raise ErrorReply(answer.code, answer.text)
    reply.give(campaign_view(answer, node.clock.now()))
