"""What an edit of the rules would do before it is done: every listing computed under both, changing nothing."""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from engine.actors.pusher import Pusher
from engine.actors.slices import BRISK, in_slices
from engine.domain.availability import Availability
from engine.domain.offers.fences import Fences
from engine.domain.offers.offers import Fence, Offer, Offering
from engine.domain.offers.rulebooks import quotas_since
from engine.domain.offers.rules import RuleBook, RulesVersion
from engine.domain.units import AccountId, Instant, ListingId, Sku
from engine.machines.listing import Listing
from ops.offers import OfferDesk

ZERO_PART_MAX: Final = 0.1
"""More of what is on sale falling to zero than a tenth looks like a mistake (lesson E12)."""
RISE_PART_MAX: Final = 0.5
"""More listings rising than half of all looks like a buffer that somebody forgot."""
NOTES_MAX: Final = 100
DERIVED: Final = frozenset({"atp", "shared", "packs", "offer"})
"""Terms that follow from others: never what a rule changed."""


class ChangedOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One listing that would be told another number."""

    account: AccountId
    listing: ListingId
    sku: Sku
    before: int
    after: int
    because: str
    """The term that differs: its value and rule before and after."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """All that an edit would do, as of one moment."""

    version: int
    """In force now: what the edit was compared with."""
    listings: int
    """Looked at: every listing whose stock is known."""
    changed: int
    raised: int
    lowered: int
    to_zero: int
    """Of the lowered, those that would be on sale no more."""
    from_zero: int
    accounts: dict[AccountId, int]
    """Changed listings by account."""
    warnings: tuple[str, ...]
    """What looks like a mistake."""
    notes: tuple[str, ...]
    """Rules for SKUs that do not exist, and those that are not used; at most a hundred."""
    rows: tuple[ChangedOffer, ...]
    """Those that change most, falls to zero first; as many as were asked for."""


class _Sums:
    """What is counted on the way, and the rows worth showing."""

    def __init__(self, limit: int) -> None:
        self.listings = self.on_sale = 0
        self.counts: Counter[str] = Counter()
        self.accounts: Counter[AccountId] = Counter()
        self._limit = limit
        self._worst: list[tuple[bool, int, int, Listing, AccountId, int, int]] = []

    def note(self, account: AccountId, listing: Listing, before: int, after: int) -> None:
        self.listings += 1
        self.on_sale += before > 0
        if before == after:
            return
        self.counts["raised" if after > before else "lowered"] += 1
        if not after:
            self.counts["to_zero"] += 1
        if not before:
            self.counts["from_zero"] += 1
        self.accounts[account] += 1
        # the running number keeps equal rows in order and the heap away from comparing listings
        row = (not after, abs(after - before), -self.listings, listing, account, before, after)
        if len(self._worst) < self._limit:
            heapq.heappush(self._worst, row)
        else:
            heapq.heappushpop(self._worst, row)

    def rows(self) -> Iterable[tuple[AccountId, Listing, int, int]]:
        for _, _, _, listing, account, before, after in sorted(self._worst, reverse=True):
            yield account, listing, before, after


class _Compare(NamedTuple):
    """Computes listings of one account under both rules."""

    pusher: Pusher
    current: Offering
    tried: Offering
    sums: _Sums
    at: Instant

    def look(self, listings: Sequence[Listing]) -> None:
        """Count some listings."""
        for listing in listings:
            level = self.pusher.level(listing.sku)
            if level is not None:
                before = self.current.quantity(level, listing.pack_units, self.at)
                after = self.tried.quantity(level, listing.pack_units, self.at)
                self.sums.note(self.pusher.account, listing, before, after)


async def preview(desk: OfferDesk, book: RuleBook, at: Instant, *, limit: int) -> Preview:
    """Compute every listing's offer under the rules in force and under `book`, in slices that let holds go first.

    Stock moves on meanwhile; each listing's two numbers are of the same instant's stock. Last units are taken as they
    stand: which account is still open follows from what is verified, after the edit.

    Args:
        desk: whose listings, stock and demand are looked at; nothing of it is changed.
        book: checked before.
        at: windows are those of this instant.
        limit: rows to return, at most.
    """
    now = desk.versions.now
    tried = _offerings_under(desk, as_next(now, book))
    sums = _Sums(limit)
    for account, pusher in desk.pushers().items():
        compare = _Compare(pusher, desk.offerings[account].under(now), tried[account], sums, at)
        await in_slices(pusher.listings(), compare.look, BRISK)
    rows = tuple(
        _row(account, listing, offers, before, after)
        for account, listing, before, after in sums.rows()
        if (offers := _explain(desk, tried, account, listing, at)) is not None
    )
    return Preview(
        version=now.version,
        listings=sums.listings,
        changed=sum(sums.accounts.values()),
        raised=sums.counts["raised"],
        lowered=sums.counts["lowered"],
        to_zero=sums.counts["to_zero"],
        from_zero=sums.counts["from_zero"],
        accounts=dict(sums.accounts),
        warnings=tuple(_warn(sums)),
        notes=tuple(islice(desk.notes(book), NOTES_MAX)),
        rows=rows,
    )


def as_next(now: RulesVersion, book: RuleBook) -> RulesVersion:
    """Return the version that the book would be."""
    version = now.version + 1
    return msgspec.structs.replace(now, version=version, book=book, quotas_since=quotas_since(now, book, version))


def _offerings_under(desk: OfferDesk, rules: RulesVersion) -> dict[AccountId, Offering]:
    tried: dict[AccountId, Offering] = {}

    def fences_of(sku: Sku, account: AccountId, level: Availability, at: datetime) -> Sequence[Fence]:
        return fences.of(sku, account, level, at)

    facts = msgspec.structs.replace(desk.facts, fences=fences_of)
    tried.update((account, offering.under(rules, facts)) for account, offering in desk.offerings.items())
    fences = Fences(tried, desk.sales, rules, desk.campaigns, desk.bundles)
    return tried


def _explain(
    desk: OfferDesk, tried: dict[AccountId, Offering], account: AccountId, listing: Listing, at: Instant
) -> tuple[Offer, Offer] | None:
    level = desk.pushers()[account].level(listing.sku)
    if level is None:
        return None
    return (
        desk.offerings[account].explain(level, listing.pack_units, at),
        tried[account].explain(level, listing.pack_units, at),
    )


def _row(account: AccountId, listing: Listing, offers: tuple[Offer, Offer], before: int, after: int) -> ChangedOffer:
    return ChangedOffer(
        account=account,
        listing=listing.listing_id,
        sku=listing.sku,
        before=before,
        after=after,
        because=_because(*offers),
    )


def _because(before: Offer, after: Offer) -> str:
    """Name the first term whose value differs."""
    was = {term: (value, rule) for term, value, rule in before.terms}
    now = {term: (value, rule) for term, value, rule in after.terms}
    for term in dict.fromkeys((*was, *now)):
        old, new = was.get(term), now.get(term)
        if term not in DERIVED and (old or ("",))[0] != (new or ("",))[0]:
            return f"{term}: {_say(old)} -> {_say(new)}"
    return "stock moved meanwhile"


def _say(value: tuple[str, str] | None) -> str:
    return "none" if value is None else f"{value[0]} ({value[1]})"


def _warn(sums: _Sums) -> Iterable[str]:
    zero, raised = sums.counts["to_zero"], sums.counts["raised"]
    if zero > ZERO_PART_MAX * sums.on_sale:
        yield f"{zero} of {sums.on_sale} listings on sale would fall to zero"
    if raised > RISE_PART_MAX * sums.listings:
        yield f"{raised} of {sums.listings} listings would rise"
