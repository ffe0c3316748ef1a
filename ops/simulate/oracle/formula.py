"""What a listing must show, by the documented formula: done again from scratch, for rules whose sums anybody can do.

`offer = clamp(floor(share x ATP over the account's locations) - buffer - count error, floor, cap)`, in packs; the most
particular rule that sets a term decides: SKU, then account, then default.

What follows from measured demand and from what others have shown and sold, nobody outside can do again: computed and
tiered buffers, last units and quotas leave a least and a most.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

Rule = Mapping[str, Any]
Atp = Callable[[str, str], int]
"""Of a SKU with stock at a location."""


class Bounds(NamedTuple):
    """What a figure may be: on a listing, or in a book."""

    least: int
    most: int

    def allow(self, figure: int) -> bool:
        """Whether a figure may be so."""
        return self.least <= figure <= self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most}" if self.least < self.most else str(self.most)


def expected_offer(
    book: Mapping[str, Any],
    account: str,
    sku: str,
    *,
    places: Sequence[str],
    pack_units: int,
    made_of: Mapping[str, int],
    together: bool,
    atp: Atp,
    now: str,
) -> Bounds:
    """Return the number: least and most are the same where nothing is measured.

    Args:
        book: the rules in force.
        account: whose listing it is.
        sku: what it sells.
        places: locations of the account.
        pack_units: units of the SKU in one unit of the listing.
        made_of: SKUs with stock in one unit of the SKU; itself, if it is no bundle.
        together: whether those must lie at one location.
        atp: what there is.
        now: the instant, as the book writes instants.
    """
    rules = list(_layers(book, account, sku))

    def term(name: str, otherwise: Any) -> Any:  # noqa: ANN401  # as JSON has it
        return next((rule[name] for rule in rules if rule.get(name) is not None), otherwise)

    view = term("view", "buffered")
    if view == "regional":
        region = next(rule for rule in rules if rule.get("view") is not None)["locations"]
        places = [place for place in places if place in region]
    fenced = {leaf: _fenced(book, account, leaf) for leaf in made_of}
    there = _available(made_of, places, atp, together=together)
    at_least = there
    if any(fenced.values()):
        sums = [(sum(atp(leaf, place) for place in places) - fenced[leaf]) // units for leaf, units in made_of.items()]
        at_least = min(0, *sums) if together else min(sums)
    cap = term("cap", None)

    def show(left: int, *, careful: bool) -> int:
        shared = left if left <= 0 else math.floor(left * _exact(term("share", 1.0)))
        withheld = 0
        if view != "real_time" and (careful or not term("last_units", otherwise=False)):
            withheld = _buffer(rules, shared, careful=careful)
            withheld = max(withheld, _window(book, account, shared, term("severity", 0.5), now))
        packs = (shared - withheld - _part(rules, "count_error", shared)) // pack_units
        if packs < term("zero_below", 0):
            packs = 0
        return max(packs, 0) if cap is None else min(max(packs, 0), cap)

    # fewer units may mean one more on the listing: each part that is withheld is rounded up by itself
    lefts = range(at_least, there + 1)
    return Bounds(min(show(left, careful=True) for left in lefts), max(show(left, careful=False) for left in lefts))


def _layers(book: Mapping[str, Any], account: str, sku: str) -> Iterator[Rule]:
    yield book.get("skus", {}).get(sku, {})
    yield book.get("accounts", {}).get(account, {})
    yield book.get("default", {})


def _available(made_of: Mapping[str, int], places: Sequence[str], atp: Atp, *, together: bool) -> int:
    most = min(sum(atp(sku, place) for place in places) // units for sku, units in made_of.items())
    if together and most > 0:
        at_places = [max(0, min(atp(sku, place) // units for sku, units in made_of.items())) for place in places]
        most = min(most, sum(at_places))
    return most


def _buffer(rules: Sequence[Rule], shared: int, *, careful: bool) -> int:
    """Return what the first rule that says anything withholds; where it is measured, all or nothing."""
    for rule in rules:
        if rule.get("buffer_from") is not None:
            return max(0, shared) if careful else 0
        if rule.get("buffer") is not None or rule.get("buffer_percent") is not None:
            break
    return _part(rules, "buffer", shared)


def _fenced(book: Mapping[str, Any], account: str, sku: str) -> int:
    """Return the most units of a SKU with stock that quotas keep for others, whatever those have sold of them."""
    own = book.get("skus", {}).get(sku, {}).get("quotas")
    quotas = own if own is not None else book.get("default", {}).get("quotas", {})
    return sum(units for other, units in quotas.items() if other != account)


def _part(rules: Sequence[Rule], name: str, shared: int) -> int:
    """Return fixed units or a percentage, whichever the first rule that says either says."""
    for rule in rules:
        if rule.get(name) is not None:
            return int(rule[name])
        if rule.get(f"{name}_percent") is not None:
            return math.ceil(max(0, shared) * _exact(rule[f"{name}_percent"]) / 100)
    return 0


def _window(book: Mapping[str, Any], account: str, shared: int, severity: float, now: str) -> int:
    withheld = 0
    for window in book.get("windows", ()):
        if window["starts_at"] <= now < window["ends_at"] and account in (window["accounts"] or [account]):
            percent = window["percent_least"] + (window["percent_most"] - window["percent_least"]) * severity
            withheld = max(withheld, math.ceil(max(0, shared) * _exact(round(percent, 6)) / 100))
    return withheld


def _exact(number: float) -> Fraction:
    return Fraction(str(number))
