"""Why stock may be adjusted: a managed list, so that shrinkage can be counted by cause."""

from collections.abc import Collection

from config.walk import did_you_mean


def settle_reason(text: str, reasons: Collection[str]) -> str:
    """Return a reason in the spelling of the list, with its details.

    Args:
        text: one of the list in any case, details after a colon: `Damaged: fell off the pallet`.
        reasons: the list (`stock.reasons`); empty: every text is a reason.

    Raises:
        ValueError: not on the list; says what is, and what was probably meant.
    """
    text = text.strip()
    if not reasons:
        return text
    word, _, details = (part.strip() for part in text.partition(":"))
    listed = {reason.casefold(): reason for reason in reasons}
    reason = listed.get(word.casefold())
    if reason is None:
        near = did_you_mean(word.casefold(), listed)
        raise ValueError(f"must be one of stock.reasons, details after a colon: {', '.join(reasons)}{near}")
    return f"{reason}: {details}" if details else reason
