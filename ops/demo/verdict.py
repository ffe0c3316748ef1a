"""The final check: every shop shows exactly its offer, and every unit is accounted for. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

Map = Mapping[str, Any]


class Verdict(msgspec.Struct, frozen=True):
    """What was compared and what did not agree."""

    listings_checked: int
    listings_wrong: tuple[str, ...]
    skus_checked: int
    skus_wrong: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the demo may exit with 0."""
        return not self.listings_wrong and not self.skus_wrong and self.listings_checked > 0 and self.skus_checked > 0


def judge(
    opening: Mapping[str, int],
    stocks: Mapping[str, Map],
    offers: Mapping[str, Sequence[Map]],
    shops: Mapping[str, Map],
    storefront_units: Mapping[str, int],
    short: set[str],
) -> Verdict:
    """Compare the daemon's books and offers with what the shops themselves counted.

    Args:
        opening: units at the start, by SKU.
        stocks: STOCK replies by SKU.
        offers: offers of the OFFERS replies by SKU.
        shops: the emulators' own state by account.
        storefront_units: units committed at the storefront, by SKU.
        short: SKUs with an open incident.
    """
    listings_wrong: list[str] = []
    checked = 0
    for sku, told in offers.items():
        for offer in told:
            checked += 1
            shown = shops[offer["account"]]["skus"][sku]["stock"]
            if shown != offer["offer"]:
                listings_wrong.append(f"{offer['account']} shows {shown} of {sku}, its offer is {offer['offer']}")
    if checked != len(opening) * len(shops):
        listings_wrong.append(f"{checked} listings are mapped, {len(opening) * len(shops)} were stocked")
    skus_wrong = [
        problem
        for sku, units in opening.items()
        for problem in _check_ledger(sku, units, stocks[sku], shops, storefront_units.get(sku, 0), short=sku in short)
    ]
    return Verdict(checked, tuple(listings_wrong), len(opening), tuple(skus_wrong))


def _check_ledger(
    sku: str, opening: int, stock: Map, shops: Mapping[str, Map], storefront: int, *, short: bool
) -> list[str]:
    problems: list[str] = []
    sold = storefront + sum(
        shop["skus"][sku]["units_sold"] - shop["skus"][sku]["units_returned"] for shop in shops.values()
    )
    left = stock["on_hand"] - stock["committed"]
    if left != opening - sold:
        problems.append(f"{sku}: {opening} came in, {sold} were sold, but on hand less committed is {left}")
    free = left - stock["reserved"] - stock["unavailable"]
    if stock["oversold"] != max(0, -free):
        problems.append(f"{sku}: {free} units free, but {stock['oversold']} recorded as oversold")
    if short != (stock["oversold"] > 0):
        problems.append(f"{sku}: oversold by {stock['oversold']}, incident open: {short}")
    if min(stock["on_hand"], stock["committed"], stock["reserved"]) < 0:
        problems.append(f"{sku}: a negative figure: {dict(stock)}")
    return problems
