"""What the socket says about rules, previews and campaigns."""

from datetime import datetime
from typing import Any, Final

import msgspec

from engine.domain.offers.campaigns import Campaign
from engine.domain.offers.rules import RuleBook, RulesVersion
from ops.preview import Preview

View = dict[str, Any]

_ENCODER: Final = msgspec.json.Encoder()


def rules_json(book: RuleBook) -> str:
    """Write a book as RULES SET takes it; what no rule sets is left out."""
    return _ENCODER.encode(book).decode()


def version_view(version: RulesVersion) -> View:
    """One row of RULES HISTORY."""
    return {
        "version": version.version,
        "at": version.at,
        "by": version.by or None,
        "note": version.note or None,
        "source": version.source,
        "rules_set": sum(1 for _, _, terms in version.book.layers() if _ENCODER.encode(terms) != b"{}"),
    }


def book_view(version: RulesVersion, *, in_force: int, offers_left: int) -> View:
    """RULES SHOW: a version with its book as JSON, and how far offers have followed the one in force."""
    return {
        **version_view(version),
        "in_force": in_force,
        "offers_left": offers_left,
        "rules": rules_json(version.book),
    }


def campaign_view(campaign: Campaign, at: datetime) -> View:
    """One campaign as it stands at an instant."""
    terms, returned = campaign.terms, campaign.returned
    return {
        "campaign": terms.key,
        "account": terms.account,
        "sku": terms.sku,
        "listing": terms.listing_id,
        "phase": str(campaign.phase(at)),
        "quota": terms.quota,
        "sold": campaign.sold,
        "remainder": campaign.remainder,
        "lock": terms.lock,
        "starts_at": terms.starts_at,
        "ends_at": campaign.ends_at,
        "returns_at": campaign.returns_at,
        "returned_at": returned.at if returned is not None else None,
        "returned_by": (returned.by or None) if returned is not None else None,
        "shown": returned.shown if returned is not None else None,
        "by": terms.by or None,
        "note": terms.note or None,
    }


def preview_view(preview: Preview) -> View:
    """RULES PREVIEW."""
    return {
        "version": preview.version,
        "listings": preview.listings,
        "changed": preview.changed,
        "raised": preview.raised,
        "lowered": preview.lowered,
        "to_zero": preview.to_zero,
        "from_zero": preview.from_zero,
        "accounts": [{"account": account, "changed": changed} for account, changed in preview.accounts.items()],
        "warnings": list(preview.warnings),
        "notes": list(preview.notes),
        "rows": [
            {
                "account": row.account,
                "listing": row.listing,
                "sku": row.sku,
                "from": row.before,
                "to": row.after,
                "because": row.because,
            }
            for row in preview.rows
        ],
    }
