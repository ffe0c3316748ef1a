"""The OpenAPI document, with an example everywhere, and a page that shows it without loading anything."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.types import ControllerRouterHandler, Method
from litestar.types.internal_types import PathParameterDefinition

from ops.gateway.bodies import GatewayRequest
from ops.gateway.examples.table import BY_SCHEMA, EXPLANATION, MEANINGS, example_problem
from ops.gateway.problems import MEDIA_TYPE


def _name_operation(handler: HTTPRouteHandler, _method: Method, _parts: list[str | PathParameterDefinition]) -> str:
    return handler.handler_name


_CONFIG = OpenAPIConfig(
    title="lastunit",
    version="1",
    description="Stock truth over HTTP: holds, stock, orders, channels. Answers that you saw are on disk.",
    operation_id_creator=_name_operation,
    tags=[
        Tag(name="holds", description="Promises to baskets: all lines or none, repeatable by id."),
        Tag(name="stock", description="What there is, what channels show of it, and why."),
        Tag(name="movements", description="Units that come, go, change state or are counted; repeatable by key."),
        Tag(name="documents", description="Purchase orders and transfers."),
        Tag(name="items", description="What SKUs are: names, barcodes, measures, prices; rename, merge, retire."),
        Tag(name="recipes", description="What bundles, kits and packs are made of."),
        Tag(name="rules", description="What channels may show: rules in versions, and what an edit would change."),
        Tag(name="campaigns", description="Units set aside for an account's campaigns; repeatable by key."),
        Tag(name="alerts", description="What people must hear of, and what they do about it."),
        Tag(name="orders", description="Orders as channels told them, and by hand."),
        Tag(name="channels", description="Accounts and how far they are in step."),
        Tag(name="health", description="For supervisors and Prometheus."),
        Tag(name="webhooks", description="Where channels deliver."),
    ],
    components=Components(
        security_schemes={
            "bearer": SecurityScheme(type="http", scheme="bearer", description="A token of `gateway.tokens`.")
        }
    ),
)

_WEBHOOK: dict[str, Any] = {
    "post": {
        "tags": ["webhooks"],
        "operationId": "take_webhook",
        "summary": "Take a delivery of a channel",
        "description": "Signed by the channel over the raw body. 200 means stored; anything else: send it again.",
        "security": [],
        "parameters": [{"name": "account", "in": "path", "required": True, "schema": {"type": "string"}}],
        "requestBody": {
            "description": "As the channel sends it; an order of WooCommerce, for one.",
            "required": True,
            "content": {"application/json": {"schema": {}, "example": {"id": 1001, "status": "processing"}}},
        },
        "responses": {
            "200": {
                "description": "Stored, seen before, or a ping.",
                "content": {
                    "application/json": {
                        "schema": {
                            "type": "object",
                            "required": ["outcome"],
                            "properties": {"outcome": {"type": "string", "enum": ["stored", "repeat", "ping"]}},
                        },
                        "example": {"outcome": "stored"},
                    }
                },
            },
            **{
                str(status): {
                    "description": description,
                    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
                }
                for status, description in (
                    (401, "The signature does not fit the body."),
                    (403, "The account has no webhook_secret."),
                    (404, "No such account."),
                    (408, "The body took too long."),
                    (413, "The body is too large."),
                    (503, "The daemon cannot store it now."),
                )
            },
        },
    }
}


def build_document(handlers: Sequence[ControllerRouterHandler]) -> dict[str, Any]:
    """Build the document: Litestar's, the webhook route that bypasses it, and an example for every content.

    The application that serves is another one, since Litestar adds pages that load scripts from elsewhere to any
    application that has a document.
    """
    app = Litestar(handlers, logging_config=None, openapi_config=_CONFIG, request_class=GatewayRequest)
    document: dict[str, Any] = app.openapi_schema.to_schema()
    document["paths"]["/webhooks/{account}"] = msgspec.json.decode(msgspec.json.encode(_WEBHOOK))
    for _, _, operation in _walk(document):
        if "requestBody" in operation:
            body = operation["requestBody"]
            body["required"] = not any("oneOf" in content["schema"] for content in body["content"].values())
            _complete(operation["operationId"], "", body)
        for status, answer in operation["responses"].items():
            _complete(operation["operationId"], status, answer)
    for name, schema in document["components"]["schemas"].items():
        if name in BY_SCHEMA:
            schema |= {"description": MEANINGS[name], "examples": [BY_SCHEMA[name]]}
    return document


def render_page(document: dict[str, Any]) -> str:
    """Render the document as one plain HTML page."""
    rows = "".join(_render_operation(path, method, operation) for path, method, operation in _walk(document))
    info = document["info"]
    return _PAGE.format(title=escape(info["title"]), text=escape(info["description"]), rows=rows)


def _walk(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _complete(operation_id: str, status: str, message: dict[str, Any]) -> None:
    """Give a body or an answer its example, and its type's meaning in place of the status' generic words."""
    for media_type, content in message["content"].items():
        if "example" not in content:
            content["example"] = _find_example(operation_id, status, media_type, content["schema"])
        name = _name_schema(content["schema"])
        if name in MEANINGS:
            message["description"] = MEANINGS[name]


def _find_example(operation_id: str, status: str, media_type: str, schema: dict[str, Any]) -> object:
    if media_type == MEDIA_TYPE:
        return example_problem(int(status))
    if media_type == "text/plain":
        return "# TYPE lastunit_gateway_in_flight gauge\nlastunit_gateway_in_flight 1.0\n"
    if operation_id == "explain_sku":
        return EXPLANATION
    return BY_SCHEMA[_name_schema(schema)]


def _name_schema(schema: dict[str, Any]) -> str:
    """Name the component that a schema refers to, also as one of several; empty for one without."""
    references = [part["$ref"] for part in (schema, *schema.get("oneOf", ())) if "$ref" in part]
    return references[0].rpartition("/")[2] if references else ""


def _render_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    scopes = [scope for need in operation.get("security", ()) for scope in need.get("bearer", ())]
    parts = [
        f"<p>{escape(operation.get('description', ''))}</p>",
        f"<p>Scope: <b>{escape(', '.join(scopes)) or 'none, open'}</b></p>",
    ]
    for parameter in operation.get("parameters", ()):
        where = f"{parameter['in']}{', required' if parameter.get('required') else ''}"
        parts.append(
            f"<p><code>{escape(parameter['name'])}</code> ({where}) {escape(parameter.get('description', ''))}</p>"
        )
    if "requestBody" in operation:
        parts.append(_render_message("Body", operation["requestBody"]))
    parts += [_render_message(status, answer) for status, answer in sorted(operation["responses"].items())]
    head = f"<b>{method.upper()}</b> <code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
    return f"<details><summary>{head}</summary>{''.join(parts)}</details>"


def _render_message(name: str, message: dict[str, Any]) -> str:
    text = f"<h4>{escape(name)} {escape(message.get('description', ''))}</h4>"
    for content in message.get("content", {}).values():
        example = content["example"]
        shown = example if isinstance(example, str) else msgspec.json.format(msgspec.json.encode(example)).decode()
        text += f"<pre>{escape(shown)}</pre>"
    return text


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
summary{{cursor:pointer;padding:.3rem 0}}details{{border-top:1px solid #8884}}
pre{{background:#8881;padding:.6rem;overflow:auto}}h4{{margin:.8rem 0 .2rem}}</style></head>
<body><h1>{title}</h1><p>{text} The whole contract: <a href="/openapi.json">openapi.json</a>.</p>{rows}</body></html>
"""
