"""Examples of recipes, one per body and answer."""

from datetime import UTC, datetime

import msgspec

from ops.gateway.models import recipes as r

_NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)
_TEA = r.Component(sku="TEA-100", quantity=1)
_PAIR = r.Component(sku="MUG-PAIR", quantity=1)

STRUCTS: tuple[msgspec.Struct, ...] = (
    r.RecipeRequest(
        components=(
            r.ComponentRequest(sku="MUG-PAIR", quantity=1),
            r.ComponentRequest(sku="TEA-100", quantity=1),
        )
    ),
    r.Recipe(
        sku="GIFT-SET",
        version=2,
        together=False,
        components=(_PAIR, _TEA),
        leaves=(r.Component(sku="MUG-BLUE", quantity=2), _TEA),
        one_location=False,
        bundles_above=(r.BundleRef(sku="GIFT-CASE"),),
        set_at=_NOON,
        by="shop-team",
    ),
    r.Recipes(
        recipes=(r.RecipeRow(sku="GIFT-SET", version=2, together=False, components=(_PAIR, _TEA)),), after="GIFT-SET"
    ),
)
