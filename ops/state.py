"""All that a node knows, section by section: what snapshots are made of, and what a replay is compared by."""

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from engine.actors.all_books import AllBooks
from engine.domain.stated import Stateful, Statement
from engine.domain.stated.offers import FileRulesStated, RulesStated
from engine.domain.stock.stating_papers import PapersState
from ops.leftalone import INTAKE, LISTINGS, section_of
from ops.node import Node
from ops.offers import OfferDesk

_ENCODER = msgspec.msgpack.Encoder()


def sections(node: Node) -> dict[str, Stateful]:
    """Return the owners of state by the names that snapshots know them by, in the order in which they are restored."""
    ledgers = [shard.ledger for shard in node.shards]
    return {
        "catalogue": node.catalogue,
        "recipes": node.recipes,
        "fanout": node.fanout,
        "books": AllBooks(ledgers, node.directory, node.documents),
        "orders": node.desk.orders,
        "papers": PapersState(node.papers),
        "incidents": node.incidents,
        "order_notes": node.order_notes,
        "imports": node.applier.underway,
        "rules": _Rules(node.offers),
        "campaigns": node.offers.campaigns,
        "quotas": node.offers.sales,
        "demand": node.offers.demand,
        "pace": node.offers.pace,
        **dict(sorted(_of_accounts(node))),
        "alerts": node.alerter.remembered,
        "scan": node.scanner,
        "past": node.past,
    }


def _of_accounts(node: Node) -> Iterator[tuple[str, Stateful]]:
    """Return what each account has, those included that are configured no more."""
    for account in node.accounts.values():
        yield section_of(INTAKE, account.id), account.intake.arrivals
        yield section_of(LISTINGS, account.id), account.pusher.recorded
    yield from node.left_alone.sections().items()


class _Rules:
    """The rules: whoever uses them hears of those that are restored."""

    def __init__(self, desk: OfferDesk) -> None:
        self._desk = desk

    def state(self, as_of: datetime) -> Iterator[RulesStated | FileRulesStated]:
        """Say the versions that are kept."""
        yield from self._desk.versions.state(as_of)

    def restore(self, statement: RulesStated | FileRulesStated) -> None:
        """Let a version hold."""
        self._desk.restore_rules(statement)


def state(node: Node, as_of: datetime) -> Iterator[tuple[str, Statement]]:
    """Say all that a node knows: section and statement. Its actors must not run."""
    for name, owner in sections(node).items():
        for statement in owner.state(as_of):
            yield name, statement


def digests(node: Node, as_of: datetime) -> dict[str, str]:
    """Return the SHA-256 of what each section says: equal where two nodes know the same."""
    found: dict[str, str] = {}
    for name, owner in sections(node).items():
        sha256 = hashlib.sha256()
        for statement in owner.state(as_of):
            sha256.update(_ENCODER.encode(statement))
        found[name] = sha256.hexdigest()
    return found


class Restorer:
    """Tells a new node what a snapshot says, part by part and in its order."""

    def __init__(self, node: Node) -> None:
        """Begin; nothing has happened at the node yet."""
        self._left_alone = node.left_alone
        self._owners = sections(node)

    def restore(self, section: str, statements: Iterable[Statement]) -> None:
        """Tell a section what it said of itself, or the part of it that follows the parts before.

        Raises:
            StoreCorrupt: nobody knows such a section.
        """
        owner = self._owners.get(section)
        take_in = (self._left_alone.owner(section) if owner is None else owner).restore
        for statement in statements:
            take_in(statement)
