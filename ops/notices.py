"""What whoever reads the log hears at once, since a number alone would be missed."""

import structlog

from engine.domain.events import OrderRecorded, OversellCleared, OversellRecorded, RecipeSet

log = structlog.get_logger(__name__)


def tell_oversell(event: OversellRecorded | OversellCleared) -> None:
    """An oversell is never only a number."""
    if isinstance(event, OversellCleared):
        log.info("oversell.cleared", sku=event.sku, location=event.location)
        return
    log.warning(
        "oversell.recorded",
        sku=event.sku,
        units=event.units,
        open_units=event.open_units,
        account=event.account,
        order=event.order_id,
        cause=event.cause,
        detail=event.detail,
        location=event.location,
    )


def tell_recipe(event: RecipeSet) -> None:
    """A slip in a recipe moves stock of every component: who looks for it finds when it was set."""
    log.info("recipe.set", sku=event.sku, version=event.version, components=len(event.components), by=event.by)


def tell_notes(event: OrderRecorded) -> None:
    """What an order leaves open was settled the careful way, and is for a person to look at."""
    order = event.snapshot
    for note in order.notes:
        log.warning("order.noted", account=order.account, order=order.order_id, reason=note)
