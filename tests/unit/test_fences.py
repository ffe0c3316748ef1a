"""Ring-fenced units: nobody else shows them, and no two claims hide them from everybody."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from engine.domain.availability import Availability, Component
from engine.domain.catalogue.codes import Codes
from engine.domain.events import CampaignSet
from engine.domain.offers.campaigns import Campaigns
from engine.domain.offers.fences import Bundles, Fences, QuotaSales
from engine.domain.offers.offers import Facts, Fence, Offering
from engine.domain.offers.rules import OfferTerms, RuleBook
from engine.domain.stated.offers import QuotaStated
from engine.domain.units import AccountId, Key, LocationId, Sku
from tests.fakes.clocks import START
from tests.fakes.recipes import recipe, recipe_set, recipes_of
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


# -- claims on bundles


KIT, BOX = Sku("KIT"), Sku("BOX")


class KitShops(Shops):
    """The same accounts; a kit is made of two A and one B, a box of one A."""

    def __init__(self, book: RuleBook) -> None:
        super().__init__({})
        facts = Facts(fences=self._fences_of, category_of=lambda sku: "kits" if sku == KIT else None)
        self.offerings = {account: Offering(account, each.locations, facts) for account, each in self.offerings.items()}
        self.recipes = recipes_of({KIT: recipe(A=2, B=1), BOX: recipe(A=1)})
        self.fences = Fences(
            self.offerings, self.sales, version_of(book), None, Bundles(self.recipes, facts.category_of, facts.codes)
        )
        for offering in self.offerings.values():
            offering.use(version_of(book))

    def _quota(self, sku: str, account: AccountId) -> tuple[int, int]:
        rule = self.offerings[account].rule(Sku(sku))
        return rule.quota.value, rule.quota_since

    def level(self, sku: Sku, a: int, b: int) -> Availability:
        levels = {A: level_of(a), B: level_of(b, B)}
        if sku in levels:
            return levels[sku]
        made_of = self.recipes.made(sku).leaves
        each = tuple(Component(units, levels[leaf]) for leaf, units in made_of)
        atp = ((HERE, min(dict(level.atp)[HERE] // units for units, level in each)),)
        return Availability(sku=sku, position=1, atp=atp, changed_at=START, components=each)


def kit_quota(units: int) -> RuleBook:
    return RuleBook(skus={KIT: OfferTerms(quotas={MARKET: units})})


def test_a_quota_on_a_kit_sets_its_components_aside_for_it() -> None:
    """Not by themselves, not in the kit, not in what else is made of them."""
    shops = KitShops(kit_quota(3))
    assert shops.shown(SHOP, shops.level(A, 10, 5)) == 10 - 3 * 2
    assert shops.shown(SHOP, shops.level(B, 10, 5)) == 5 - 3
    assert shops.shown(SHOP, shops.level(KIT, 10, 5)) == 5 - 3
    assert shops.shown(SHOP, shops.level(BOX, 10, 5)) == 4
    assert [shops.shown(MARKET, shops.level(sku, 10, 5)) for sku in (A, B, KIT, BOX)] == [10, 5, 5, 10]
    shops.sales.sold(KIT, MARKET, 2)
    assert shops.shown(SHOP, shops.level(A, 6, 3)) == 6 - 2
    terms = shops.offerings[SHOP].explain(shops.level(A, 6, 3), 1, START).terms
    assert ("ring-fenced", "2", "for market: 2 in each of KIT; quota 3, 2 sold; sku KIT v1") in terms
    terms = shops.offerings[SHOP].explain(shops.level(KIT, 6, 3), 1, START).terms
    assert ("component A", "4", "2 in one: makes 2 without 2 ring-fenced for others, which binds") in terms


def test_a_campaign_on_a_kit_sets_its_components_aside_until_the_kits_are_sold() -> None:
    shops = KitShops(RuleBook())
    campaigns = Campaigns()
    shops.fences = Fences(
        shops.offerings, shops.sales, version_of(RuleBook()), campaigns, Bundles(shops.recipes, lambda _: None, Codes())
    )
    assert shops.shown(SHOP, shops.level(A, 10, 5)) == 10
    campaigns.apply(
        CampaignSet(
            at=START, key=Key("11.11"), account=MARKET, sku=KIT, quota=4, starts_at=START, ends_at=START + timedelta(1)
        )
    )
    shops.fences.forget_bundles()
    assert [shops.shown(SHOP, shops.level(sku, 10, 5)) for sku in (A, B, KIT, BOX)] == [2, 1, 1, 2]
    campaigns.sell(KIT, MARKET, 3, START)
    assert [shops.shown(SHOP, shops.level(sku, 4, 2)) for sku in (A, B, KIT, BOX)] == [2, 1, 1, 2]


def test_what_makes_no_whole_kit_is_not_hidden() -> None:
    shops = KitShops(kit_quota(3))
    assert shops.shown(SHOP, shops.level(A, 5, 9)) == 1
    assert shops.shown(SHOP, shops.level(A, 5, 0)) == 1, "B may come tomorrow"


def test_the_quota_of_a_category_is_one_on_its_kits_and_that_of_everybody_is_not() -> None:
    of_category = KitShops(RuleBook(categories={"kits": OfferTerms(quotas={MARKET: 1})}))
    assert of_category.shown(SHOP, of_category.level(A, 10, 5)) == 10 - 2
    of_all = KitShops(RuleBook(default=OfferTerms(quotas={MARKET: 1})))
    assert of_all.shown(SHOP, of_all.level(A, 10, 5)) == 10 - 1, "one of A, however many bundles it is in"


def test_a_recipe_that_changes_moves_the_fence() -> None:
    shops = KitShops(kit_quota(3))
    assert shops.shown(SHOP, shops.level(B, 10, 5)) == 2
    shops.recipes.apply(recipe_set("KIT", 2, {"A": 1}))
    shops.fences.forget_bundles()
    assert (shops.shown(SHOP, shops.level(A, 10, 5)), shops.shown(SHOP, shops.level(B, 10, 5))) == (7, 5)


@given(a=st.integers(-3, 30), b=st.integers(-3, 30), quota=st.integers(0, 12), sold=st.integers(0, 14))
def test_whatever_others_sell_of_what_they_are_shown_the_kits_of_a_claim_can_be_made(
    a: int, b: int, quota: int, sold: int
) -> None:
    """And where there is no claim left, others are shown all there is."""
    shops = KitShops(kit_quota(quota))
    shops.sales.sold(KIT, MARKET, sold)
    made = max(0, min(a // 2, b))
    claimed = min(made, max(0, quota - sold))
    assert shops.shown(MARKET, shops.level(KIT, a, b)) == made
    left_of_a = a - max(shops.shown(SHOP, shops.level(sku, a, b)) for sku in (A, BOX))
    left_of_b = b - shops.shown(SHOP, shops.level(B, a, b))
    assert min(left_of_a // 2, left_of_b) >= claimed or claimed == 0
    kits = shops.shown(SHOP, shops.level(KIT, a, b))
    assert made - kits >= claimed
    if quota <= sold:
        assert [shops.shown(SHOP, shops.level(sku, a, b)) for sku in (A, B, KIT)] == [max(0, a), max(0, b), made]


def test_what_was_sold_of_a_quota_outlasts_the_absence_of_its_account() -> None:
    rule: tuple[int, int] | None = (5, 3)
    sales = QuotaSales(lambda _sku, _account: rule)
    sales.sold(A, SHOP, 4)
    rule = None
    sales.sold(A, SHOP, -1)  # an order of before is cancelled
    sales.sold(B, SHOP, 2)
    assert [*sales.state(START)] == [QuotaStated(sku=A, account=SHOP, since=3, sold=3)]
    rule = (5, 3)
    assert (sales.of(A, SHOP, 3), sales.of(B, SHOP, 3)) == (3, 0)
