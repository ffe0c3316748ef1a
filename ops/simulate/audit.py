"""When all is healed: ask the daemon for everything, and compare with what must be."""

from collections.abc import Mapping
from typing import Any, Final

from ops.simulate.answers import Answer
from ops.simulate.operators import ask_hold, ask_order
from ops.simulate.oracle.figures import final_figures, final_figures_at, misplaced, units_shipped
from ops.simulate.oracle.formula import expected_offer
from ops.simulate.oracle.oracle import Problem
from ops.simulate.oracle.shortages import worst_shortage
from ops.simulate.shoppers import hear_hold
from ops.simulate.till import Till
from ops.simulate.world import World

_STILL: Final = ("dirty", "in_flight", "accepted", "drifted", "locked", "refused")
"""Columns of CHANNEL LIST that are zero when all is calm."""


class Audit:
    """One look at everything. What it finds is a problem only if it stays so: pushes take their time."""

    def __init__(self, world: World, till: Till) -> None:
        """Ask through a till."""
        self._world = world
        self._oracle = world.oracle
        self._till = till
        self.problems: list[Problem] = []

    def _complain(self, text: str, *subjects: str) -> None:
        self.problems.append(Problem(text, subjects))

    async def _ask(self, *words: str) -> Any:  # noqa: ANN401  # whatever the command answers
        answer: Answer = await self._till.ask(words, quiet=True)
        if not answer.good:
            self._complain(f"{' '.join(words)[:100]} is answered {answer}", *words[1:2])
            return None
        return answer.value

    async def is_calm(self) -> bool:
        """Return whether no account has anything to do; cheap, to be asked again and again."""
        answer = await self._till.ask(("CHANNEL", "LIST"), quiet=True)
        if not answer.good:
            return False
        for row in answer.value:
            if row["state"] != "live" or any(row[column] for column in _STILL):
                self._complain(f"account {row['account']} is not calm: {row}", row["account"])
        return not self.problems

    async def run(self) -> list[Problem]:
        """Look at everything and return what is wrong."""
        for hold in self._oracle.holds:
            await ask_hold(self._world, self._till, hold)
        await self._check_orders()
        stock = {sku: await self._ask("STOCK", sku) for sku in self._world.goods()}
        if None not in stock.values():
            for sku, figures in stock.items():
                self._check_stock(sku, figures)
            await self._check_incidents(stock)
            await self._check_offers(stock)
            await self._check_merges(stock)
        await self._check_campaigns()
        await self._check_scan()
        self._check_rest()
        return self.problems

    # -- orders and figures

    async def _check_orders(self) -> None:
        """Check that every order is known in its newest state, and none that never was."""
        for (account, order), case in self._oracle.orders.items():
            wrong = await ask_order(self._world, self._till, account, order)
            if wrong or case.seen != len(case.states) - 1:
                known = wrong or f"known in state {case.seen + 1} of {len(case.states)}"
                self._complain(f"order {order} of {account} is {known}", order)
            for what in misplaced(self._oracle, case, self._world.host.now_seconds):
                self._complain(f"order {order} of {account}: {what}", order)
        for account in (*self._world.markets, "direct"):
            rows = await self._ask("ORDERS", account, "LIMIT", "1000") or ()
            ours = {order for seller, order in self._oracle.orders if seller == account}
            ours |= {case.order for case in self._oracle.holds.values() if account == "direct" and case.order}
            for order in sorted({row["order"] for row in rows} - ours):
                self._complain(f"order {order} of {account} is known and never was", order)

    def _check_stock(self, sku: str, told: Mapping[str, Any]) -> None:
        """Check every figure of one SKU, and each location's as far as it is certain."""
        expected = final_figures(self._oracle, sku, self._world.host.now_seconds)
        for name, figure in expected._asdict().items():
            if told[name] != figure:
                self._complain(f"{sku}: {name} is {told[name]}, must be {figure}", sku)
        members = self._oracle.merges.members(sku)
        incoming = self._oracle.purchases.incoming(members)
        if not incoming.allow(told["incoming"]):
            self._complain(f"{sku}: incoming is {told['incoming']}, must be {incoming}", sku)
        found = 0
        for member in members:
            found += self._oracle.shelves[member].found
            for key in self._oracle.shelves[member].unsettled():
                self._complain(f"{sku}: nobody was told what became of movement {key}", sku, member, key)
        shipped = units_shipped(self._oracle, sku)
        if found > shipped:
            self._complain(f"{sku}: {found} were found, and {shipped} ever left", sku)
        self._check_places(sku, told)

    def _check_places(self, sku: str, told: Mapping[str, Any]) -> None:
        """Check the figures of each location, and what the pools that they make up are short of."""
        free: dict[str, int] = {}
        lacking: dict[str, int] = {}
        for at in told["locations"]:
            place = at["location"]
            expected = final_figures_at(self._oracle, sku, place, self._world.host.now_seconds)
            for name in ("on_hand", "committed", "reserved", "unavailable"):
                bounds = getattr(expected, name)
                if not bounds.allow(at[name]):
                    self._complain(f"{sku}: {name} is {at[name]} at {place}, must be {bounds}", sku)
            free[place] = at["on_hand"] - at["committed"] - at["reserved"] - at["unavailable"]
            lacking[place] = max(0, expected.bound + at["unavailable"] - at["on_hand"])
            if at["atp"] != free[place] - self._oracle.shelves[sku].safety.get(place, 0):
                self._complain(f"{sku}: atp {at['atp']} at {place} does not add up", sku)
        short = sum(
            max(sum(lacking.get(place, 0) for place in pool), -sum(free.get(place, 0) for place in pool))
            for pool in self._oracle.pools
        )
        if told["oversold"] != short:
            self._complain(f"{sku}: oversold is {told['oversold']}, must be {short}", sku)

    async def _check_incidents(self, stock: Mapping[str, Mapping[str, Any]]) -> None:
        """Check that incidents are open where units are short, and that each that ever was had a reason."""
        rows = await self._ask("INCIDENTS", "LIMIT", "1000") or ()
        is_open = {self._oracle.sku(row["sku"]) for row in rows if row["cleared_at"] is None}
        for sku, figures in stock.items():
            if (sku in is_open) != (figures["oversold"] > 0):
                self._complain(f"{sku}: {figures['oversold']} oversold, incident open: {sku in is_open}", sku)
        worst: dict[str, int] = {}
        for row in rows:
            sku = self._oracle.sku(row["sku"])
            if sku not in worst:
                worst[sku] = max(worst_shortage(self._oracle, sku, pool) for pool in range(len(self._oracle.pools)))
            if row["units"] > worst[sku]:
                text = f"incident of {row['units']} {sku} at {row['at']}: never more than {worst[sku]} were short"
                self._complain(text, sku)

    async def _check_merges(self, stock: Mapping[str, Mapping[str, Any]]) -> None:
        """Check that whoever asks for a SKU that has gone is told of its heir."""
        for gone in self._oracle.merges.gone:
            heir, told = self._oracle.sku(gone), await self._ask("STOCK", gone)
            if told is not None and told != stock[heir]:
                self._complain(f"{gone} has gone into {heir}, and is answered {told}", gone, heir)

    # -- listings

    async def _check_offers(self, stock: Mapping[str, Mapping[str, Any]]) -> None:
        """Check that every listing is verified at its offer, and that its channel shows that."""
        atp = {(sku, at["location"]): at["atp"] for sku, told in stock.items() for at in told["locations"]}
        now, book = self._world.clock.true().isoformat(), self._world.rules_by_id()
        offers: dict[tuple[str, str], Mapping[str, Any]] = {}
        for sku in [*self._world.goods(), *self._world.recipes]:
            told = await self._ask("OFFERS", sku)
            offers |= {(each["account"], each["listing"]): each for each in (told or {"offers": ()})["offers"]}
        for (account, listing), (named, pack) in self._oracle.listings.items():
            if account not in self._world.markets:
                continue
            sku = self._oracle.sku(named)
            expected = expected_offer(
                book,
                account,
                sku,
                places=self._oracle.places[account],
                pack_units=pack,
                made_of=self._world.recipes.get(sku, {sku: 1}),
                together=self._oracle.together.get(sku, False),
                atp=lambda leaf, place: atp.get((leaf, place), 0),
                now=now,
            )
            shown = self._world.markets[account].wares[listing].shown
            offer = offers.pop((account, listing), None)
            told = None if offer is None else (offer["offer"], offer["state"])
            verified = told is not None and told == (shown, "verified")
            if not verified or shown is None or not expected.allow(shown):
                text = f"{listing} ({sku}) must be verified at {expected}; the daemon says {told}, it shows {shown}"
                self._complain(text, listing, sku)
        for account, listing in offers:
            self._complain(f"{listing} of {account} sells nothing of ours, and is offered", listing)

    async def _check_campaigns(self) -> None:
        """Check that every campaign is known and over: what was set aside belongs to everybody again."""
        for key in self._world.campaigns:
            told = await self._ask("CAMPAIGN", "GET", key)
            if told is not None and (told["phase"] != "over" or told["remainder"] + told["sold"] < told["quota"]):
                self._complain(f"campaign {key} is to be over: {told}", key)

    # -- the daemon itself

    async def _check_scan(self) -> None:
        report = await self._ask("SCAN", "DEEP")
        for violation in (report or {"violations": ()})["violations"]:
            self._complain(f"the scanner finds {violation}", violation["sku"])

    def _check_rest(self) -> None:
        """Check that nothing waits anywhere."""
        life = self._world.host.life
        if life is None or life.node is None:
            self._complain("there is no daemon")
            return
        for mailbox in life.node.mailboxes():
            if len(mailbox):
                self._complain(f"{len(mailbox)} messages wait in mailbox {mailbox.name}")
        if life.node.journal.waiting_events:
            self._complain(f"{life.node.journal.waiting_events} events wait for the journal")
        for account, market in self._world.markets.items():
            if not market.is_settled:
                self._complain(f"a write is still to land at {account}", account)


async def repeat_all(world: World, till: Till) -> list[Problem]:
    """Say again what was answered for ever: it is answered as it was, and nothing happens."""
    problems: list[Problem] = []
    for words, before in list(world.said.items()):
        answer = await till.ask(words, words[1], quiet=True)
        if words[0] == "HOLD":
            hear_hold(world, words[1], answer)
        elif not answer.good or (before and before != str(answer)):
            text = f"{' '.join(words)} was answered {before or 'well'}, and is answered {answer} now"
            problems.append(Problem(text, words[1:3]))
    return problems or await Audit(world, till).run()
