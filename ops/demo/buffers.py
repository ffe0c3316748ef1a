"""What the shops of the demo do not show, what that costs, and what it could not prevent. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec

Map = Mapping[str, Any]
Choice = Literal["computed", "none"]

EPSILON: Final = 0.001
WINDOW_PERCENT: Final = 20
"""What a seller who expects a rush sets: until a SKU has been seen to sell, nothing else says that it will."""
_AROUND: Final = timedelta(days=1)

_NONE: Final = """\
[offers.default]
buffer = 0
"""
_COMPUTED: Final = """\
[offers.default]
buffer_from = "computed"
epsilon = {epsilon}
last_units = true

[[offers.windows]]
name = "flash sale"
starts_at = {starts_at}
ends_at = {ends_at}
percent_least = {percent}
percent_most = {percent}
"""
RULES: Final[Mapping[Choice, str]] = {
    "computed": f"what others sell just now x the measured lag, exceeded in {EPSILON:.1%} of cases;"
    f" {WINDOW_PERCENT} % at least while the sale is on; given back to the last shop that is open, but for what the"
    " storefront sells",
    "none": "each shop shows all that there is",
}
REASONS: Final[Mapping[str, str]] = {
    "lag": "sold before the lower number had landed. No buffer knows of a rush before it began, nor of sales that the"
    " other shop has not told yet: webhooks come up to a second late, lost ones with the next poll",
    "race": "sold while the shop was being told its number: its API writes absolute numbers without comparing",
}
"""Why a buffer could not prevent it, by the cause that is on record."""


class Withheld(msgspec.Struct, frozen=True, kw_only=True):
    """What the buffers cost when the doors are closed; the storefront sells by the true stock all the same."""

    units_left: int
    """Available to promise."""
    units_shown_nowhere: int
    """Of these, beyond what the shop that shows most of each SKU shows."""
    skus_shown_nowhere: int
    """In stock, and at zero in every shop."""


def build_offers(choice: Choice, now: datetime) -> str:
    """Write `[offers]` for the configuration; the sale is on now."""
    if choice == "none":
        return _NONE
    starts_at, ends_at = (now - _AROUND).isoformat(), (now + _AROUND).isoformat()
    return _COMPUTED.format(epsilon=EPSILON, percent=WINDOW_PERCENT, starts_at=starts_at, ends_at=ends_at)


def weigh(stocks: Mapping[str, Map], offers: Mapping[str, Sequence[Map]]) -> Withheld:
    """Count what is left and not shown.

    Args:
        stocks: STOCK replies by SKU.
        offers: offers of the OFFERS replies by SKU; each is of packs of one.
    """
    left = {sku: max(0, stock["atp"]) for sku, stock in stocks.items()}
    shown = {sku: max((offer["offer"] or 0 for offer in offers[sku]), default=0) for sku in stocks}
    return Withheld(
        units_left=sum(left.values()),
        units_shown_nowhere=sum(max(0, units - shown[sku]) for sku, units in left.items()),
        skus_shown_nowhere=sum(units > 0 and shown[sku] == 0 for sku, units in left.items()),
    )


def sum_causes(incidents: Sequence[Map], account: str | None = None) -> dict[str, int]:
    """Sum units oversold by cause, of one account or of all."""
    causes: dict[str, int] = {}
    for incident in incidents:
        if incident["units"] and account in {None, incident["account"]}:
            causes[incident["cause"]] = causes.get(incident["cause"], 0) + incident["units"]
    return causes
