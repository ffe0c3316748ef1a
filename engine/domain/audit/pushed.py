"""What was recorded of a push beside what is computed anew: the first term in which the two part."""

from itertools import zip_longest
from typing import Final, NamedTuple

from engine.domain.events import PushPlanned
from engine.domain.offers.offers import Offer

RULED: Final = frozenset({"ring-fenced", "share", "buffer", "count error", "zero below", "floor", "cap"})
"""Terms whose third word begins with the rule that they come from; that of the others is prose."""
_NONE: Final = ("", "", "")


class Parting(NamedTuple):
    """A term that is not the same on both sides."""

    term: str
    pushed: str
    """Value and rule as recorded; `none`: there was no such term."""
    replayed: str


def find_parting(event: PushPlanned, offer: Offer) -> Parting | None:
    """Return the first term whose value or whose rule is another one; None: all are the same, and so is the number.

    What the rule made of the day's figures is told in prose behind it and is not compared: the value is.
    """
    for pushed, replayed in zip_longest(event.terms, offer.terms, fillvalue=_NONE):
        term = pushed[0] or replayed[0]
        same_rule = term not in RULED or name_rule(pushed[2]) == name_rule(replayed[2])
        if pushed[:2] != replayed[:2] or not same_rule:
            return Parting(term, _say(pushed, term), _say(replayed, term))
    if event.quantity != offer.quantity:
        return Parting("quantity", str(event.quantity), str(offer.quantity))
    return None


def name_rule(text: str) -> str:
    """Return the rule, without what it made of the day's figures."""
    return text.partition(": ")[0]


def _say(found: tuple[str, str, str], term: str) -> str:
    if found[0] != term:
        return "none" if not found[0] else f"{found[0]} = {found[1]}"
    return f"{found[1]} ({found[2]})"
