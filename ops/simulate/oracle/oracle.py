"""Keeps what must be true, at least and at most, from what the world did and what the daemon answered.

It is told of every command before it is sent and of every answer, of every state of every order when its channel has
it, and never of anything inside the daemon. Whatever it is not told for certain widens the gap between least and most;
a later answer narrows it.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ops.simulate.oracle.facts import Facts
from ops.simulate.oracle.holds import HoldCase
from ops.simulate.oracle.orders import Claim, OrderCase, OrderState
from ops.simulate.oracle.room import least_there, most_promised
from ops.simulate.oracle.shelves import Shelf, Units


class Problem(NamedTuple):
    """Something that must not be."""

    text: str
    subjects: tuple[str, ...]
    """What to look for in the story."""


class Oracle(Facts):
    """Least and most of everything."""

    def __init__(
        self, direct: Collection[str], places: Mapping[str, Sequence[str]], pools: Sequence[Collection[str]]
    ) -> None:
        """Start with nothing told (`Facts`)."""
        super().__init__(direct, places, pools)
        self.problems: list[Problem] = []

    def complain(self, text: str, *subjects: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(text, subjects))

    # -- goods

    def added(self, sku: str, safety: Units) -> None:
        """Hear of a SKU with stock."""
        self.shelves.setdefault(sku, Shelf(sku, self.direct, (*self.pools, *((spot,) for spot in self.spots)), safety))
        self.holds_by_sku.setdefault(sku, {})
        self.orders_by_sku.setdefault(sku, {})

    def recipe_sent(self, sku: str, recipe: Mapping[str, int], *, together: bool) -> None:
        """Hear that a bundle is, or is to be, made of these."""
        self.recipes.setdefault(sku, []).append(recipe)
        self.together[sku] = together
        for case in self.orders.values():  # those that the daemon has not heard of take it
            if any(
                self.listings.get((case.account, claim.listing), ("", 1))[0] == sku for claim in case.states[-1].claims
            ):
                for part in recipe:
                    self.orders_by_sku[part][case.account, case.order] = case

    def listed(self, account: str, listing: str, sku: str, pack_units: int) -> None:
        """Hear what a listing sells."""
        self.listings[account, listing] = (sku, pack_units)

    # -- SKUs that become one

    def merge_sent(self, at: float, gone: str, into: str) -> None:
        """Hear that a SKU is to go into another one; what is said of either from now on may be of both."""
        self.merges.sent(at, gone, into)

    def merge_refused(self, gone: str) -> None:
        """Hear that it has not happened."""
        self.merges.refused(gone)

    def merge_done(self, at: float, gone: str, daemon_seconds: float) -> None:
        """Hear that it has happened; check that nothing was open of the SKU, beyond doubt, from before to now."""
        self.tick(daemon_seconds)
        merge = self.merges.done(at, gone)
        self.shelves[gone].merged(at)
        for hold in self.holds_by_sku[gone].values():
            if hold.granted_at <= merge.sent_at and hold.is_open_for_sure(self.daemon_seconds):
                self.complain(f"{gone} was merged into {merge.into} while hold {hold.hold} had units of it", gone)
        for case in self.orders_by_sku[gone].values():
            owed = case.least_known(
                gone, self.weights(case.account), merge.sent_at, lambda claim, is_owed: claim.open if is_owed else 0
            )
            if owed:
                self.complain(f"{gone} was merged into {merge.into} while {owed} were owed to {case.order}", gone)

    # -- movements

    def move_sent(self, at: float, key: str, sku: str, low: Units, high: Units, aside: Units) -> None:
        """Hear that a movement is asked for (`Shelf.sent`), by the id of a SKU."""
        self.shelves[sku].sent(at, key, low, high, aside)

    def move_answered(self, at: float, key: str, sku: str, change: Units | None) -> None:
        """Hear that it happened, with what it changed on hand by; None: it never happens."""
        shelf = self.shelves[sku]
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
        self.shelves[sku].corrected(at, key, place, units)

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
        if case.lines and self.alike(case.lines) != self.alike(lines):
            self.complain(f"hold {hold} was granted as {case.lines} and is now {lines}", hold, *skus)
        self._check_granted(case, lines)
        if case.state != "unknown":
            return
        case.state, case.lines, case.granted_at, case.expires = "granted", lines, at, expires
        for sku in skus:
            self.holds_by_sku[sku][hold] = case
            self._check_room(case, sku, at)

    def _check_granted(self, case: HoldCase, lines: Mapping[tuple[str, str], int]) -> None:
        """Check that what was granted is what was asked for."""
        if any(self.names.get(code, code) in self.recipes for code in case.wanted):
            return  # what a bundle comes to, the answer says
        granted: dict[str, int] = {}
        for (sku, place), units in lines.items():
            granted[sku] = granted.get(sku, 0) + units
            if place not in self.direct:
                self.complain(f"hold {case.hold} was granted at {place}, where the storefront does not sell", sku)
        if self.alike(granted) != self.alike(case.wanted):
            text = f"hold {case.hold} asked for {dict(case.wanted)} and was granted {granted}"
            self.complain(text, case.hold, *case.wanted)

    def _check_room(self, newest: HoldCase, sku: str, at: float) -> None:
        """Check that all that is promised beyond doubt was there when the last of it was promised."""
        promised = most_promised(self, newest, sku)
        if promised is not None and promised.held + promised.owed > promised.most:
            self.complain(
                f"hold {newest.hold} was granted at t={at:.3f}: then {promised.held} units of {sku} are held and"
                f" {promised.owed} owed beyond doubt, and {promised.most} can have been there",
                sku,
                newest.hold,
            )

    def hold_refused(self, hold: str, code: str) -> None:
        """Hear that it was refused."""
        case = self.holds[hold]
        if code == "CONFLICT" and self.merges.any_leaving(self._skus_named(case)):
            return  # asked again under the name of an heir: that says nothing of what became of it (decision 0029)
        if case.state not in {"unknown", "refused"}:
            self.complain(f"hold {hold} was granted and is refused now: {code}", hold, *case.skus)
        case.state, case.refusal = "refused", code

    def _skus_named(self, case: HoldCase) -> Iterator[str]:
        """Yield every SKU that a hold may have units of, by the ids of the time when it was asked for."""
        for code in case.wanted:
            named = self.names.get(code, code)
            for made in self.recipes.get(named, [{named: 1}]):
                yield from made

    def refusal_decided(self, hold: str, sku: str, atp: int, daemon_seconds: float) -> None:
        """Hear what a hold was refused for, and when by the daemon's clock: there was no more of a SKU than `atp`."""
        least = least_there(self, self.holds[hold], sku, daemon_seconds, enough=atp)
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
        early = state == "expired" and case.expires is not None and case.expires > self.daemon_seconds
        if early:
            self.complain(f"hold {hold} expired before its time", hold, *case.skus)
        case.state = state
        if state != "committed" and case.ended_at is None:
            case.ended_at = at

    def tick(self, daemon_seconds: float) -> None:
        """Note the daemon's time."""
        self.daemon_seconds = max(self.daemon_seconds, daemon_seconds)

    # -- orders

    def order_changed(self, at: float, account: str, order: str, claims: Sequence[Claim], held: float | None) -> None:
        """Hear of an order's newest state, as its channel has it."""
        case = self.orders.setdefault((account, order), OrderCase(account, order))
        case.states.append(OrderState(at, tuple(claims), held))
        for claim in claims:
            for leaves in self.leaves(account, claim.listing):
                for sku in leaves:
                    self.orders_by_sku[sku][account, order] = case

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
                continue
            if line["components"]:
                self._pin(case, claim, {self.sku(part["sku"]): part["quantity"] for part in line["components"]})
            self._check_sku(case, claim, line)
            self._check_place(case, claim, line)
        if told:
            self.complain(f"order {order}: lines {sorted(told)} are none of it", order)
        if number - 1 > case.seen:
            case.seen, case.seen_at = number - 1, at

    def _pin(self, case: OrderCase, claim: Claim, made_of: Mapping[str, int]) -> None:
        known = case.made_of.get(claim.line)
        if known is not None and self.alike(known) != self.alike(made_of):
            self.complain(f"order {case.order} line {claim.line} was made of {known}, is now {made_of}", case.order)
        if self.alike(made_of) not in map(self.alike, self.leaves(case.account, claim.listing)):
            self.complain(f"order {case.order} line {claim.line}: {made_of} was never its recipe", case.order)
        case.made_of[claim.line] = made_of
        for sku in made_of:
            self.orders_by_sku[sku][case.account, case.order] = case

    def _check_sku(self, case: OrderCase, claim: Claim, line: Mapping[str, Any]) -> None:
        """Check that a line that has units of ours has them of what its listing sells, whatever that is merged into."""
        sku, _ = self.listings.get((case.account, claim.listing), ("", 1))
        if line["matched"] and self.alike({line["sku"]: 1}) != self.alike({sku: 1}):
            text = f"order {case.order} line {claim.line}: {claim.listing} sells {self.sku(sku)}, told {line['sku']}"
            self.complain(text, case.order, sku)

    def _check_place(self, case: OrderCase, claim: Claim, line: Mapping[str, Any]) -> None:
        """Check that what a buyer comes for is owed where that one comes, and nowhere else."""
        if (line["pickup"] or "") != claim.pickup:
            text = f"is picked up at {line['pickup']}, must be {claim.pickup or 'sent'}"
            self.complain(f"order {case.order} line {claim.line} {text}", case.order)
        if not claim.pickup:
            return
        owed = case.owed_at[claim.line] = dict[tuple[str, str], int]()
        for part in line["components"] or [line]:
            for at in part["allocation"]:
                owed[self.sku(part["sku"]), at["location"]] = at["quantity"]
                if at["location"] != claim.pickup:
                    text = f"is picked up at {claim.pickup}, and {at['quantity']} are owed from {at['location']}"
                    self.complain(f"order {case.order} line {claim.line} {text}", case.order, part["sku"])
