"""Rules of what accounts may show."""

from typing import Any, Final

import msgspec
from litestar import get, post, put
from litestar.params import JSONBody

from engine.domain.offers.rules import RuleBook
from ops.gateway.bodies import GatewayRequest
from ops.gateway.client import Lane
from ops.gateway.models.rules import PreviewRequest, Rules, RulesMade, RulesPreview, RulesRequest
from ops.gateway.routes.common import ask, describe, signed

_TAG: Final = "rules"
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(RuleBook)


@get("/v1/rules", **describe("stock:read", _TAG, "The rules in force"))
async def show_rules(request: GatewayRequest) -> Rules:
    """The whole book; what no rule sets is left out."""
    shown = await ask(request, Lane.READ, dict[str, Any], "RULES", "SHOW")
    return msgspec.convert({**shown, "rules": _DECODER.decode(shown["rules"])}, Rules)


@put("/v1/rules", **describe("admin", _TAG, "Let a book of rules hold", 409, 413, 422))
async def set_rules(request: GatewayRequest, data: JSONBody[RulesRequest]) -> RulesMade:
    """In place of all rules in force, under a new version, in the name of the token. The same book again is no new one.

    Offers follow within seconds, pushes as the budgets allow. Try it first: POST /v1/rules/preview.
    """
    options: list[str | int] = []
    if data.if_version is not None:
        options += ["IF", data.if_version]
    if data.note:
        options += ["NOTE", data.note]
    book = _ENCODER.encode(data.rules)
    return await ask(request, Lane.WRITE, RulesMade, "RULES", "SET", book, *options, *signed(request, None))


@post(
    "/v1/rules/preview",
    status_code=200,
    **describe("admin", _TAG, "What a book of rules would change", 413, 422),
)
async def preview_rules(request: GatewayRequest, data: JSONBody[PreviewRequest]) -> RulesPreview:
    """Which listings would be told another number, from what to what and why; changes nothing."""
    book = _ENCODER.encode(data.rules)
    return await ask(request, Lane.READ, RulesPreview, "RULES", "PREVIEW", book, "LIMIT", data.limit)


ROUTES = (show_rules, set_rules, preview_rules)
