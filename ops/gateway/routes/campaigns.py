"""Campaigns: units set aside for one account."""

from typing import Annotated, Final

from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter

from ops.gateway.bodies import GatewayRequest, decode_segment
from ops.gateway.client import Lane
from ops.gateway.link import Word
from ops.gateway.models.campaigns import Campaign, CampaignNote, CampaignRequest, Campaigns, Which
from ops.gateway.routes.common import Limit, ask, describe, option, signed

_TAG: Final = "campaigns"

Scope = Annotated[Which, QueryParameter(name="state", description="all: those that are over, too, the last 1000.")]


@get("/v1/campaigns", **describe("stock:read", _TAG, "Units set aside for campaigns"))
async def list_campaigns(request: GatewayRequest, which: Scope = "open", limit: Limit = 50) -> Campaigns:
    """Newest first; those that are not over, unless `all` are wanted."""
    rows = await ask(request, Lane.READ, tuple[Campaign, ...], "CAMPAIGN", "LIST", which.upper(), "LIMIT", limit)
    return Campaigns(campaigns=rows)


@get("/v1/campaigns/{campaign:str}", **describe("stock:read", _TAG, "One campaign", 404))
async def show_campaign(request: GatewayRequest, campaign: FromPath[str]) -> Campaign:
    """Its terms, what was sold of it, and where it stands."""
    return await ask(request, Lane.READ, Campaign, "CAMPAIGN", "GET", _key(campaign))


@put("/v1/campaigns/{campaign:str}", **describe("stock:write", _TAG, "Set units aside", 404, 409, 422))
async def set_campaign(request: GatewayRequest, campaign: FromPath[str], data: JSONBody[CampaignRequest]) -> Campaign:
    """For one account, in the name of the token. Repeatable: the id in the path is the key."""
    words = ("CAMPAIGN", "SET", _key(campaign), data.account, data.sku, data.quota)
    window = ("FROM", data.starts_at.isoformat(), "TO", data.ends_at.isoformat(), "LOCK", data.lock)
    more: list[Word] = [*option("LISTING", data.listing), "RETURN", data.return_hours, *option("NOTE", data.note)]
    return await ask(request, Lane.WRITE, Campaign, *words, *window, *more, *signed(request, None))


@post(
    "/v1/campaigns/{campaign:str}/end",
    status_code=200,
    **describe("stock:write", _TAG, "End a campaign before its time", 404, 422),
)
async def end_campaign(
    request: GatewayRequest, campaign: FromPath[str], data: JSONBody[CampaignNote | None] = None
) -> Campaign:
    """Its rest belongs to everybody again once the listing was read, or when its time has come. Repeatable."""
    return await _act(request, "END", campaign, data)


@post(
    "/v1/campaigns/{campaign:str}/return",
    status_code=200,
    **describe("stock:write", _TAG, "Say that the channel gave the rest back", 404, 409, 422),
)
async def return_campaign(
    request: GatewayRequest, campaign: FromPath[str], data: JSONBody[CampaignNote | None] = None
) -> Campaign:
    """After its end: its rest belongs to everybody from now on, whatever the listing shows. Repeatable."""
    return await _act(request, "RETURN", campaign, data)


async def _act(request: GatewayRequest, action: str, campaign: str, data: CampaignNote | None) -> Campaign:
    note = data.note if data is not None else None
    words = ("CAMPAIGN", action, _key(campaign), *option("NOTE", note))
    return await ask(request, Lane.WRITE, Campaign, *words, *signed(request, None))


def _key(segment: str) -> str:
    return decode_segment(segment, "the campaign")


ROUTES: Final = (list_campaigns, show_campaign, set_campaign, end_campaign, return_campaign)
