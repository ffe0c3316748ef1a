"""What a shop's answer means before anybody looks at its rows. Pure.

A WordPress host answers for itself, for its plugins, its cache and its firewall, and all of them may speak HTML with
any status. Here an answer becomes decoded JSON or exactly one `ChannelError`; an error page is never an empty list.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from adapters.channels.woocommerce.wire import ERROR, WireError, read_text
from engine.domain.errors import (
    ChannelError,
    CredentialsRejected,
    MalformedReply,
    OutcomeUnknown,
    Refused,
    Throttled,
)

T = TypeVar("T")

_BOM: Final = b"\xef\xbb\xbf"
# What PHP prints before the JSON when `display_errors` is on: "\n<br />\n<b>Warning</b>:  text in <b>file</b> ...\n".
# Fatal errors are not listed: after one of those the JSON, if any, is not the answer.
_PHP_DIAGNOSTIC: Final = re.compile(rb"(?:<b>|PHP )?(?:Notice|Warning|Deprecated|Strict Standards)(?:</b>)?: ")
_MISSING: Final = re.compile(r"_invalid(?:_[a-z]+){0,3}_(?:id|parent)\Z|_invalid_(?:id|parent)\Z")
_PHP_LINES_MAX: Final = 200
_REASON_CHARS_MAX: Final = 300


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request, as its errors name it."""

    channel: str
    operation: str
    writes: bool = False
    """An answer that cannot be read leaves the outcome unknown."""
    retry_after_seconds_max: float
    secrets: tuple[str, ...] = ()
    """Struck out of whatever the shop says: a host that echoes the request must not put keys into logs."""

    def __repr__(self) -> str:
        return f"Call({self.channel}: {self.operation})"

    def fail(self, kind: type[ChannelError], reason: str) -> ChannelError:
        """Build an error with this call's names."""
        return kind(self.channel, self.operation, self.redact(reason))

    def redact(self, text: str) -> str:
        """Strike out secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def parse_retry_after(value: str, now: datetime, *, seconds_max: float) -> float | None:
    """Read a Retry-After header, delay seconds or an HTTP date, as sent.

    `seconds_max` is a ceiling: a peer must not be able to park us for a week.

    Returns:
        Seconds to wait from `now`, in [0, seconds_max]; None when the header is neither form.

    Source: RFC 9110 section 10.2.3.
    """
    value = value.strip()
    if re.fullmatch(r"[0-9]{1,300}", value):
        return min(float(value), seconds_max)
    try:
        until = parsedate_to_datetime(value)
        until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
        return min(max((until - now).total_seconds(), 0.0), seconds_max)
    except (ValueError, TypeError, OverflowError):
        return None


def check_status(call: Call, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Return when the status promises an answer.

    Raises:
        ChannelError: every other status, by what the caller may do about it.
    """
    if 200 <= status < 300:
        return
    error = read_error(body)
    reason = f"HTTP {status}: {_describe(error, headers, body)}"
    if status in {429, 503} or (status == 403 and error is None):
        # 403 without a WordPress error object comes from a firewall or a host's abuse protection, not from WooCommerce.
        wait = parse_retry_after(headers.get("retry-after", ""), now, seconds_max=call.retry_after_seconds_max)
        raise Throttled(call.channel, call.operation, call.redact(reason), wait)
    if status in {401, 403}:
        raise call.fail(CredentialsRejected, reason)
    if 300 <= status < 400:
        place = _redact_location(headers.get("location", ""))
        raise call.fail(Refused, f"HTTP {status} sends us to {place}: write the final address into `url`")
    if 400 <= status < 500 and status != 408:
        raise call.fail(Refused, reason)
    raise call.fail(OutcomeUnknown, reason)


def decode(call: Call, decoder: "msgspec.json.Decoder[T]", body: bytes | msgspec.Raw) -> T:
    """Decode a successful answer.

    Raises:
        MalformedReply: a read brought something else than JSON of this shape.
        OutcomeUnknown: a write did; it may well have happened.
    """
    body = bytes(body)
    try:
        return decoder.decode(strip_noise(body))
    except (ValueError, RecursionError) as error:
        kind = OutcomeUnknown if call.writes else MalformedReply
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise call.fail(kind, f"{len(body)} bytes that are not the answer: {why}") from error


def strip_noise(body: bytes) -> bytes:
    """Take off what hosts put before JSON and what cannot change its meaning: a BOM, and PHP's printed diagnostics.

    A shop whose host shows deprecations would otherwise stop syncing the night PHP is updated. Anything else before the
    JSON, and anything behind it, stays and makes the answer malformed. Asking with `Accept: application/json` already
    silences most of it (wp-includes/load.php, wp_is_json_request).
    """
    body = body.removeprefix(_BOM)
    for _ in range(_PHP_LINES_MAX):
        line, newline, rest = body.partition(b"\n")
        line = line.strip()
        if not newline or (line not in {b"", b"<br />"} and not _PHP_DIAGNOSTIC.match(line)):
            break
        body = rest
    return body.removeprefix(_BOM)


def read_error(body: bytes) -> WireError | None:
    """Read WordPress' own error object; None when the body is anything else."""
    try:
        error = ERROR.decode(strip_noise(body))
    except (ValueError, RecursionError):
        return None
    return error if re.match(r"(?:woocommerce|rest|wp|json|internal)_", read_text(error.code)) else None


def is_missing(status: int, body: bytes) -> bool:
    """Whether WooCommerce itself says that this resource does not exist; a 404 of anybody else says nothing."""
    error = read_error(body) if status == 404 else None
    return error is not None and bool(_MISSING.search(read_text(error.code)))


def describe_error(error: WireError) -> str:
    """`code: message`, on one line and short."""
    text = f"{read_text(error.code)}: {read_text(error.message)}"
    return "".join(c if c.isprintable() else " " for c in text[:_REASON_CHARS_MAX])


def _describe(error: WireError | None, headers: Mapping[str, str], body: bytes) -> str:
    if error is not None:
        return describe_error(error)
    kind = re.sub(r"[^\w/.+-].*", "", headers.get("content-type", ""), flags=re.DOTALL)[:60]
    return f"{len(body)} bytes of {kind or 'unknown type'}, not an error of WooCommerce"


def _redact_location(location: str) -> str:
    """Scheme, host and path only: a redirect repeats the query, which may hold keys."""
    try:
        parts = urlsplit(location)
        host = parts.hostname or ""
    except ValueError:
        return "an unreadable address"
    text = f"{parts.scheme}://{host}{parts.path}" if host else parts.path or "nowhere"
    return "".join(c for c in text[:_REASON_CHARS_MAX] if c.isprintable())
