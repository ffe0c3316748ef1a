"""The gateway's pure parts: problems, tokens, bodies, metrics texts, guards."""

import asyncio
import contextlib
import importlib
import pkgutil
import re
import typing
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hmac import digest
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from config.schema import Secret, Token, WooCommerceAccount
from ops.gateway import bodies, models
from ops.gateway.auth import Doorkeeper
from ops.gateway.bodies import BodyReader, ClientGone, decode_body, decode_segment
from ops.gateway.client import Address, DaemonClient
from ops.gateway.examples.table import BY_SCHEMA, example_problem
from ops.gateway.link import DaemonMisread, DaemonRefused, DaemonUnavailable, parse_refusal
from ops.gateway.models.holds import HoldRequest
from ops.gateway.problems import KINDS, Problem, explain_failure
from ops.gateway.telemetry import Telemetry, merge_expositions
from ops.gateway.webhooks import build_guard, name_outcome

# Problems


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (parse_refusal("OUTOFSTOCK sku=A requested=3 atp=-2"), 409, "OUTOFSTOCK"),
        (parse_refusal("STALLED"), 503, "STALLED"),
        (parse_refusal("NOPERM not you"), 502, "BADREPLY"),
        (DaemonUnavailable("away", sent=True), 503, "UNAVAILABLE"),
        (DaemonUnavailable("away", sent=False), 503, "UNAVAILABLE"),
        (DaemonMisread("what?"), 502, "BADREPLY"),
    ],
)
def test_each_failure_becomes_one_problem(
    error: DaemonRefused | DaemonUnavailable | DaemonMisread, status: int, code: str
) -> None:
    problem = explain_failure(error)
    assert (problem.status, problem.document.code) == (status, code)
    assert (problem.headers.get("retry-after") is not None) == (status == 503)


@given(sku=st.text(max_size=20), requested=st.integers(0, 10**9), atp=st.integers(-(10**9), 10**9))
def test_the_figures_of_a_short_hold_survive_any_sku(sku: str, requested: int, atp: int) -> None:
    document = explain_failure(parse_refusal(f"OUTOFSTOCK sku={sku} requested={requested} atp={atp}")).document
    assert (document.sku, document.requested, document.atp) == (sku, requested, atp)


def test_an_outofstock_in_other_words_is_still_one() -> None:
    document = explain_failure(DaemonRefused("OUTOFSTOCK", "sold out")).document
    assert (document.status, document.detail, document.sku) == (409, "sold out", None)


@pytest.mark.parametrize("code", ["TOOBIG", "TIMEOUT"])
def test_a_body_that_was_not_read_closes_the_connection(code: str) -> None:
    assert Problem(code, "x").headers["connection"] == "close"


def test_every_status_in_the_documents_has_an_example_of_its_own() -> None:
    for status in {status for status, _, _ in KINDS.values()} - {405, 500}:
        assert example_problem(status)["status"] == status


MODELS = {
    name: kind
    for room in (f"ops.gateway.models.{module.name}" for module in pkgutil.iter_modules(models.__path__))
    for name, kind in vars(importlib.import_module(room)).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind.__module__ == room
}


def parts_of(kind: type[msgspec.Struct]) -> set[str]:
    """Return the structs that its fields are made of."""
    found = re.findall(r"\w+", " ".join(str(hint) for hint in typing.get_type_hints(kind).values()))
    return {name for name in found if name in MODELS} - {kind.__name__}


def test_every_body_and_answer_has_an_example_that_it_accepts() -> None:
    for name, example in BY_SCHEMA.items():
        assert msgspec.to_builtins(msgspec.convert(example, MODELS[name])) == example
    parts = {part for kind in MODELS.values() for part in parts_of(kind)}
    parts |= {base.__name__ for kind in MODELS.values() for base in kind.__mro__[1:]}
    assert {name for name in MODELS if not name.startswith("_")} - parts <= set(BY_SCHEMA)


# Tokens

DOORKEEPER = Doorkeeper(
    (
        Token(name="till", secret=Secret("till-token"), scopes=("holds",)),
        Token(name="boss", secret=Secret("boss-token"), scopes=("admin", "stock:read")),
    )
)


def test_a_token_opens_its_own_scopes_only() -> None:
    assert DOORKEEPER.admit("Bearer till-token", "holds").name == "till"
    assert DOORKEEPER.admit("bearer  boss-token ", "admin").name == "boss"
    with pytest.raises(Problem, match="till lacks scope admin"):
        DOORKEEPER.admit("Bearer till-token", "admin")


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "till-token", "Basic till-token", "Bearer till-toke"]
)
def test_anything_else_is_a_stranger(header: str | None) -> None:
    with pytest.raises(Problem) as caught:
        DOORKEEPER.admit(header, "holds")
    assert caught.value.status == 401
    assert "till-tok" not in str(caught.value)


def test_without_tokens_nobody_is_let_in() -> None:
    with pytest.raises(Problem, match="not known"):
        Doorkeeper(()).admit("Bearer x", "holds")


def test_no_secret_is_kept_in_clear_text() -> None:
    assert "till-token" not in str(vars(DOORKEEPER))


# Bodies


def receiver(*events: dict[str, object]) -> Callable[[], Awaitable[Any]]:
    left = list(events)

    async def receive() -> dict[str, object]:
        return left.pop(0)

    return receive


def chunk(body: bytes, *, more: bool = False) -> dict[str, object]:
    return {"type": "http.request", "body": body, "more_body": more}


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=6))
def test_a_body_is_the_sum_of_its_chunks_up_to_the_limit(chunks: list[bytes]) -> None:
    reader = BodyReader(60)
    events = [chunk(part, more=True) for part in chunks[:-1]] + [chunk(chunks[-1])]
    whole = b"".join(chunks)
    if len(whole) <= 60:
        assert asyncio.run(reader.read(receiver(*events))) == whole
    else:
        with pytest.raises(Problem, match="larger than 60 bytes"):
            asyncio.run(reader.read(receiver(*events)))
    assert reader.buffered_bytes == 0


def test_a_caller_who_hangs_up_gives_his_share_back() -> None:
    reader = BodyReader(60)
    with pytest.raises(ClientGone):
        asyncio.run(reader.read(receiver(chunk(b"x", more=True), {"type": "http.disconnect"})))
    assert reader.buffered_bytes == 0


def test_all_bodies_together_have_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BUFFERED_BYTES_MAX", 30)
    reader = BodyReader(60)
    with pytest.raises(Problem) as caught:
        asyncio.run(reader.read(receiver(chunk(b"x" * 31))))
    assert (caught.value.status, caught.value.headers["connection"]) == (503, "close")


@given(st.binary(max_size=80) | st.sampled_from([b"[" * 50_000, b'{"a":' * 50_000]))
def test_any_bytes_are_a_body_or_a_problem_of_the_callers(body: bytes) -> None:
    with contextlib.suppress(Problem):
        decode_body(body, HoldRequest)


@given(st.text())
def test_a_segment_comes_back_as_it_was_sent(text: str) -> None:
    assert decode_segment("".join(f"%{byte:02x}" for byte in text.encode()), "it") == text


# Metrics


def test_a_family_is_never_told_twice() -> None:
    ours = "# HELP a_total A.\n# TYPE a_total counter\na_total 1.0\n"
    theirs = (
        '# HELP b B.\n# TYPE b gauge\nb{x="# TYPE a_total"} 2.0\n'
        "# HELP a_total Other.\n# TYPE a_total counter\na_total 9.0\n# TYPE c gauge\nc 3.0\n# EOF"
    )
    merged = merge_expositions(ours, theirs)
    families = {family.name: family.samples[0].value for family in text_string_to_metric_families(merged)}
    assert families == {"a": 1, "b": 2, "c": 3}
    assert merged.count("# TYPE a_total") == 2, "once as a family, once in a label"
    assert "EOF" not in merged


def test_the_gateways_own_metrics_are_whole_without_a_request() -> None:
    telemetry = Telemetry(CollectorRegistry(), DaemonClient(Address(host="x", port=1)))
    telemetry.count_request("GET", "/v1/x", 204, 0.5)
    telemetry.count_webhook("shop", "forged")
    names = [family.name for family in text_string_to_metric_families(telemetry.expose())]
    assert len(names) == len(set(names))
    assert {"lastunit_webhooks", "lastunit_gateway_daemon_connections"} <= set(names)


# Webhooks

ACCOUNT = WooCommerceAccount(
    id="shop",
    locations=("main",),
    url="https://shop.example",
    consumer_key=Secret(""),
    consumer_secret=Secret(""),
    webhook_secret=Secret("s"),
)


def test_an_account_without_a_secret_has_no_guard() -> None:
    assert build_guard(msgspec.structs.replace(ACCOUNT, webhook_secret=None)) is None


def test_the_guard_of_a_shop_knows_genuine_forged_and_pings() -> None:
    guard = build_guard(ACCOUNT)
    assert guard is not None
    signature = b64encode(digest(b"s", b"{}", "sha256")).decode()
    assert guard.is_genuine({"x-wc-webhook-signature": signature}, b"{}")
    assert not guard.is_genuine({"x-wc-webhook-signature": signature}, b"{} ")
    assert not guard.is_genuine({}, b"{}")
    assert guard.is_ping({}, b"webhook_id=3")
    assert not guard.is_ping({}, b'{"webhook_id": 3}')
    assert "x-wc-webhook-signature" not in guard.kept_headers
    assert guard.name_delivery({}, b"{}") != guard.name_delivery({}, b"[]")


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("FORGED", "forged"),
        ("TOOBIG", "too_big"),
        ("NOTSIGNED", "switched_off"),
        ("STALLED", "failed"),
        ("BADMETHOD", "refused"),
    ],
)
def test_outcomes_are_few_words(code: str, outcome: str) -> None:
    assert name_outcome(Problem(code, "x")) == outcome
