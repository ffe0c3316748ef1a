"""What a status and a body mean before anybody looks at rows."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.woocommerce.replies import Call, check_status, decode, is_missing, parse_retry_after, strip_noise
from adapters.channels.woocommerce.wire import (
    ORDER,
    RAW_ROWS,
)
from engine.domain.errors import (
    ChannelError,
    CredentialsRejected,
    MalformedReply,
    OutcomeUnknown,
    Refused,
    Throttled,
)

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
CALL = Call(channel="shop", operation="op", retry_after_seconds_max=900, secrets=("cs_test",))
WRITE = msgspec.structs.replace(CALL, writes=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("999999999999", 900),
        ("Wed, 11 Nov 2026 12:00:30 GMT", 30),
        ("Wed, 11 Nov 2026 11:00:00 GMT", 0),
        ("Wed, 11 Nov 2036 12:00:00 GMT", 900),
        ("Wednesday, 11-Nov-26 12:00:30 GMT", 30),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_capped(value: str, seconds: float | None) -> None:
    """RFC 9110 section 10.2.3."""
    assert parse_retry_after(value, NOW, seconds_max=900) == seconds


@given(value=st.text(max_size=40))
def test_no_retry_after_parks_us_longer_than_allowed(value: str) -> None:
    wait = parse_retry_after(value, NOW, seconds_max=900)
    assert wait is None or 0 <= wait <= 900


WOO_ERROR = b'{"code":"woocommerce_rest_cannot_view","message":"Sorry","data":{"status":401}}'
PAGE = b"<!DOCTYPE html><html>blocked</html>"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (301, b"", Refused),
        (400, WOO_ERROR, Refused),
        (401, WOO_ERROR, CredentialsRejected),
        (401, PAGE, CredentialsRejected),
        (403, WOO_ERROR, CredentialsRejected),
        (403, PAGE, Throttled),
        (403, b'{"error":"bot detected"}', Throttled),
        (404, b'{"code":"rest_no_route","message":"No route","data":{"status":404}}', Refused),
        (404, PAGE, Refused),
        (408, b"", OutcomeUnknown),
        (413, PAGE, Refused),
        (429, PAGE, Throttled),
        (500, b'{"code":"internal_server_error","message":"critical"}', OutcomeUnknown),
        (502, PAGE, OutcomeUnknown),
        (503, PAGE, Throttled),
        (504, PAGE, OutcomeUnknown),
        (520, PAGE, OutcomeUnknown),
        (102, b"", OutcomeUnknown),
        (999, b"", OutcomeUnknown),
    ],
)
def test_a_status_says_what_the_caller_may_do(status: int, body: bytes, kind: type[ChannelError]) -> None:
    headers = {"retry-after": "7", "content-type": "text/html; charset=UTF-8", "location": "https://www.shop.test/"}
    with pytest.raises(ChannelError) as caught:
        check_status(CALL, status, headers, body, NOW)
    assert type(caught.value) is kind
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after_seconds == 7


def test_what_a_host_says_is_repeated_without_our_keys() -> None:
    body = b'{"code":"rest_invalid_param","message":"bad request: /orders?consumer_secret=cs_test\\n"}'
    with pytest.raises(Refused, match=r"consumer_secret=\*\*\*") as caught:
        check_status(CALL, 400, {}, body, NOW)
    assert "cs_test" not in str(caught.value)
    with pytest.raises(Refused) as caught:
        check_status(CALL, 302, {"location": "https://u:cs_test@www.shop.test/wp?consumer_secret=cs_test"}, b"", NOW)
    assert caught.value.reason == "HTTP 302 sends us to https://www.shop.test/wp: write the final address into `url`"


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\xef\xbb\xbf",
        b"\n\n",
        b"\xef\xbb\xbf\n<br />\n<b>Deprecated</b>:  Dynamic property in <b>/x.php</b> on line <b>3</b><br />\n",
        b"\nWarning: Undefined array key in /x.php on line 7\nPHP Notice: again\n\xef\xbb\xbf",
    ],
)
def test_a_bom_and_printed_php_warnings_before_json_are_passed_over(noise: bytes) -> None:
    assert decode(CALL, RAW_ROWS, noise + b'[{"id":1}]') == [msgspec.Raw(b'{"id":1}')]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        PAGE,
        b'[{"id":1}',
        b'[{"id":1}]<!-- cached by plugin -->',
        b"<br />\n<b>Fatal error</b>:  Allowed memory size in <b>/x.php</b> on line <b>3</b><br />\n[]",
        b"Are you human?\n[]",
        b'{"code":"rest_no_route","message":"as HTTP 200"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b"null",
    ],
)
def test_a_successful_answer_that_is_not_the_answer_is_never_an_empty_list(body: bytes) -> None:
    """Lessons D16, E9: errors delivered as HTTP 200; empty is not zero. A write may have happened all the same."""
    with pytest.raises(MalformedReply):
        decode(CALL, RAW_ROWS, body)
    with pytest.raises(OutcomeUnknown):
        decode(WRITE, RAW_ROWS, body)


@given(status=st.integers(0, 999), body=st.binary(max_size=60), retry=st.text(max_size=12), place=st.text(max_size=30))
def test_no_answer_raises_anything_but_channel_errors(status: int, body: bytes, retry: str, place: str) -> None:
    try:
        check_status(CALL, status, {"retry-after": retry, "location": place, "content-type": retry}, body, NOW)
        decode(CALL, ORDER, strip_noise(body))
    except ChannelError:
        pass
    assert is_missing(status, body) in {True, False}


def test_only_woocommerce_itself_can_say_that_something_is_gone() -> None:
    """Lesson E4: a 404 of a cache or a firewall is no news of an order."""
    assert is_missing(404, b'{"code":"woocommerce_rest_shop_order_invalid_id","message":"Invalid ID."}')
    assert is_missing(404, b'{"code":"woocommerce_rest_product_variation_invalid_parent"}')
    assert not is_missing(404, b'{"code":"rest_no_route"}')
    assert not is_missing(404, PAGE)
    assert not is_missing(200, b'{"code":"woocommerce_rest_shop_order_invalid_id"}')
