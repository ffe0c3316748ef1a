"""Keeps what must be true, at least and at most, from what the world did and what the daemon answered.

It is told of every command before it is sent and of every answer, of every state of every order when its channel has
it, and never of anything inside the daemon. Whatever it is not told for certain widens the gap between least and most;
a later answer narrows it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ops.simulate.oracle.holds import HoldCase
from ops.simulate.oracle.orders import Claim, OrderCase, OrderState, Weights
from ops.simulate.oracle.purchases import Purchases
from ops.simulate.oracle.shelves import Shelf, Units

_PROMISED: Final = 0
_THERE: Final = 1
_GIVEN_BACK: Final = 2
"""Steps of a shortage, in the order in which those of one instant are taken."""


class Problem(NamedTuple):
    """Something that must not be."""

    text: str
    subjects: tuple[str, ...]
    """What to look for in the story."""


class Oracle:
    """Least and most of everything."""

    def __init__(
        self, direct: Collection[str], places: Mapping[str, Sequence[str]], pools: Sequence[Collection[str]]
    ) -> None:
        """Start with nothing told.

        Args:
            direct: locations that the storefront sells from.
            places: those of each channel account.
            pools: locations that make good what another one of them is short of; each location in one.
        """
        self.problems: list[Problem] = []
        self.shelves: dict[str, Shelf] = {}
        self.holds: dict[str, HoldCase] = {}
        self.orders: dict[tuple[str, str], OrderCase] = {}
        self.listings: dict[tuple[str, str], tuple[str, int]] = {}
        """Account and listing to SKU and units of it in one."""
        self.recipes: dict[str, list[Mapping[str, int]]] = {}
        """Every recipe that a bundle has, or may have, had; the newest last."""
        self.together: dict[str, bool] = {}
        self.purchases = Purchases()
        self.names: dict[str, str] = {}
        """Codes that lead to a SKU by another name."""
        self.places = {**places, "direct": tuple(direct)}
        self.pools = tuple(map(tuple, pools))
        self._direct = tuple(direct)
        self._direct_accounts = {name for name, sold in places.items() if set(sold) <= set(direct)} | {"direct"}
        self._by_sku: dict[str, dict[str, HoldCase]] = {}
        self._orders_by_sku: dict[str, dict[tuple[str, str], OrderCase]] = {}
        self._daemon_seconds = 0.0

    def complain(self, text: str, *subjects: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(text, subjects))

    def sku(self, code: str) -> str:
        """Return the SKU that a code leads to."""
        return self.names.get(code, code)

    # -- goods

    def added(self, sku: str, safety: Units) -> None:
        """Hear of a SKU with stock."""
        self.shelves.setdefault(sku, Shelf(sku, self._direct, self.pools, safety))
        self._by_sku.setdefault(sku, {})
        self._orders_by_sku.setdefault(sku, {})

    def recipe_sent(self, sku: str, recipe: Mapping[str, int], *, together: bool) -> None:
        """Hear that a bundle is, or is to be, made of these."""
        self.recipes.setdefault(sku, []).append(recipe)
        self.together[sku] = together
        for case in self.orders.values():  # those that the daemon has not heard of take it
            if any(
                self.listings.get((case.account, claim.listing), ("", 1))[0] == sku for claim in case.states[-1].claims
            ):
                for part in recipe:
                    self._orders_by_sku[part][case.account, case.order] = case

    def listed(self, account: str, listing: str, sku: str, pack_units: int) -> None:
        """Hear what a listing sells."""
        self.listings[account, listing] = (sku, pack_units)

    def leaves(self, account: str, listing: str) -> Sequence[Mapping[str, int]]:
        """Return what one unit of a listing may come to in SKUs with stock; empty: nothing of ours."""
        sku, pack = self.listings.get((account, listing), ("", 1))
        if not sku:
            return ()
        return [{leaf: units * pack for leaf, units in made.items()} for made in self.recipes.get(sku, [{sku: 1}])]

    # -- movements

    def move_sent(self, at: float, key: str, sku: str, low: Units, high: Units, aside: Units) -> None:
        """Hear that a movement is asked for (`Shelf.sent`)."""
        self.shelves[self.sku(sku)].sent(at, key, low, high, aside)

    def move_answered(self, at: float, key: str, sku: str, change: Units | None) -> None:
        """Hear that it happened, with what it changed on hand by; None: it never happens."""
        shelf = self.shelves[self.sku(sku)]
        move = shelf.moves[key]
        if change is None:
            if move.state == "done":
                self.complain(f"movement {key} was done and is refused now", sku)
            shelf.refused(at, key)
            return
        for place, units in change.items():
            if not move.low.get(place, 0) <= units <= move.high.get(place, 0):
                self.complain(f"movement {key} changed {place} by {units}: cannot be", sku)
        if move.state == "refused":
            self.complain(f"movement {key} was refused and is done now", sku)
        shelf.done(at, key, change)

    def corrected(self, at: float, key: str, sku: str, place: str, units: int) -> None:
        """Hear that the daemon has found units, because more left than it knew of."""
        self.shelves[self.sku(sku)].corrected(at, key, place, units)

    # -- holds

    def hold_sent(self, at: float, hold: str, wanted: Mapping[str, int]) -> None:
        """Hear that a hold is asked for."""
        self.holds.setdefault(hold, HoldCase(hold, wanted, at))

    def hold_granted(
        self, at: float, hold: str, lines: Mapping[tuple[str, str], int], expires: float | None, daemon_seconds: float
    ) -> None:
        """Hear that it was granted, now or at an earlier asking; check that there was enough."""
        self.tick(daemon_seconds)
        case = self.holds[hold]
        skus = sorted({sku for sku, _ in lines})
        if case.state == "refused":
            self.complain(f"hold {hold} was refused and is granted now", hold, *skus)
        if case.lines and case.lines != lines:
            self.complain(f"hold {hold} was granted as {case.lines} and is now {lines}", hold, *skus)
        self._check_granted(case, lines)
        if case.state != "unknown":
            return
        case.state, case.lines, case.granted_at, case.expires = "granted", lines, at, expires
        for sku in skus:
            self._by_sku[sku][hold] = case
            self._check_room(case, sku, at)

    def _check_granted(self, case: HoldCase, lines: Mapping[tuple[str, str], int]) -> None:
        """Check that what was granted is what was asked for."""
        if any(self.sku(sku) in self.recipes for sku in case.wanted):
            return  # what a bundle comes to, the answer says
        wanted: dict[str, int] = {}
        for code, units in case.wanted.items():
            wanted[self.sku(code)] = wanted.get(self.sku(code), 0) + units
        granted: dict[str, int] = {}
        for (sku, place), units in lines.items():
            granted[sku] = granted.get(sku, 0) + units
            if place not in self._direct:
                self.complain(f"hold {case.hold} was granted at {place}, where the storefront does not sell", sku)
        if granted != wanted:
            self.complain(f"hold {case.hold} asked for {wanted} and was granted {granted}", case.hold, *wanted)

    def _check_room(self, newest: HoldCase, sku: str, at: float) -> None:
        """Check that all that is promised beyond doubt was there when the last of it was promised.

        That was after the last of these holds was asked for, and not after now; each of them was open then.
        """
        certain = [case for case in self._by_sku[sku].values() if case.is_open_for_sure(self._daemon_seconds)]
        if newest not in certain:
            return  # its answer came when it was over
        since = max(case.sent_at for case in certain)
        held = sum(case.skus[sku] for case in certain)
        owed = sum(
            case.least_known(sku, self._weights(case.account), since)
            for case in self._orders_by_sku[sku].values()
            if case.account in self._direct_accounts
        )
        most = self.shelves[sku].most_sellable(since)
        if held + owed > most:
            self.complain(
                f"hold {newest.hold} was granted at t={at:.3f}: then {held} units of {sku} are held and {owed} owed"
                f" beyond doubt, and {most} can have been there",
                sku,
                newest.hold,
            )

    def hold_refused(self, hold: str, code: str) -> None:
        """Hear that it was refused."""
        case = self.holds[hold]
        if case.state not in {"unknown", "refused"}:
            self.complain(f"hold {hold} was granted and is refused now: {code}", hold, *case.skus)
        case.state, case.refusal = "refused", code

    def refusal_decided(self, hold: str, sku: str, atp: int, daemon_seconds: float) -> None:
        """Hear what a hold was refused for, and when by the daemon's clock: there was no more of a SKU than `atp`.

        What others had held until that instant was free at it, whoever had noticed (lessons B10, B11).
        """
        case = self.holds[hold]
        since, sku = case.sent_at, self.sku(sku)
        least = self.shelves[sku].least_sellable(since)
        for other, units in self._holds_of(sku):
            if other is not case and not other.is_over_for_sure(since, daemon_seconds):
                least -= units
        if least <= atp:
            return  # the sums over orders are the dear ones
        least -= sum(
            other.most_known(sku, self._weights(other.account))
            for other in self._orders_by_sku[sku].values()
            if set(self.places[other.account]) & set(self._direct)
        )
        if least > atp:
            text = f"hold {hold} was refused because only {atp} of {sku} were there; there were {least} at least"
            self.complain(text, hold, sku)

    def next_expiry(self, daemon_seconds: float) -> float | None:
        """Return in how many seconds the next hold runs out that was granted; None: none does."""
        known = self.soonest_to_expire(daemon_seconds, within_seconds=1e9)
        return None if known is None else known[1]

    def soonest_to_expire(self, daemon_seconds: float, *, within_seconds: float) -> tuple[HoldCase, float] | None:
        """Return the granted hold that runs out next, if soon, and in how many seconds."""
        left = [
            (case.expires - daemon_seconds, number, case)
            for number, case in enumerate(self.holds.values())
            if case.state == "granted"
            and case.expires is not None
            and 0 < case.expires - daemon_seconds <= within_seconds
        ]
        if not left:
            return None
        seconds, _, case = min(left)
        return case, seconds

    def commit_sent(self, hold: str, order: str) -> None:
        """Hear that a commit is asked for; `order` empty: into none."""
        self.holds[hold].commit_sent = True
        self.holds[hold].order = order

    def release_sent(self, hold: str) -> None:
        """Hear that a release is asked for."""
        self.holds[hold].release_sent = True

    def committed_at(self, hold: str, daemon_seconds: float) -> None:
        """Hear when a hold was committed, by the daemon's clock: it is over the instant that its time is."""
        case = self.holds[hold]
        if case.expires is not None and daemon_seconds >= case.expires:
            late = daemon_seconds - case.expires
            self.complain(f"hold {hold} was committed {late:.3f} s after its time", hold, *case.skus)

    def taken_over(self, order: str) -> None:
        """Hear that a snapshot of an order of ours is told: holds committed into it count no more."""
        for case in self.holds.values():
            if case.order == order:
                case.taken_over = True

    def hold_ended(self, at: float, hold: str, state: str, daemon_seconds: float) -> None:
        """Hear that a hold is `committed`, `released` or `expired`."""
        self.tick(daemon_seconds)
        case = self.holds[hold]
        asked = {"committed": case.commit_sent, "released": case.release_sent, "expired": case.expires is not None}
        if not asked[state]:
            self.complain(f"hold {hold} is {state}, which nobody asked for", hold, *case.skus)
        run_out = {"released", "expired"} >= {case.state, state} and case.expires is not None
        if case.state not in {"granted", state} and not run_out:
            self.complain(f"hold {hold} was {case.state} and is {state} now", hold, *case.skus)
        early = state == "expired" and case.expires is not None and case.expires > self._daemon_seconds
        if early:
            self.complain(f"hold {hold} expired before its time", hold, *case.skus)
        case.state = state
        if state != "committed" and case.ended_at is None:
            case.ended_at = at

    def tick(self, daemon_seconds: float) -> None:
        """Note the daemon's time."""
        self._daemon_seconds = max(self._daemon_seconds, daemon_seconds)

    # -- orders

    def order_changed(self, at: float, account: str, order: str, claims: Sequence[Claim], held: float | None) -> None:
        """Hear of an order's newest state, as its channel has it."""
        case = self.orders.setdefault((account, order), OrderCase(account, order))
        case.states.append(OrderState(at, tuple(claims), held))
        for claim in claims:
            for leaves in self.leaves(account, claim.listing):
                for sku in leaves:
                    self._orders_by_sku[sku][account, order] = case

    def order_seen(self, at: float, account: str, order: str, number: int, answer: Mapping[str, Any]) -> None:
        """Hear what the daemon says of an order: its state `number` (from 1), with these counts."""
        case = self.orders.get((account, order))
        if case is None or number > len(case.states):
            self.complain(f"order {order} of {account}: the daemon knows state {number}, which never was", order)
            return
        if number - 1 < case.seen:
            self.complain(f"order {order}: the daemon knew state {case.seen + 1} and knows {number} now", order)
        state = case.states[number - 1]
        told = {line["line"]: line for line in answer["lines"] if not line["line"].startswith("hold:")}
        for claim in state.claims:
            line = told.pop(claim.line, None)
            counts = (claim.ordered, claim.cancelled, claim.shipped, claim.returned)
            if line is None or (line["ordered"], line["cancelled"], line["shipped"], line["returned"]) != counts:
                self.complain(f"order {order} line {claim.line}: state {number} is {counts}, told {line}", order)
            elif line["components"]:
                self._pin(case, claim, {self.sku(part["sku"]): part["quantity"] for part in line["components"]})
        if told:
            self.complain(f"order {order}: lines {sorted(told)} are none of it", order)
        if number - 1 > case.seen:
            case.seen, case.seen_at = number - 1, at

    def _pin(self, case: OrderCase, claim: Claim, made_of: Mapping[str, int]) -> None:
        known = case.made_of.get(claim.line)
        if known is not None and known != made_of:
            self.complain(f"order {case.order} line {claim.line} was made of {known}, is now {made_of}", case.order)
        if made_of not in self.leaves(case.account, claim.listing):
            self.complain(f"order {case.order} line {claim.line}: {made_of} was never its recipe", case.order)
        case.made_of[claim.line] = made_of
        for sku in made_of:
            self._orders_by_sku[sku][case.account, case.order] = case

    def _weights(self, account: str) -> Weights:
        return lambda listing: self.leaves(account, listing)

    # -- looking back

    def worst_shortage(self, sku: str, pool: int) -> int:
        """Return the most units that can ever have been promised in a pool beyond what there was."""
        promised = least = worst = 0
        for _, step, units in sorted(self._steps(sku, pool)):
            if step == _THERE:
                least = units
            else:
                promised += units if step == _PROMISED else -units
            worst = max(worst, promised - least)
        return worst

    def _steps(self, sku: str, pool: int) -> Iterator[tuple[float, int, int]]:
        """Yield what may have changed a pool's shortage: when, how, units. Of one instant, the worst comes first."""
        if set(self.pools[pool]) & set(self._direct):
            for case, units in self._holds_of(sku):
                yield case.sent_at, _PROMISED, units
                if case.ended_at is not None:
                    yield case.ended_at, _GIVEN_BACK, units
        for order in self.orders.values():
            if set(self.places[order.account]) & set(self.pools[pool]):
                for at, units in order.rises(sku, self._weights(order.account)):
                    yield at, _PROMISED, units
        for at, _, there in self.shelves[sku].past:
            yield at, _THERE, there[pool]

    def _holds_of(self, sku: str) -> list[tuple[HoldCase, int]]:
        """Return holds that may have had units of a SKU, with the most they may have had."""
        found: list[tuple[HoldCase, int]] = []
        for case in self.holds.values():
            if case.state == "refused":
                continue
            units = case.skus.get(sku, 0)
            if not case.lines:
                for code, wanted in case.wanted.items():
                    made = self.recipes.get(self.sku(code), [{self.sku(code): 1}])
                    units += wanted * max(each.get(sku, 0) for each in made)
            if units:
                found.append((case, units))
        return found
