"""How requests prove who we are, checked against other people's code."""

from base64 import b64encode
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oauthlib.oauth1.rfc5849 import signature as oauthlib_signature
from woocommerce.oauth import OAuth

from adapters.channels.woocommerce.auth import SignatureMethod, authorise, sign_oauth1
from adapters.channels.woocommerce.wire import (
    WooCommerceSettings,
    check_settings,
)
from engine.domain.units import AccountId

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
SETTINGS = WooCommerceSettings(
    account=AccountId("shop"), url="https://shop.test", consumer_key="ck_test", consumer_secret="cs_test"
)
HTTP_URL = "http://example.test/wp-json/wc/v3/orders"
OAUTH = (
    ("oauth_consumer_key", "ck_test"),
    ("oauth_nonce", "abc123"),
    ("oauth_signature_method", "HMAC-SHA256"),
    ("oauth_timestamp", "1700000000"),
)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
few = settings(max_examples=30)

Json = dict[str, Any]


def set_up(**changes: object) -> WooCommerceSettings:
    return msgspec.structs.replace(SETTINGS, **changes)


def test_the_vector_of_the_fact_sheet_is_signed() -> None:
    signature = sign_oauth1("GET", HTTP_URL, (("per_page", "100"), *OAUTH), "cs_test", "HMAC-SHA256")
    assert signature == "iNQCP6wxiCneWUtjD6vwG00PtQ7pbtCCVn1R2/jAE08="


@few
@given(params=st.lists(st.tuples(texts, texts), max_size=5), method=st.sampled_from(["GET", "post"]))
def test_signatures_agree_with_oauthlib(params: list[tuple[str, str]], method: str) -> None:
    signed = [*params, *OAUTH]
    client = SimpleNamespace(client_secret="cs_test", resource_owner_secret="")
    base = oauthlib_signature.signature_base_string(
        method, oauthlib_signature.base_string_uri(HTTP_URL), oauthlib_signature.normalize_parameters(signed)
    )
    kinds: tuple[tuple[SignatureMethod, Any], ...] = (
        ("HMAC-SHA1", oauthlib_signature.sign_hmac_sha1_with_client),
        ("HMAC-SHA256", oauthlib_signature.sign_hmac_sha256_with_client),
    )
    for kind, sign in kinds:
        assert sign_oauth1(method, HTTP_URL, signed, "cs_test", kind) == sign(base, client)


# Their client sorts names before encoding them, decodes values once more and leaves slashes as they are; the shop does
# none of that with names like ours and values without per cent signs and slashes.
@few
@given(
    params=st.dictionaries(
        st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=9),
        st.text(st.characters(codec="utf-8", exclude_characters="%/"), max_size=9),
        max_size=5,
    )
)
def test_signatures_agree_with_woocommerce_s_own_client(params: dict[str, str]) -> None:
    client = OAuth(HTTP_URL, "ck_test", "cs_test", method="GET", version="wc/v3")
    everything = {**params, **dict(OAUTH)}
    theirs = client.generate_oauth_signature(dict(everything), HTTP_URL)
    assert sign_oauth1("GET", HTTP_URL, tuple(everything.items()), "cs_test", "HMAC-SHA256") == theirs


def test_default_ports_and_letter_case_of_a_host_do_not_change_a_signature() -> None:
    url = "http://EXAMPLE.test:80/wp-json/wc/v3/orders"
    assert sign_oauth1("GET", url, OAUTH, "s", "HMAC-SHA1") == sign_oauth1("GET", HTTP_URL, OAUTH, "s", "HMAC-SHA1")


@pytest.mark.parametrize("query_string_auth", [False, True])
def test_over_plain_http_the_secret_never_leaves(query_string_auth: bool) -> None:
    settings = set_up(url="http://example.test", query_string_auth=query_string_auth)
    sent = authorise(settings, "GET", HTTP_URL, (("page", "1"),), nonce="n1", now=NOW)
    assert "cs_test" not in str(sent)
    assert sent[0] == ()
    assert dict(sent[1])["oauth_nonce"] == "n1"
    assert dict(sent[1])["oauth_timestamp"] == str(int(NOW.timestamp()))


def test_over_https_keys_go_in_the_header_or_for_hosts_that_drop_it_in_the_query() -> None:
    headers, query = authorise(SETTINGS, "GET", "https://shop.test/x", (("page", "1"),), nonce="", now=NOW)
    assert headers == (("Authorization", "Basic " + b64encode(b"ck_test:cs_test").decode()),)
    assert query == (("page", "1"),)
    headers, query = authorise(set_up(query_string_auth=True), "GET", "https://shop.test/x", (), nonce="", now=NOW)
    assert headers == ()
    assert urlencode(query) == "consumer_key=ck_test&consumer_secret=cs_test"


def test_settings_show_no_key() -> None:
    settings = set_up(webhook_secret="woo_secret", consumer_key="ck_live", consumer_secret="cs_live")
    shown = f"{settings!r} {settings} {settings.__rich_repr__()}"
    assert not any(key in shown for key in ("woo_secret", "ck_live", "cs_live"))
    assert "account='shop'" in shown


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"url": "shop.test"}, "url must be"),
        ({"url": "ftp://shop.test"}, "url must be"),
        ({"url": "https://user:pass@shop.test"}, "url must be"),
        ({"url": "https://shop.test/?a=1"}, "url must be"),
        ({"consumer_key": ""}, "consumer_key must be printable"),
        ({"consumer_key": "a:b"}, "colon"),
        ({"consumer_secret": "cs\nX-Evil: 1"}, "consumer_secret must be printable"),
        ({"delivery_url": "https://us.test/hooks"}, "webhook_secret is empty"),
        ({"delivery_url": "https://us.test/hooks?t=[1]", "webhook_secret": "s"}, "delivery_url must be"),
    ],
)
def test_settings_that_cannot_work_are_named(changes: Json, problem: str) -> None:
    (found,) = check_settings(set_up(**changes))
    assert problem in found


def test_good_settings_pass_and_unknown_ones_are_refused() -> None:
    assert (
        check_settings(set_up(url="http://shop.test/blog/", delivery_url="https://us.test/h", webhook_secret="s")) == ()
    )
    with pytest.raises(msgspec.ValidationError, match="basic_auth_over_http"):
        msgspec.convert({**msgspec.structs.asdict(SETTINGS), "basic_auth_over_http": True}, WooCommerceSettings)
