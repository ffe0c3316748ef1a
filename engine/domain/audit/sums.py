"""Whether what a push was planned with adds up: plain arithmetic that shares no code with `engine.domain.offers`."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Final

Terms = Sequence[tuple[str, str, str]]

_FIGURES: Final = 6
"""Figures that a share is printed with: one that fills them all may have been rounded."""
_ONE_EACH: Final = ("atp", "share", "shared", "buffer", "pack", "packs", "floor", "cap", "offer")


def find_flaw(quantity: int, terms: Terms) -> str | None:
    """Return the first line of the sum that does not follow from those above it; None: all do.

    Args:
        quantity: what was pushed.
        terms: as in `PushPlanned`; not empty.
    """
    values = {term: value for term, value, _ in terms}
    missing = [term for term in _ONE_EACH if term not in values]
    if missing:
        return f"there is no {missing[0]}"
    try:
        return _flaw_of_atp(terms, values) or _flaw_of_packs(terms, values) or _flaw_of_offer(quantity, values)
    except (ValueError, ZeroDivisionError) as error:  # no number where one belongs, or none that divides
        return str(error)


def _flaw_of_atp(terms: Terms, values: dict[str, str]) -> str | None:
    places = [int(value) for term, value, _ in terms if term.startswith("atp ")]
    # "3 in one: makes 5": so many of the component are in one of the bundle
    made = [int(value) // int(rule.split(" ", 1)[0]) for term, value, rule in terms if term.startswith("component ")]
    if "together" in values:
        made = [int(values["together"])]
    expected = min(made) if made else sum(places)
    return _compare("atp", values, expected)


def _flaw_of_packs(terms: Terms, values: dict[str, str]) -> str | None:
    left = int(values["atp"]) - sum(int(value) for term, value, _ in terms if term == "ring-fenced")
    least, most = _bounds(values["share"])
    shared = int(values["shared"])
    if left <= 0:
        least = most = Fraction(1)
    if not left * least // 1 <= shared <= left * most // 1:
        return f"shared is {shared}, not {left} x {values['share']}"
    withheld = int(values["buffer"]) + int(values.get("count error", 0))
    return _compare("packs", values, (shared - withheld) // int(values["pack"]))


def _flaw_of_offer(quantity: int, values: dict[str, str]) -> str | None:
    packs = int(values["packs"])
    if packs < int(values.get("zero below", 0)):
        packs = 0
    shown = max(packs, int(values["floor"]), 0)
    if values["cap"] != "none":
        shown = min(shown, int(values["cap"]))
    flaw = _compare("offer", values, shown)
    return flaw or (None if shown == quantity else f"the offer is {shown}, and {quantity} was pushed")


def _bounds(share: str) -> tuple[Fraction, Fraction]:
    """Return between which parts a share lies that was printed to so many figures."""
    exact = Fraction(share)
    digits = share.lower().partition("e")[0].replace(".", "").lstrip("0")
    if len(digits) < _FIGURES:
        return exact, exact
    half = exact / 10 ** (_FIGURES - 1)
    return exact - half, exact + half


def _compare(term: str, values: dict[str, str], expected: int) -> str | None:
    return None if int(values[term]) == expected else f"{term} is {values[term]}, and adds up to {expected}"
