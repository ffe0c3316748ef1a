"""The REST routes."""

from ops.gateway.routes import alerts, campaigns, documents, items, movements, past, recipes, rules, scan
from ops.gateway.routes.daemon import (
    build_metrics_route,
    command_channel,
    docs_page,
    healthz,
    list_channels,
    openapi_json,
    readyz,
)
from ops.gateway.routes.holds import commit_hold, look_up_hold, place_hold, place_holds, release_hold
from ops.gateway.routes.orders import list_orders, record_order, show_order
from ops.gateway.routes.stock import list_incidents, show_offers, show_stock

ROUTES = (
    place_hold,
    place_holds,
    commit_hold,
    release_hold,
    look_up_hold,
    show_stock,
    show_offers,
    list_incidents,
    *past.ROUTES,
    *scan.ROUTES,
    *movements.ROUTES,
    *documents.ROUTES,
    *alerts.ROUTES,
    *rules.ROUTES,
    *campaigns.ROUTES,
    *recipes.ROUTES,
    *items.ROUTES,
    show_order,
    list_orders,
    record_order,
    list_channels,
    command_channel,
    healthz,
    readyz,
    openapi_json,
    docs_page,
)

__all__ = ["ROUTES", "build_metrics_route"]
