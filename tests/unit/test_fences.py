"""Ring-fenced units: nobody else shows them, and no two claims hide them from everybody."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from hypothesis import example, given
from hypothesis import strategies as st

from engine.domain.availability import Availability
from engine.domain.offers.fences import Fences, QuotaSales
from engine.domain.offers.offers import Facts, Fence, Offering
from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.units import AccountId, LocationId, Sku
from tests.fakes.clocks import START
from tests.fakes.rules import HERE, MARKET, SHOP, THERE, A, B, level_of, version_of

FAR = AccountId("far")


class Shops:
    """Three accounts: two share stock, one of them and the third another place."""

    def __init__(self, quotas: Mapping[AccountId, int], version: int = 1) -> None:
        self.sales = QuotaSales(self._quota)
        facts = Facts(fences=self._fences_of)
        places = {SHOP: (HERE, THERE), MARKET: (HERE,), FAR: (LocationId("far"),)}
        self.offerings = {account: Offering(account, where, facts) for account, where in places.items()}
        self.fences = Fences(self.offerings, self.sales, version_of(RuleBook()))
        self.use(quotas, version)

    def _quota(self, sku: str, account: AccountId) -> tuple[int, int]:
        rule = self.offerings[account].rule(A if sku == A else B)
        return rule.quota.value, rule.quota_since

    def _fences_of(self, sku: Sku, account: AccountId, level: Availability, at: datetime) -> Sequence[Fence]:
        return self.fences.of(sku, account, level, at)

    def use(self, quotas: Mapping[AccountId, int], version: int) -> None:
        rules = version_of(RuleBook(skus={A: OfferTerms(quotas=dict(quotas))}), version)
        self.fences.use(rules)
        for offering in self.offerings.values():
            offering.use(rules)

    def shown(self, account: AccountId, level: Availability) -> int:
        return self.offerings[account].quantity(level, 1, START)


def test_a_quota_hides_its_units_from_the_others_until_they_are_sold() -> None:
    shops = Shops({MARKET: 4})
    assert (shops.shown(SHOP, level_of(10)), shops.shown(MARKET, level_of(10))) == (6, 10)
    shops.sales.sold(A, MARKET, 3)
    assert (shops.shown(SHOP, level_of(7)), shops.shown(MARKET, level_of(7))) == (6, 7)  # the others see no change
    shops.sales.sold(A, MARKET, 3)
    assert (shops.shown(SHOP, level_of(4)), shops.shown(MARKET, level_of(4))) == (4, 4)  # its quota is sold
    shops.sales.sold(A, MARKET, -4)
    assert shops.shown(SHOP, level_of(8)) == 6  # cancelled: set aside again


def test_only_the_sku_of_the_rule_and_accounts_with_the_same_stock_are_fenced_off() -> None:
    shops = Shops({MARKET: 4})
    assert shops.shown(SHOP, level_of(10, B)) == 10
    assert shops.shown(FAR, level_of({LocationId("far"): 3, HERE: 10})) == 3


def test_the_sum_names_the_quota() -> None:
    shops = Shops({MARKET: 4})
    shops.sales.sold(A, MARKET, 1)
    terms = shops.offerings[SHOP].explain(level_of(9), 1, START).terms
    assert ("ring-fenced", "3", "for market: quota 4, 1 sold; sku A v1") in terms


def test_a_changed_quota_begins_to_count_anew() -> None:
    shops = Shops({MARKET: 4})
    shops.sales.sold(A, MARKET, 4)
    assert shops.shown(SHOP, level_of(10)) == 10
    shops.use({MARKET: 5}, version=2)
    assert shops.shown(SHOP, level_of(10)) == 5


def test_two_claims_on_too_few_units_do_not_hide_them_from_everybody() -> None:
    shops = Shops({SHOP: 5, MARKET: 5})
    assert (shops.shown(SHOP, level_of(5)), shops.shown(MARKET, level_of(5))) == (5, 0)
    assert (shops.shown(SHOP, level_of(8)), shops.shown(MARKET, level_of(8))) == (5, 3)


def test_a_claim_is_met_from_the_account_s_own_places() -> None:
    shops = Shops({MARKET: 5})
    assert shops.shown(SHOP, level_of({HERE: 2, THERE: 9})) == 9


@given(
    here=st.integers(-5, 30),
    there=st.integers(-5, 30),
    quotas=st.fixed_dictionaries({SHOP: st.integers(0, 20), MARKET: st.integers(0, 20)}),
    sold=st.fixed_dictionaries({SHOP: st.integers(-3, 25), MARKET: st.integers(-3, 25)}),
)
@example(here=2, there=-1, quotas={SHOP: 1, MARKET: 1}, sold={SHOP: 0, MARKET: 0})
def test_nobody_shows_what_is_fenced_for_another_and_the_first_claim_loses_nothing(
    here: int, there: int, quotas: dict[AccountId, int], sold: dict[AccountId, int]
) -> None:
    shops = Shops(quotas)
    for account, units in sold.items():
        shops.sales.sold(A, account, units)
    level = level_of({HERE: here, THERE: there})
    unsold = {account: max(0, quotas[account] - max(0, sold[account])) for account in quotas}
    own = {SHOP: here + there, MARKET: here}
    assert shops.shown(SHOP, level) >= min(unsold[SHOP], max(0, own[SHOP]))
    assert shops.shown(MARKET, level) <= max(0, own[MARKET] - min(unsold[SHOP], max(0, own[SHOP])))
    for account in (SHOP, MARKET):
        assert shops.shown(account, level) <= max(0, own[account])


def test_asking_costs_nothing_where_nobody_has_a_claim() -> None:
    shops = Shops({})
    assert shops.fences.of(A, SHOP, level_of(5), START) == ()
