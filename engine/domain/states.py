"""What state units on hand are in: sellable, or set aside for a reason."""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where units of a SKU stand at a location. All but `sellable` are `unavailable`: on hand, not to be promised."""

    SELLABLE = "sellable"
    QUALITY_HOLD = "quality_hold"
    """Returned or suspect: nobody has looked at them yet."""
    DAMAGED = "damaged"
    DISPLAY = "display"
    """On show, not for sale."""
    WRITTEN_OFF = "written_off"
    """Gone: a target only, such units are on hand no more."""


SET_ASIDE: Final = (State.QUALITY_HOLD, State.DAMAGED, State.DISPLAY)
"""States of units that are on hand and not to be promised; a `Position` has a figure of the same name for each."""
