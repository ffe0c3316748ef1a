"""Everything of one run in one place: the daemon's machine, marketplaces, clients, and the oracle that hears of all."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import trio

from engine.domain.units import AccountId
from engine.ports import Channel, Frame
from ops.simulate.clocks import WorldClock, seconds_of
from ops.simulate.daemon import Host, Life
from ops.simulate.disk import Platter
from ops.simulate.faults import Faults
from ops.simulate.manners import Manners
from ops.simulate.market import Market
from ops.simulate.oracle.oracle import Oracle
from ops.simulate.oracle.orders import Claim
from ops.simulate.outlet import Outlet
from ops.simulate.plan import Plan
from ops.simulate.story import Story
from ops.simulate.till import Till

_TOLD: Final = (b"count error: more shipped than on hand", b"hold_refused", b"drift_found")
"""Marks of events that no answer tells of."""


class World:
    """One run (`ops.simulate.market.Watcher`)."""

    def __init__(self, plan: Plan, nursery: trio.Nursery) -> None:
        """Make it. `nursery` is for what goes on whoever dies: requests on their way, writes that land late."""
        self.plan = plan
        self.nursery = nursery
        self.closing = trio.Event()
        """Set when people begin nothing new; what they have begun they bring to its end."""
        self.counts: Counter[str] = Counter()
        self.story = Story()
        self.clock = WorldClock()
        self.faults = Faults(self.rng("faults"), plan.faults)
        self.oracle = Oracle(plan.direct, plan.places, (plan.direct, ("depot",)))
        self.book: dict[str, Any] = {}
        """Rules in force."""
        self.said: dict[tuple[str, ...], str] = {}
        """Commands that are answered the same for ever, and how they were; empty: names of SKUs in it may change."""
        self.campaigns: list[str] = []
        """Every one that was set."""
        self.recipes: dict[str, dict[str, int]] = {}
        """In force."""
        self.arriving: set[str] = set()
        """SKUs that may not be known yet: nobody has said that they are."""
        self.recipe_desk = trio.Lock()
        """Recipes and merges are one person's business at a time, so that what a bundle is made of is known."""
        self.platter = Platter(self.rng("disk"), self.faults, quick=plan.quick_disk)
        self.markets = {
            account: Market(
                account,
                temper,
                clock=self.clock,
                faults=self.faults,
                story=self.story,
                watcher=self,
                rng=self.rng(account),
                nursery=nursery,
            )
            for account, temper in plan.tempers.items()
        }
        self.platter.written, self.platter.complain = self._written, self.oracle.complain
        still = bool({"standstill", "frozen"} & set(plan.faults))
        self.manners = {
            account.id: Manners(account.id, account.budget, self.oracle.complain, stands_still=still)
            for account in plan.settings.accounts
        }
        self.host = Host(
            plan.seed,
            plan.settings,
            clock=self.clock,
            platter=self.platter,
            faults=self.faults,
            story=self.story,
            counts=self.counts,
            channels=self._open_channels,
        )

    def is_open(self) -> bool:
        """Whether people begin something new."""
        return not self.closing.is_set()

    def rng(self, name: str) -> random.Random:
        """Return chance for one person or thing: what others draw does not change it."""
        return random.Random(f"{self.plan.seed}/{name}")  # noqa: S311  # the seed is all the chance there is

    def till(self, who: str) -> Till:
        """Return somebody's way to the daemon."""
        return Till(who, self.host, self.story, self.counts, self.rng(who))

    def rules_set(self, book: dict[str, Any]) -> None:
        """Note the rules that are in force now."""
        self.book = book
        for rule in (book["default"], *book["accounts"].values(), *book["skus"].values()):
            kinds = [str(rule[term]) if term == "buffer_from" else term for term in rule if term != "severity"]
            self.counts.update(f"rule {kind}" for kind in kinds)

    def goods(self) -> list[str]:
        """Return every SKU with stock that goes on."""
        merges = self.oracle.merges
        return [sku for sku in self.oracle.shelves if not merges.is_leaving(sku)]

    def rules_by_id(self) -> dict[str, Any]:
        """Return the rules in force, each under the id that its SKU has now; its own comes before that of one gone."""
        named: dict[str, Any] = self.book["skus"]
        own = {name: rule for name, rule in named.items() if self.oracle.sku(name) == name}
        inherited: dict[str, Any] = {}
        for name, rule in named.items():
            inherited.setdefault(self.oracle.sku(name), rule)
        return {**self.book, "skus": inherited | own}

    def code_for(self, sku: str, rng: random.Random) -> str:
        """Return one of the codes that lead to a SKU."""
        return rng.choice(self.oracle.codes(sku))

    def _open_channels(self, life: Life) -> dict[AccountId, tuple[str, Channel]]:
        return {
            AccountId(account): (market.temper.name, Outlet(market, life, self.faults, self.manners[account]))
            for account, market in self.markets.items()
        }

    def _written(self, frame: Frame, life: int) -> None:
        """Tell the oracle what only the journal says: units found, when a hold was refused, what is called drift."""
        payload = frame.payload
        if not any(mark in payload for mark in _TOLD):
            return
        now = trio.current_time()
        for event in msgspec.msgpack.decode(payload):
            match event:
                case {"kind": "stock_adjusted", "key": key} if key.startswith("found:"):
                    self.oracle.corrected(now, key, event["sku"], event["location"], event["delta"])
                case {"kind": "hold_refused", "hold_id": hold} if event.get("bundle") is None:
                    decided = seconds_of(event["at"])
                    self.oracle.refusal_decided(hold, event["sku"], event["atp"], decided)
                case {"kind": "drift_found", "account": account}:
                    self.manners[account].drifted(life, event["listing_id"], event["version"])
                case _:
                    pass

    # -- `ops.simulate.market.Watcher`

    def order_changed(self, account: str, order: str, claims: Sequence[Claim], held_until: float | None) -> None:
        """Pass an order's newest state on to the oracle."""
        self.oracle.order_changed(trio.current_time(), account, order, claims, held_until)

    def subject(self, account: str, listing: str) -> str:
        """Return the SKU that a listing sells; empty: none."""
        return self.oracle.listings.get((account, listing), ("", 1))[0]
