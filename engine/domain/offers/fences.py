"""Units of a SKU that only one account may show: quotas of the rules, and stock set aside for a campaign.

Asked for in one place, so that no pusher needs to know of another: each account's offer takes off what is fenced for
the others. Claims are met in order, campaigns before quotas and accounts as they are configured, as far as there is
stock: two claims on too few units must not hide them from everybody. What an account has sold of its claim is fenced
no more; its stock has gone down by as much, so the others see no change.

Holds and orders of the direct account are not offers: they go by ATP alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from engine.domain.availability import Availability
from engine.domain.offers.offers import Fence, Offering
from engine.domain.offers.rules import RulesVersion
from engine.domain.units import AccountId, LocationId, Sku


class Claim(NamedTuple):
    """What an account still has to sell of a quota or a campaign."""

    account: AccountId
    unsold: int
    rule: str


class Claims(Protocol):
    """Claims that come before those of the rules."""

    def claims(self, sku: Sku, at: datetime) -> Sequence[Claim]:
        """Return those on a SKU at an instant, in the order in which they are met."""
        ...

    def __bool__(self) -> bool:
        """Whether there is any claim at all."""
        ...


class QuotaSales:
    """How much of its quota each account has sold. A projection of the journal, fed by `Demand`."""

    def __init__(self, rule_of: Callable[[Sku, AccountId], tuple[int, int]]) -> None:
        """Start with nothing sold; `rule_of` gives quota and the version since which it counts."""
        self._rule_of = rule_of
        self._sold: dict[tuple[Sku, AccountId], tuple[int, int]] = {}
        """Version and units; what was sold under an older quota is no entry any more once something is sold again."""

    def sold(self, sku: Sku, account: AccountId, units: int) -> None:
        """Count a change of what an account sold; a cancellation gives back to the quota what it took."""
        quota, since = self._rule_of(sku, account)
        if quota:
            known = self._sold.get((sku, account))
            self._sold[sku, account] = (since, units + (known[1] if known is not None and known[0] == since else 0))

    def of(self, sku: Sku, account: AccountId, since: int) -> int:
        """Return units sold of the quota that counts since a version."""
        known = self._sold.get((sku, account))
        return max(0, known[1]) if known is not None and known[0] == since else 0


class Fences:
    """Splits what there is of a SKU between those who have a claim on it and the others."""

    def __init__(
        self,
        offerings: Mapping[AccountId, Offering],
        sales: QuotaSales,
        rules: RulesVersion,
        campaigns: Claims | None = None,
    ) -> None:
        """Fence by the quotas of `rules` for the accounts of `offerings`, in their order."""
        self._offerings = offerings
        self._sales = sales
        self._campaigns = campaigns
        self._shares = {
            (one, other): bool(set(offering.locations) & set(offerings[other].locations))
            for one, offering in offerings.items()
            for other in offerings
        }
        self.use(rules)

    def use(self, rules: RulesVersion) -> None:
        """Let the quotas of these rules hold; the offerings use them, too."""
        named = {account for _, _, terms in rules.book.layers() for account in terms.quotas or ()}
        self._claimants = [account for account in self._offerings if account in named]

    def of(self, sku: Sku, account: AccountId, level: Availability, at: datetime) -> Sequence[Fence]:
        """Return what is fenced for accounts other than this one and could be sold by it: O(accounts with a claim)."""
        if not self._claimants and not self._campaigns:
            return ()
        found: list[Fence] = []
        met: list[Fence] = []
        atp = dict(level.atp)
        for claim in self._claims(sku, at):
            units = min(claim.unsold, self._left(claim.account, atp, met))
            if units <= 0:
                continue
            fence = Fence(claim.account, units, claim.rule)
            met.append(fence)
            if claim.account != account and self._shares[account, claim.account]:
                found.append(fence)
        return found

    def _claims(self, sku: Sku, at: datetime) -> Iterable[Claim]:
        if self._campaigns:
            yield from self._campaigns.claims(sku, at)
        for account in self._claimants:
            rule = self._offerings[account].rule(sku)
            if rule.quota.value:
                sold = self._sales.of(sku, account, rule.quota_since)
                reason = f"quota {rule.quota.value}, {sold} sold; {rule.quota.rule}"
                yield Claim(account, rule.quota.value - sold, reason)

    def _left(self, account: AccountId, atp: Mapping[LocationId, int], met: Sequence[Fence]) -> int:
        """Return what a claim can be met from: the account's own locations, less what earlier claims took there.

        Nor may it take what an earlier claim is met from: where that account sells from a place that is short, it has
        less than the places it shares seem to have.
        """
        before = [fence.account for fence in met if self._shares[account, fence.account]]
        return min([self._unclaimed(each, atp, met) for each in (account, *before)])

    def _unclaimed(self, account: AccountId, atp: Mapping[LocationId, int], met: Sequence[Fence]) -> int:
        total = sum([atp.get(location, 0) for location in self._offerings[account].locations])
        return total - sum([fence.units for fence in met if self._shares[account, fence.account]])
