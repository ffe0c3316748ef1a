"""Units of a SKU that only one account may show: quotas of the rules, and stock set aside for a campaign.

Asked for in one place, so that no pusher needs to know of another: each account's offer takes off what is fenced for
the others. Claims are met in order, campaigns before quotas and accounts as they are configured, as far as there is
stock: two claims on too few units must not hide them from everybody. What an account has sold of its claim is fenced
no more; its stock has gone down by as much, so the others see no change.

A claim on a bundle is one on each of its components, for as many as the bundles are made of: nobody else may show
those, neither by themselves nor in other bundles. It holds for each component as far as that one goes, whatever there
is of the others: they may come tomorrow. Only a quota that the rule of the bundle itself or of its category sets is one
on its components; an account's or everybody's is about every SKU with stock, where each unit is fenced once already.

Holds and orders of the direct account are not offers: they go by ATP alone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

from engine.domain.availability import Availability
from engine.domain.catalogue.codes import Codes
from engine.domain.catalogue.recipes import Recipes
from engine.domain.offers.offers import Fence, Offering
from engine.domain.offers.rules import RulesVersion
from engine.domain.stated.offers import QuotaStated
from engine.domain.units import AccountId, LocationId, Sku


class Claim(NamedTuple):
    """What an account still has to sell of a quota or a campaign."""

    account: AccountId
    unsold: int
    rule: str
    in_one: int = 1
    """Units of the SKU that are in one of what is claimed: less than that is of no use for it."""


class Claims(Protocol):
    """Claims that come before those of the rules."""

    def claims(self, sku: Sku, at: datetime) -> Sequence[Claim]:
        """Return those on a SKU at an instant, in the order in which they are met."""
        ...

    def skus(self) -> Iterable[Sku]:
        """Return all SKUs that there may be claims on."""
        ...

    def __bool__(self) -> bool:
        """Whether there is any claim at all."""
        ...


class Bundles(NamedTuple):
    """What is known of bundles."""

    recipes: Recipes
    category_of: Callable[[Sku], str | None]
    codes: Codes


NO_BUNDLES: Final = Bundles(Recipes(), lambda _sku: None, Codes())


class _Claimed(NamedTuple):
    """A bundle that there may be claims on."""

    bundle: Sku
    in_one: int
    accounts: frozenset[AccountId]
    """Whose quotas of it count."""


class QuotaSales:
    """How much of its quota each account has sold. A projection of the journal, fed by `Demand`."""

    def __init__(self, rule_of: Callable[[Sku, AccountId], tuple[int, int] | None]) -> None:
        """Start with nothing sold.

        `rule_of` gives quota and the version since which it counts; None: the account is configured no more.
        """
        self._rule_of = rule_of
        self._sold: dict[tuple[Sku, AccountId], tuple[int, int]] = {}
        """Version and units, unless it comes to none; what was sold under an older quota is no entry any more once
        something is sold again. Until then that quota may come back: with a code of the SKU, or its category."""

    def sold(self, sku: Sku, account: AccountId, units: int) -> None:
        """Count a change of what an account sold; a cancellation gives back to the quota what it took."""
        known = self._sold.get((sku, account))
        rule = self._rule_of(sku, account)
        if rule is None:
            if known is not None:  # should the account come back under the same rule, nothing is forgotten
                self._keep(sku, account, known[0], known[1] + units)
            return
        quota, since = rule
        if quota:
            self._keep(sku, account, since, units + (known[1] if known is not None and known[0] == since else 0))

    def of(self, sku: Sku, account: AccountId, since: int) -> int:
        """Return units sold of the quota that counts since a version."""
        known = self._sold.get((sku, account))
        return max(0, known[1]) if known is not None and known[0] == since else 0

    def state(self, as_of: datetime) -> Iterator[QuotaStated]:  # noqa: ARG002
        """Say what was sold of quotas, by SKU and account."""
        for (sku, account), (since, sold) in sorted(self._sold.items()):
            yield QuotaStated(sku=sku, account=account, since=since, sold=sold)

    def restore(self, statement: QuotaStated) -> None:
        """Take in one of what `state` says."""
        self._sold[statement.sku, statement.account] = (statement.since, statement.sold)

    def _keep(self, sku: Sku, account: AccountId, since: int, sold: int) -> None:
        if sold:
            self._sold[sku, account] = (since, sold)
        else:
            self._sold.pop((sku, account), None)


class Fences:
    """Splits what there is of a SKU between those who have a claim on it and the others."""

    def __init__(
        self,
        offerings: Mapping[AccountId, Offering],
        sales: QuotaSales,
        rules: RulesVersion,
        campaigns: Claims | None = None,
        bundles: Bundles = NO_BUNDLES,
    ) -> None:
        """Fence by the quotas of `rules` for the accounts of `offerings`, in their order."""
        self._offerings = offerings
        self._sales = sales
        self._bundles = bundles
        self._above: dict[Sku, list[_Claimed]] | None = None
        """By component, the bundles that there may be claims on; None: to be found out when next asked."""
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
        self._of_skus = {sku: terms.quotas for sku, terms in rules.book.skus.items() if terms.quotas}
        self._of_categories = {name: terms.quotas for name, terms in rules.book.categories.items() if terms.quotas}
        self.forget_bundles()

    def forget_bundles(self) -> None:
        """Find out anew which bundles have claims: a recipe, a category, a code or a campaign is another one."""
        self._above = None

    def of(self, sku: Sku, account: AccountId, level: Availability, at: datetime) -> Sequence[Fence]:
        """Return what is fenced for accounts other than this one and could be sold by it: O(accounts with a claim)."""
        if not self._claimants and not self._campaigns:
            return ()
        found: list[Fence] = []
        met: list[Fence] = []
        atp = dict(level.atp)
        for claim in self._claims(sku, at):
            units = min(claim.unsold, self._left(claim.account, atp, met))
            units -= units % claim.in_one
            if units <= 0:
                continue
            fence = Fence(claim.account, units, claim.rule)
            met.append(fence)
            if claim.account != account and self._shares[account, claim.account]:
                found.append(fence)
        return found

    def _claims(self, sku: Sku, at: datetime) -> Iterable[Claim]:
        above = self._find_above().get(sku, ())
        if self._campaigns:
            yield from self._campaigns.claims(sku, at)
            for each in above:
                yield from (_on_component(claim, each) for claim in self._campaigns.claims(each.bundle, at))
        for account in self._claimants:
            yield from self._quota(sku, account)
            for each in above:
                if account in each.accounts:
                    yield from (_on_component(claim, each) for claim in self._quota(each.bundle, account))

    def _quota(self, sku: Sku, account: AccountId) -> Iterable[Claim]:
        rule = self._offerings[account].rule(sku)
        if rule.quota.value:
            sold = self._sales.of(sku, account, rule.quota_since)
            yield Claim(account, rule.quota.value - sold, f"quota {rule.quota.value}, {sold} sold; {rule.quota.rule}")

    def _find_above(self) -> Mapping[Sku, Sequence[_Claimed]]:
        if self._above is None:
            self._above = {}
            for bundle, accounts in self._find_claimed():
                for leaf, in_one in self._bundles.recipes.made(bundle).leaves:
                    self._above.setdefault(leaf, []).append(_Claimed(bundle, in_one, accounts))
        return self._above

    def _find_claimed(self) -> Iterable[tuple[Sku, frozenset[AccountId]]]:
        """Return bundles with a campaign, or with a quota of their own or of their category, in SKU order."""
        recipes, category_of, codes = self._bundles
        of_skus: dict[Sku, set[AccountId]] = {}
        for name, named in self._of_skus.items():
            of_skus.setdefault(codes.resolve(name), set()).update(named)
        asked = set(recipes.current) if self._of_categories else of_skus.keys() & recipes.current.keys()
        claimed = {sku for sku in self._campaigns.skus() if sku in recipes} if self._campaigns else set[Sku]()
        for bundle in sorted(asked | claimed):
            quotas = {*of_skus.get(bundle, ()), *self._of_categories.get(category_of(bundle) or "", ())}
            if bundle in recipes and (quotas or bundle in claimed):
                yield bundle, frozenset(quotas)

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


def _on_component(claim: Claim, bundle: _Claimed) -> Claim:
    reason = f"{bundle.in_one} in each of {bundle.bundle}; {claim.rule}"
    return Claim(claim.account, claim.unsold * bundle.in_one, reason, bundle.in_one)
