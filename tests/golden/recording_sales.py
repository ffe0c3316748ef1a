"""What the recorded statements tell beyond the recorded journal: many versions of rules, and sales under them."""

from typing import Any

from engine.domain.events import DemandSet, Event, OrderRecorded, RulesSet
from engine.domain.offers.rulebooks import VERSIONS_MAX
from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.units import DIRECT, LineId, OrderId
from ops.node import Node
from tests.fakes.books import HERE, A, B
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line


def tell_sales(first_version: int) -> list[list[Event]]:
    """Return frames in which the file's rules leave the versions that are kept, and a quota is sold of."""
    rules = RuleBook(default=OfferTerms(buffer_from="computed"), skus={A: OfferTerms(quotas={SHOP: 9})})
    edits: list[Event] = [
        RulesSet(at=START, version=first_version + number, rules=rules) for number in range(VERSIONS_MAX)
    ]
    sold = order(order_line("A", 2), order_id="sold")
    demand = DemandSet(
        at=START, sku=A, account=SHOP, order_id=OrderId("sold"), line_id=LineId("1"), committed=((HERE, 2),)
    )
    return [edits, [OrderRecorded(at=START, snapshot=sold, skus=(A,)), demand]]


def describe_sales(node: Node) -> dict[str, Any]:
    """Say what was sold, how fast, and of quotas; what the file's rules were; and how the listings stand."""
    offers, listings = node.offers, node.accounts[SHOP].pusher.listings
    offering = offers.offerings[SHOP]
    return {
        "sold": {
            sku: [offers.demand.sold_by(sku, SHOP, START), offers.demand.daily_sales(sku, START)] for sku in (A, B)
        },
        "pace": offers.pace.next_turn_at(),
        "rate": offers.pace.rate_elsewhere(A, DIRECT, START),
        "quota_sold": offers.sales.of(A, SHOP, offering.rule(A).quota_since),
        "file": offers.versions.from_file,
        "listings": [[each.listing_id, each.sku, each.state, each.owed, each.strikes] for each in listings()],
        "past": [[position, type(event).__name__] for position, event in node.past._common],
        "past_is_whole": node.past._all_common,
    }
