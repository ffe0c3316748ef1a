"""A book of rules is checked as a whole, and every edit is a version."""

from datetime import timedelta

import msgspec
import pytest

from engine.domain.catalogue.codes import Codes
from engine.domain.events import RulesSet, SkuMerged, SkuRenamed
from engine.domain.offers.buffers import Tier
from engine.domain.offers.naming import find_written, note_names
from engine.domain.offers.rulebooks import VERSIONS_MAX, Rulebooks
from engine.domain.offers.rules import OfferTerms, RuleBook, Window, check_book
from engine.domain.units import AccountId, LocationId, Sku
from tests.fakes.clocks import START
from tests.fakes.rules import HERE, MARKET, PLACES, SHOP, THERE, A

NOBODY = AccountId("shp")


@pytest.mark.parametrize(
    ("book", "problem"),
    [
        (RuleBook(accounts={NOBODY: OfferTerms()}), "accounts.shp: no account has the id 'shp' (known: market, shop)"),
        (
            RuleBook(default=OfferTerms(quotas={NOBODY: 3})),
            "default.quotas: no account has the id 'shp' (known: market, shop)",
        ),
        (
            RuleBook(skus={A: OfferTerms(buffer=1, buffer_from="tiers")}),
            "skus.A.buffer_from: a rule takes one of buffer, buffer_percent, buffer_from; buffer is set, too",
        ),
        (
            RuleBook(default=OfferTerms(count_error=1, count_error_percent=1)),
            (
                "default.count_error_percent: a rule takes one of count_error, count_error_percent; "
                "count_error is set, too"
            ),
        ),
        (
            RuleBook(default=OfferTerms(view="regional")),
            "default.locations: needed by view 'regional', and by no other (view is regional)",
        ),
        (
            RuleBook(default=OfferTerms(locations=(HERE,))),
            "default.locations: needed by view 'regional', and by no other (view is not set)",
        ),
        (
            RuleBook(default=OfferTerms(view="regional", locations=(LocationId("mars"),))),
            "default.locations: no account sells from 'mars' (known: here, there)",
        ),
        (
            RuleBook(accounts={MARKET: OfferTerms(view="regional", locations=(THERE,))}),
            "accounts.market.locations: the account sells from none of them (it sells from here)",
        ),
        (
            RuleBook(default=OfferTerms(floor=4, cap=3)),
            "default.floor: 4 must not be above the cap, which is 3",
        ),
        (
            RuleBook(accounts={SHOP: OfferTerms(cap=3)}, categories={"mugs": OfferTerms(floor=4)}),
            "categories.mugs.floor: 4 must not be above accounts.shop.cap, which is 3",
        ),
        (
            RuleBook(categories={"mugs": OfferTerms(floor=4)}, skus={A: OfferTerms(cap=3)}),
            "skus.A.cap: 3 must not be below categories.mugs.floor, which is 4",
        ),
        (
            RuleBook(tiers=(Tier(daily_sales=1),)),
            "tiers[0].daily_sales: must be 0, so that every SKU has a tier; it is 1",
        ),
        (
            RuleBook(tiers=(Tier(daily_sales=0), Tier(daily_sales=0))),
            "tiers[1].daily_sales: must be above that of the tier before",
        ),
        (
            RuleBook(tiers=(Tier(daily_sales=0, percent_least=9, percent_most=8),)),
            "tiers[0].percent_most: needs a percent_least that is not above it",
        ),
        (
            RuleBook(windows=(Window(name="x", starts_at=START, ends_at=START),)),
            "windows[0].ends_at: must be after starts_at, 2026-11-11T12:00:00+00:00",
        ),
        (
            RuleBook(windows=(Window(name="x", starts_at=START, ends_at=START + timedelta(1), percent_most=3),)),
            "windows[0].percent_most: must not be below percent_least, 15",
        ),
        (
            RuleBook(windows=(Window(name="x", starts_at=START, ends_at=START + timedelta(1), accounts=(NOBODY,)),)),
            "windows[0].accounts: no account has the id 'shp' (known: market, shop)",
        ),
        (
            RuleBook(windows=2 * (Window(name="x", starts_at=START, ends_at=START + timedelta(1)),)),
            "windows[1].name: 'x' is given twice",
        ),
    ],
)
def test_what_is_wrong_with_a_book_is_named_with_its_path_its_value_and_its_rule(book: RuleBook, problem: str) -> None:
    assert check_book(book, PLACES) == [problem]


def test_every_problem_is_named_at_once() -> None:
    book = RuleBook(default=OfferTerms(floor=4, cap=3), accounts={NOBODY: OfferTerms(buffer=1, buffer_percent=2)})
    assert len(check_book(book, PLACES)) == 3


def test_a_book_without_problems_has_none() -> None:
    book = RuleBook(
        default=OfferTerms(view="regional", locations=(HERE,), quotas={SHOP: 4}, buffer_from="tiers", floor=1),
        accounts={SHOP: OfferTerms(view="real_time", cap=9)},
        categories={"mugs": OfferTerms(cap=9, floor=2)},
        skus={A: OfferTerms(floor=3)},
        tiers=(Tier(daily_sales=0, percent_least=9), Tier(daily_sales=5)),
        windows=(Window(name="x", starts_at=START, ends_at=START + timedelta(1), accounts=(SHOP,)),),
    )
    assert check_book(book, PLACES) == []


def test_rules_for_what_does_not_exist_yet_are_allowed_and_noted() -> None:
    book = RuleBook(skus={A: OfferTerms(), Sku("B"): OfferTerms()})
    assert list(note_names(book.skus, Codes(), lambda sku: sku == A)) == ["skus.B: no SKU has this code yet"]


def test_a_rule_is_that_of_the_sku_which_its_name_means_today() -> None:
    """Lesson C6: people write what they call it, and go on calling it what it was called."""
    codes, (mug, old, gone, b) = Codes(), (Sku("MUG"), Sku("CUP"), Sku("GONE"), Sku("B"))
    assert find_written((mug, A), codes) == {mug: mug, A: A}
    codes.apply(SkuRenamed(at=START, sku=A, was=A, code=old))
    codes.apply(SkuRenamed(at=START, sku=A, was=old, code=mug))
    codes.apply(SkuRenamed(at=START, sku=gone, was=gone, code=Sku("LOST")))
    codes.apply(SkuMerged(at=START, sku=gone, into=A))
    own_first = (Sku("LOST"), gone, old, mug, A)
    for number in range(len(own_first)):
        assert find_written((b, *own_first[: number + 1]), codes) == {
            b: b,
            A: own_first[0] if number < 2 else own_first[number],
        }
        assert find_written((b, *own_first[number::-1]), codes)[A] == own_first[number]
    assert list(note_names((gone, mug), codes, lambda sku: sku == A)) == [
        "skus.GONE: is the SKU of skus.MUG, whose rule holds"
    ]
    codes.apply(SkuRenamed(at=START, sku=A, was=mug, code=Sku("BEAKER")))
    assert find_written((gone, mug), codes) == {A: mug}, "a code given up after the merge was its own"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"default": {"share": 1.5}}', "Expected `float` <= 1.0 - at `$.default.share`"),
        ('{"skus": {"A": {"bufer": 1}}}', "Object contains unknown field `bufer` - at `$.skus[...]`"),
        ('{"default": {"epsilon": 0}}', "Expected `float` > 0.0 - at `$.default.epsilon`"),
        ('{"default": {"buffer": 1.5}}', "Expected `int | null`, got `float` - at `$.default.buffer`"),
        (
            '{"windows": [{"name": "x", "starts_at": "2026-11-11T00:00:00", "ends_at": "2026-11-12T00:00:00Z"}]}',
            "Expected `datetime` with a timezone component - at `$.windows[0].starts_at`",
        ),
    ],
)
def test_a_value_out_of_bounds_is_not_a_rule(text: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(text, type=RuleBook)
    assert str(refused.value) == problem


def rules_set(version: int, book: RuleBook, source: str = "command") -> RulesSet:
    return RulesSet(at=START, version=version, rules=book, by="ann", note="11.11", source=source)


def test_the_newest_version_is_in_force_and_older_ones_can_be_read() -> None:
    books = Rulebooks()
    assert (books.now.version, books.now.source) == (0, "built in")
    for version in range(1, VERSIONS_MAX + 3):
        books.apply(rules_set(version, RuleBook(default=OfferTerms(buffer=version))))
    assert books.now.version == VERSIONS_MAX + 2
    assert (books.now.by, books.now.note, books.now.at) == ("ann", "11.11", START)
    assert [each.version for each in books] == list(range(VERSIONS_MAX + 2, 2, -1))
    assert books.get(2) is None
    known = books.get(3)
    assert known is not None
    assert known.book.default.buffer == 3


def test_two_edits_at_once_get_two_numbers() -> None:
    books = Rulebooks()
    assert [books.next_version(), books.next_version()] == [1, 2]
    books.apply(rules_set(1, RuleBook()))
    books.apply(rules_set(2, RuleBook()))
    assert books.next_version() == 3


def test_the_configuration_counts_again_only_when_it_has_changed() -> None:
    books, first, other = Rulebooks(), RuleBook(default=OfferTerms(buffer=1)), RuleBook(default=OfferTerms(buffer=2))
    assert not books.differs_from_file(RuleBook())
    assert books.differs_from_file(first)
    books.apply(rules_set(1, first, source="file"))
    books.apply(rules_set(2, other))
    assert not books.differs_from_file(first)  # set by hand since, and stays so until the file changes
    assert books.differs_from_file(other)


def test_a_quota_counts_from_the_version_that_changed_it() -> None:
    books = Rulebooks()
    quota = {SHOP: 5}
    books.apply(rules_set(1, RuleBook(default=OfferTerms(quotas=quota), skus={A: OfferTerms(quotas=quota)})))
    books.apply(rules_set(2, RuleBook(default=OfferTerms(quotas=quota, cap=9), skus={A: OfferTerms(quotas={SHOP: 6})})))
    assert books.now.quotas_since == {"default": 1, "sku A": 2}
    books.apply(rules_set(3, RuleBook()))
    books.apply(rules_set(4, RuleBook(default=OfferTerms(quotas=quota))))
    assert books.now.quotas_since == {"default": 4}
