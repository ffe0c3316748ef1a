"""What an oracle knows: goods, listings, recipes, holds and orders, as the world has them, and look-ups in that."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ops.simulate.oracle.holds import HoldCase
from ops.simulate.oracle.merges import Merges
from ops.simulate.oracle.orders import OrderCase, Weights, taken_at
from ops.simulate.oracle.purchases import Purchases
from ops.simulate.oracle.shelves import Shelf


class Facts:
    """Everything under the id that a SKU had when it was noted; whoever asks of an heir asks of its members."""

    def __init__(
        self, direct: Collection[str], places: Mapping[str, Sequence[str]], pools: Sequence[Collection[str]]
    ) -> None:
        """Start with nothing told.

        Args:
            direct: locations that the storefront sells from.
            places: those of each channel account.
            pools: locations that make good what another one of them is short of; each location in one.
        """
        self.shelves: dict[str, Shelf] = {}
        self.holds: dict[str, HoldCase] = {}
        self.holds_by_sku: dict[str, dict[str, HoldCase]] = {}
        self.orders: dict[tuple[str, str], OrderCase] = {}
        self.orders_by_sku: dict[str, dict[tuple[str, str], OrderCase]] = {}
        self.listings: dict[tuple[str, str], tuple[str, int]] = {}
        """Account and listing to SKU and units of it in one."""
        self.recipes: dict[str, list[Mapping[str, int]]] = {}
        """Every recipe that a bundle has, or may have, had; the newest last."""
        self.together: dict[str, bool] = {}
        self.purchases = Purchases()
        self.merges = Merges()
        self.names: dict[str, str] = {}
        """Codes that lead to a SKU by another name."""
        self.places = {**places, "direct": tuple(direct)}
        self.pools = tuple(map(tuple, pools))
        self.spots = tuple(place for pool in self.pools for place in pool)
        """Every location, in the order in which shelves keep a past of each, behind those of the pools."""
        self.direct = tuple(direct)
        self.least_taken = {name: taken_at(direct, sold, surely=True) for name, sold in self.places.items()}
        self.most_taken = {name: taken_at(direct, sold, surely=False) for name, sold in self.places.items()}
        """Of each account, from where the storefront sells."""
        self.daemon_seconds = 0.0
        """The daemon's time, as far as anybody has heard."""

    def sku(self, code: str) -> str:
        """Return the SKU that a code leads to."""
        return self.merges.heir(self.names.get(code, code))

    def codes(self, sku: str) -> list[str]:
        """Return every code that leads to a SKU for certain, its own first."""
        return [sku, *(code for code in (*self.names, *self.merges.gone) if self.sku(code) == sku)]

    def alike(self, units: Mapping[Any, int]) -> Mapping[Any, int]:
        """Return units by SKU, or by SKU and more, as they are if every merge that was asked for has happened."""
        found: Counter[Any] = Counter()
        for key, each in units.items():
            parts: tuple[str, ...] = key if isinstance(key, tuple) else (key,)
            code, *more = parts
            sku = self.merges.heir(self.names.get(code, code), perhaps=True)
            found[(sku, *more) if more else sku] += each
        return found

    def leaves(self, account: str, listing: str) -> Sequence[Mapping[str, int]]:
        """Return what one unit of a listing may come to in SKUs with stock; empty: nothing of ours."""
        sku, pack = self.listings.get((account, listing), ("", 1))
        if not sku:
            return ()
        return [{leaf: units * pack for leaf, units in made.items()} for made in self.recipes.get(sku, [{sku: 1}])]

    def weights(self, account: str) -> Weights:
        """Return what listings of an account come to."""
        return lambda listing: self.leaves(account, listing)

    def holds_of(self, sku: str) -> list[tuple[HoldCase, int]]:
        """Return holds that may have had units of a SKU, with the most they may have had."""
        found: list[tuple[HoldCase, int]] = []
        for case in self.holds.values():
            if case.state == "refused":
                continue
            units = case.skus.get(sku, 0)
            if not case.lines:
                for code, wanted in case.wanted.items():
                    named = self.names.get(code, code)
                    made = self.recipes.get(named, [{named: 1}])
                    units += wanted * max(each.get(sku, 0) for each in made)
            if units:
                found.append((case, units))
        return found
