"""Codes lead to ids for ever, barcodes to one SKU, and drafting is the same as doing."""

from datetime import timedelta

from hypothesis import strategies as st

from engine.domain.catalogue.catalogue import Catalogue, Naming, decide_rename, decide_standing, search
from engine.domain.catalogue.items import NO_DETAILS, Barcode, Details
from engine.domain.commands import Refusal
from engine.domain.events import ItemDescribed, SkuAdded, SkuMerged, SkuRenamed, SkuRetired
from engine.domain.units import Sku
from tests.fakes.clocks import START

A, B, C = Sku("A-1"), Sku("B-2"), Sku("C-3")
EAN, UPC = Barcode("4006381333931"), Barcode("036000291452")


def catalogue_of(*events: Naming) -> Catalogue:
    made = Catalogue()
    for sku in (A, B, C):
        made.apply(SkuAdded(at=START, sku=sku, name=f"Item {sku}"))
    for event in events:
        made.apply(event)
    return made


def rename(catalogue: Catalogue, sku: str, code: str, minutes: int = 0) -> object:
    """Decide and apply; return what was decided."""
    at = START + timedelta(minutes=minutes)
    made = decide_rename(catalogue, Sku(sku), Sku(code), by="ann", now=at)
    if isinstance(made, SkuRenamed):
        catalogue.apply(made)
    return made


def test_every_code_a_sku_ever_had_leads_to_it() -> None:
    """Lesson C6: the id under which everything is recorded never changes."""
    made = catalogue_of()
    rename(made, "A-1", "MUG", 1)
    rename(made, "A-1", "MUG-RED", 2)
    codes = made.codes
    assert [codes.resolve(Sku(code)) for code in ("A-1", "MUG", "MUG-RED", "B-2", "?")] == [A, A, A, B, "?"]
    assert (codes.code_of(A), codes.code_of(B)) == ("MUG-RED", B)
    assert codes.aliases_of(A) == ("A-1", "MUG")
    assert codes.ended_at(Sku("MUG")) == START + timedelta(minutes=2)
    assert codes.ended_at(Sku("MUG-RED")) is None


def test_a_code_may_come_back_to_the_sku_that_had_it_and_to_no_other() -> None:
    made = catalogue_of()
    rename(made, "A-1", "MUG", 1)
    assert rename(made, "B-2", "A-1", 2) == Refusal(
        code="CONFLICT", text="code=A-1 was MUG until 2026-11-11T12:01:00Z, and still leads there"
    )
    assert rename(made, "B-2", "MUG", 2) == Refusal(
        code="CONFLICT", text="code=MUG is a SKU already: ITEM MERGE makes one of two"
    )
    rename(made, "A-1", "A-1", 3)
    assert (made.codes.code_of(A), made.codes.aliases_of(A), made.codes.ended_at(A)) == (A, ("MUG",), None)
    assert rename(made, "A-1", "A-1", 3) is None


def test_a_rename_that_cannot_be_is_refused() -> None:
    made = catalogue_of()
    assert rename(made, "GONE", "X") == Refusal(code="NOSUCHSKU", text="sku=GONE")
    assert rename(made, "A-1", " ") == Refusal(
        code="BADARG", text="code ' ' has control characters or blanks at an end"
    )


def test_after_a_merge_all_codes_of_one_lead_to_the_other() -> None:
    made = catalogue_of(
        SkuRenamed(at=START, sku=A, code=Sku("MUG"), was=A),
        SkuMerged(at=START, sku=A, into=B),
        SkuMerged(at=START, sku=B, into=C),
        SkuRenamed(at=START, sku=C, code=Sku("CUP"), was=C),
    )
    codes = made.codes
    assert {codes.resolve(Sku(code)) for code in ("A-1", "MUG", "B-2", "C-3", "CUP")} == {C}
    assert {codes.code_of(sku) for sku in (A, B, C)} == {"CUP"}
    assert codes.merged == {A: C, B: C}
    page, rest = made.page(0, 10)
    assert ([item.sku for item in page], rest) == ([C], None)


def test_a_barcode_is_found_in_any_spelling_and_belongs_to_one() -> None:
    made = catalogue_of(ItemDescribed(at=START, sku=A, details=Details(barcodes=(EAN, UPC))))
    assert [made.find(word) for word in (EAN, "0036000291452", "0 36000 29145 2", "A-1", "4006381333930")] == [
        A, A, A, A, None,
    ]  # fmt: skip
    made.apply(ItemDescribed(at=START, sku=A, details=Details(barcodes=(UPC,))))
    assert made.find(EAN) is None
    made.apply(SkuMerged(at=START, sku=A, into=B))
    assert made.find(UPC) is None


def test_retiring_twice_is_once() -> None:
    made = catalogue_of()
    event = decide_standing(made, A, retired=True, by="ann", now=START)
    assert event == SkuRetired(at=START, sku=A, by="ann")
    made.apply(event)
    assert decide_standing(made, A, retired=True, by="ann", now=START) is None


def test_search_is_by_start_of_code_and_by_words_of_the_name() -> None:
    made = catalogue_of(SkuAdded(at=START, sku=Sku("D"), name="Großer roter Becher"))
    rename(made, "B-2", "MUG-BLUE")
    items, _ = made.page(0, 100)

    def found(text: str) -> list[str]:
        return [item.sku for item in search(items, made.codes, text) if item is not None]

    assert (found("mug"), found("a-"), found("item"), found("ROT groß"), found("b-2"), found("zzz")) == (
        [B], [A], [A, B, C], ["D"], [B], [],
    )  # fmt: skip


DETAILS = st.builds(
    Details,
    category=st.sampled_from(["", "x", "y"]),
    barcodes=st.lists(st.sampled_from([EAN, UPC, Barcode("96385074")]), max_size=2, unique=True).map(tuple),
)


def test_what_nobody_described_has_no_details() -> None:
    made = catalogue_of()
    assert (made.details_of(A), made.category_of(A), made.category_of(Sku("?"))) == (NO_DETAILS, None, None)
