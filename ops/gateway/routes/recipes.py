"""Recipes: what bundles, kits and packs are made of."""

from typing import Annotated

from litestar import delete, get, put
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.models.recipes import Recipe, RecipeRequest, RecipeRow, Recipes
from ops.gateway.routes.common import ask, describe, lines_of, signed

_TAG = "recipes"

SkuPath = Annotated[str, PathParameter(description="Percent-encoded UTF-8; slashes may stay as they are.")]
PageLimit = Annotated[int, QueryParameter(ge=1, le=1000, description="At most this many.")]


@get("/v1/recipes", **describe("stock:read", _TAG, "Every bundle"))
async def list_recipes(request: GatewayRequest, after: FromQuery[str | None] = None, limit: PageLimit = 100) -> Recipes:
    """In the order of their SKUs, a page at a time."""
    start = () if after is None else ("AFTER", after)
    rows = await ask(request, Lane.READ, tuple[RecipeRow, ...], "RECIPE", "LIST", *start, "LIMIT", limit)
    return Recipes(recipes=rows, after=rows[-1].sku if len(rows) == limit else None)


@get("/v1/recipes/{sku:path}", **describe("stock:read", _TAG, "What a bundle is made of", 404))
async def show_recipe(request: GatewayRequest, sku: SkuPath) -> Recipe:
    """As written, and what it comes to in SKUs with stock."""
    return await ask(request, Lane.READ, Recipe, "RECIPE", "GET", _sku(sku))


@put("/v1/recipes/{sku:path}", **describe("stock:write", _TAG, "Make a bundle of a SKU", 404, 413, 422))
async def set_recipe(request: GatewayRequest, sku: SkuPath, data: JSONBody[RecipeRequest]) -> Recipe:
    """The whole recipe, in place of the one before. Orders keep the recipe they were sold under. Repeatable."""
    together = ("TOGETHER",) if data.together else ()
    lines = lines_of((each.sku, each.quantity) for each in data.components)
    return await ask(request, Lane.WRITE, Recipe, "RECIPE", "SET", _sku(sku), *together, *signed(request, None), *lines)


@delete(
    "/v1/recipes/{sku:path}",
    status_code=200,
    **describe("stock:write", _TAG, "Make an ordinary SKU of a bundle", 404),
)
async def drop_recipe(request: GatewayRequest, sku: SkuPath) -> Recipe:
    """Its listings go to zero until it has stock of its own. Repeatable."""
    return await ask(request, Lane.WRITE, Recipe, "RECIPE", "DROP", _sku(sku), *signed(request, None))


def _sku(path: str) -> str:
    return decode_segment(path.removeprefix("/"), "the SKU")


ROUTES = (list_recipes, show_recipe, set_recipe, drop_recipe)
