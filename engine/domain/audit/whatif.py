"""Two sets of rules over the same past, added up: what each would have shown, sent and let be sold.

Plain sums; whoever replays the journal says what both sets come to and when (`ops.replay.whatif`). A number is counted
as shown from the moment it is right, not from when a channel had it; but what buyers could buy is what had been sent
and accepted by the time of their order, less what the account has sold since.
"""

from collections import Counter, deque
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from engine.domain.events import OrderRecorded, OversellRecorded, PushPlanned
from engine.domain.units import AccountId, LineId, ListingId, OrderId, Sku

SETTLED: Final = timedelta(seconds=2)
"""A number that has stood so long would have been sent: the staleness that pushers keep to unless told otherwise."""
_SENT_KEPT: Final = 16
"""Numbers of a listing that an order may be compared with: it may be read minutes after it was placed."""
_SALES_KEPT: Final = 256
_HOUR: Final = 3600.0


class AccountSums(msgspec.Struct, kw_only=True):
    """What would have been otherwise at one account."""

    pushes: int = 0
    """That were planned."""
    different: int = 0
    """Of those, with another number."""
    not_sent: int = 0
    """Of those, sent because the number had changed, which the other one would not have."""
    added: int = 0
    """Numbers that would have changed, and been sent, where none was."""
    untold: int = 0
    """Of the pushes, those of which nobody can tell what they were computed from."""
    less_unit_hours: float = 0.0
    """Units that would not have been shown, times hours."""
    more_unit_hours: float = 0.0
    order_lines: int = 0
    """Of orders that were placed within the time."""
    lines_at_risk: int = 0
    """Of those, lines that could not have been bought, or not whole; prevented oversells are among them."""
    units_at_risk: int = 0
    oversells: int = 0
    prevented: int = 0
    smaller: int = 0
    same: int = 0
    oversold_units: int = 0
    prevented_units: int = 0


class Pair(NamedTuple):
    """A number by the rules that were in force, and by the others."""

    base: int
    tried: int


class _Sent(NamedTuple):
    at: datetime
    pair: Pair


class _Listing:
    """One listing: both numbers as they are, and as they were sent."""

    __slots__ = ("at", "now", "pack_units", "pending_at", "planned", "sent", "shown")

    def __init__(self, at: datetime, now: Pair, pack_units: int, sent: Pair | None) -> None:
        self.at = at
        self.now = now
        self.pack_units = pack_units
        self.sent = sent
        """None: it was never pushed."""
        self.pending_at: datetime | None = None
        """When the other number came to differ from the one that would have been sent, without the first one."""
        self.planned: dict[int, Pair] = {}
        self.shown: deque[_Sent] = deque(maxlen=_SENT_KEPT)


class WhatIf:
    """Takes in what both sets of rules come to, in the order of the journal. O(1) per number."""

    def __init__(self, since: datetime) -> None:
        """Begin at an instant with no listing."""
        self.since = since
        self.accounts: dict[AccountId, AccountSums] = {}
        self._listings: dict[tuple[AccountId, ListingId], _Listing] = {}
        self._sales: dict[tuple[AccountId, Sku], deque[tuple[datetime, int]]] = {}
        self._ordered: dict[tuple[AccountId, OrderId, LineId], int] = {}
        self._risks: Counter[tuple[AccountId, OrderId, Sku]] = Counter()
        """Of the frame under way: units that an order could not have bought."""

    def sums(self, account: AccountId) -> AccountSums:
        """Return those of an account."""
        return self.accounts.setdefault(account, AccountSums())

    def shows(
        self, account: AccountId, listing: ListingId, at: datetime, now: Pair, *, pack_units: int, sent: int | None
    ) -> None:
        """Take in what both would show from now on.

        Args:
            account: whose listing it is.
            listing: known or not.
            at: not before the last one.
            now: both numbers, in units of the listing.
            pack_units: base units in one.
            sent: of a listing that is not known yet: the number that the channel was told last; None: none ever.
        """
        known = self._listings.get((account, listing))
        if known is None:
            # where both come to the same, so did what was sent before it: it may be on its way just now
            first = None if sent is None else Pair(sent, sent if now.tried == now.base else now.tried)
            known = self._listings[account, listing] = _Listing(at, now, pack_units, first)
            if first is not None:
                known.shown.append(_Sent(at, first))
            return
        self._settle(account, known, at)
        known.now, known.pack_units = now, pack_units
        if known.sent is not None and now.tried != known.sent.tried and now.base == known.sent.base:
            known.pending_at = known.pending_at or at
        else:
            known.pending_at = None

    def planned(self, event: PushPlanned, tried: int | None) -> None:
        """Take in a push, and what the other rules would have sent; None: nobody can tell."""
        sums = self.sums(event.account)
        sums.pushes += 1
        known = self._listings.get((event.account, event.listing_id))
        if tried is None or known is None:
            sums.untold += 1
            return
        before, pair = known.sent, Pair(event.quantity, tried)
        sums.different += pair.tried != pair.base
        sums.not_sent += before is not None and before.base != pair.base and before.tried == pair.tried
        self._settle(event.account, known, event.at)
        known.sent, known.pending_at = pair, None
        known.planned[event.version] = pair

    def accepted(self, account: AccountId, listing: ListingId, version: int, at: datetime) -> None:
        """Let buyers see the number of a push."""
        known = self._listings.get((account, listing))
        if known is not None and version in known.planned:
            known.shown.append(_Sent(at, known.planned[version]))
            known.planned = {number: pair for number, pair in known.planned.items() if number > version}

    def ordered(self, event: OrderRecorded) -> None:
        """Take in an order: what of it could not have been bought. Its oversells follow, then `frame_ended`."""
        order = event.snapshot
        if order.placed_at < self.since:
            return
        for index, (line, sku) in enumerate(zip(order.lines, event.skus, strict=False)):
            pack = event.packs[index] if event.packs else 1
            key = (order.account, order.order_id, line.line_id)
            units = (line.ordered - line.cancelled) * pack
            more = units - self._ordered.get(key, 0)
            if sku is None or more <= 0:
                continue
            first = key not in self._ordered
            self._ordered[key] = units
            sums = self.sums(order.account)
            sums.order_lines += first
            missing = 0
            if line.listing_id is not None:
                missing = self._missing((order.account, line.listing_id), sku, order.placed_at, more)
            self._sales.setdefault((order.account, sku), deque(maxlen=_SALES_KEPT)).append((order.placed_at, more))
            if missing:
                made_of = event.components[index] if event.components else ()
                for part, in_one in made_of or ((sku, 1),):
                    self._risks[order.account, order.order_id, part] += missing * in_one
                sums.lines_at_risk += 1
                sums.units_at_risk += missing

    def oversold(self, event: OversellRecorded) -> None:
        """Take in an oversell of the order before it, or of nobody's."""
        if not event.units or event.account is None:
            return
        sums = self.sums(event.account)
        risk = 0 if event.order_id is None else self._risks[event.account, event.order_id, event.sku]
        spared = min(event.units, risk)
        sums.oversells += 1
        sums.oversold_units += event.units
        sums.prevented_units += spared
        if spared == event.units:
            sums.prevented += 1
        elif spared:
            sums.smaller += 1
        else:
            sums.same += 1

    def frame_ended(self) -> None:
        """Forget the orders of the frame: their oversells stand in the same one."""
        self._risks.clear()

    def end(self, at: datetime) -> None:
        """Add up to an instant."""
        for (account, _), known in self._listings.items():
            self._settle(account, known, at)

    def _settle(self, account: AccountId, known: _Listing, at: datetime) -> None:
        """Add up what both showed since the last look; send what would have been sent meanwhile."""
        sums = self.sums(account)
        hours = max(0.0, (at - known.at).total_seconds()) / _HOUR * known.pack_units
        more = known.now.tried - known.now.base
        sums.less_unit_hours += max(0, -more) * hours
        sums.more_unit_hours += max(0, more) * hours
        known.at = max(at, known.at)
        if known.pending_at is not None and at - known.pending_at >= SETTLED:
            assert known.sent is not None, "what was never pushed is not pending"
            sums.added += 1
            known.sent = Pair(known.sent.base, known.now.tried)
            known.shown.append(_Sent(known.pending_at + SETTLED, known.sent))
            known.pending_at = None

    def _missing(self, key: tuple[AccountId, ListingId], sku: Sku, placed_at: datetime, units: int) -> int:
        """Return how many of some units could be bought as it was, and could not have been by the other rules."""
        account, known = key[0], self._listings.get(key)
        if known is None:
            return 0
        self._settle(account, known, max(placed_at, known.at))
        seen = next((each for each in reversed(known.shown) if each.at <= placed_at), None)
        if seen is None:
            return 0
        sales = self._sales.get((account, sku), ())
        sold = sum(count for at, count in sales if seen.at < at <= placed_at)
        base, tried = (max(0, number * known.pack_units - sold) for number in seen.pair)
        return max(0, min(units, base) - min(units, tried))
