"""Items: the catalogue, and what SKUs are called."""

from typing import Annotated

import msgspec
from litestar import get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from ops.gateway.base import Out
from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.models.items import Item, ItemRequest, Items, ItemSummary, MergeRequest, RenameRequest
from ops.gateway.routes.common import ask, describe, signed

_TAG = "items"

PageLimit = Annotated[int, QueryParameter(ge=1, le=500, description="At most this many.")]


@get("/v1/items", **describe("stock:read", _TAG, "Find items, or walk all of them"))
async def list_items(
    request: GatewayRequest,
    q: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
    limit: PageLimit = 100,
) -> Items:
    """With `q`: by the start of a SKU, a barcode, or words of the name. Without: page by page, from `cursor` on."""
    if q is not None:
        return Items(items=await ask(request, Lane.READ, tuple[ItemSummary, ...], "ITEM", "FIND", q, "LIMIT", limit))
    start = () if cursor is None else ("CURSOR", cursor)
    page = await ask(request, Lane.READ, _Page, "ITEM", "LIST", *start, "LIMIT", limit)
    return Items(items=page.rows, cursor=None if page.cursor is None else str(page.cursor))


@get("/v1/items/{sku:str}", **describe("stock:read", _TAG, "One item", 404))
async def show_item(request: GatewayRequest, sku: FromPath[str]) -> Item:
    """By any code it ever had, or by a barcode."""
    return await ask(request, Lane.READ, Item, "ITEM", "GET", _sku(sku))


@patch("/v1/items/{sku:str}", **describe("stock:write", _TAG, "Describe an item", 404, 413, 422))
async def describe_item(request: GatewayRequest, sku: FromPath[str], data: JSONBody[ItemRequest]) -> Item:
    """A merge patch. Repeatable."""
    document = msgspec.json.encode(data)
    return await ask(request, Lane.WRITE, Item, "ITEM", "SET", _sku(sku), document, *signed(request, None))


@post("/v1/items/{sku:str}/rename", status_code=200, **describe("stock:write", _TAG, "Rename a SKU", 404, 409, 422))
async def rename_item(request: GatewayRequest, sku: FromPath[str], data: JSONBody[RenameRequest]) -> Item:
    """Its history stays, and its old code leads to it for ever. Repeatable."""
    return await ask(request, Lane.WRITE, Item, "ITEM", "RENAME", _sku(sku), data.new, *signed(request, None))


@post("/v1/items/{sku:str}/merge", status_code=200, **describe("stock:write", _TAG, "Merge a SKU", 404, 409, 422))
async def merge_item(request: GatewayRequest, sku: FromPath[str], data: JSONBody[MergeRequest]) -> Item:
    """Answers with the SKU that has everything now. Refused while anything of the other one is open."""
    return await ask(request, Lane.WRITE, Item, "ITEM", "MERGE", _sku(sku), data.into, *signed(request, None))


@post("/v1/items/{sku:str}/retire", status_code=200, **describe("stock:write", _TAG, "Retire a SKU", 404))
async def retire_item(request: GatewayRequest, sku: FromPath[str]) -> Item:
    """No new holds, and every listing at zero; orders of it count as ever. Repeatable."""
    return await ask(request, Lane.WRITE, Item, "ITEM", "RETIRE", _sku(sku), *signed(request, None))


@post("/v1/items/{sku:str}/revive", status_code=200, **describe("stock:write", _TAG, "Revive a retired SKU", 404))
async def revive_item(request: GatewayRequest, sku: FromPath[str]) -> Item:
    """Repeatable."""
    return await ask(request, Lane.WRITE, Item, "ITEM", "REVIVE", _sku(sku), *signed(request, None))


class _Page(Out, frozen=True, kw_only=True):
    rows: tuple[ItemSummary, ...]
    cursor: int | None = None


def _sku(segment: str) -> str:
    return decode_segment(segment, "the SKU")


ROUTES = (list_items, show_item, describe_item, rename_item, merge_item, retire_item, revive_item)
