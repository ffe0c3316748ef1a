"""Every way to people against a real small server: what arrives, and what each failure is called."""

import base64
import hashlib
import hmac
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from adapters.notify.message import LINES_MAX, document_of, line_of, text_of, title_of
from adapters.notify.slack import SlackNotifier, SlackSettings, build_body
from adapters.notify.smtp import SmtpNotifier, SmtpSettings, build_mail
from adapters.notify.webhook import WebhookNotifier, WebhookSettings, error_of, sign
from engine.domain.alerts import AlertId, Message, Notice, Transition
from engine.domain.errors import (
    ChannelError,
    CredentialsRejected,
    NotSent,
    OutcomeUnknown,
    Refused,
    Throttled,
)
from tests.fakes.clocks import START, HandClock
from tests.fakes.sinks import HttpSink, SmtpSink, make_certificate

SECRET = "s3cret"
LOGIN = base64.b64encode(b"\0lastunit\0pa55").decode()


def notice(number: int = 17, **changes: Any) -> Notice:
    base: dict[str, Any] = {
        "alert_id": AlertId(number),
        "transition": Transition.RAISED,
        "kind": "oversell",
        "subject": "A-1",
        "severity": "critical",
        "text": "A-1: 2 promised beyond what there is",
        "details": (("sku", "A-1"), ("open_units", "2")),
        "raised_at": START,
        "at": START,
    }
    return Notice(**(base | changes))


def message(*notices: Notice) -> Message:
    return Message(message_id="ops-17-raised-20261111T120000", destination="ops", at=START, notices=notices)


ONE = message(notice())
NASTY = "A\r\nBcc: all@example.com\r\n\r\n<!channel> & <http://evil|click>"


# -- what is said


def test_one_line_says_what_is_the_matter() -> None:
    assert title_of(ONE, node="north") == "[north] CRITICAL: oversell: A-1: 2 promised beyond what there is"
    assert line_of(notice(suppressed=3)).endswith("what there is (came back 3 times in between)")
    since_a_start = notice(suppressed=3, suppressed_since=START)
    assert line_of(since_a_start).endswith("what there is (came back at least 3 times in between)")
    acknowledged = notice(transition=Transition.ACKNOWLEDGED, by="ann")
    assert line_of(acknowledged).startswith("Acknowledged by ann: CRITICAL: oversell: A-1")
    assert line_of(notice(transition=Transition.RESOLVED)).startswith("Resolved: CRITICAL")
    assert line_of(notice(transition=Transition.RESOLVED, by="ann")).startswith("Resolved by ann: CRITICAL")


def test_a_digest_begins_with_how_many_and_the_worst() -> None:
    low = notice(1, kind="low_stock", severity="notice", text="B: 4 available (limit 5)")
    title = title_of(message(low, notice(), notice(3, transition=Transition.RESOLVED)), node="north")
    assert title == "[north] 3 alerts, 2 of them new; CRITICAL: oversell: A-1: 2 promised beyond what there is"


def test_people_are_not_shown_more_than_they_read_and_are_told_so() -> None:
    text = text_of(message(*(notice(number) for number in range(1, LINES_MAX + 4))), node="north")
    lines = text.splitlines()
    assert len(lines) == LINES_MAX + 1
    assert lines[0].startswith("2026-11-11 12:00:00 UTC  #1  CRITICAL: oversell")
    assert lines[-1] == "... and 3 more: lastunit alerts"


def test_long_titles_are_cut() -> None:
    assert len(title_of(message(notice(text="x" * 999)), node="north")) == 150


def test_programs_get_all_of_it_and_always_the_same_bytes() -> None:
    document = msgspec.json.decode(document_of(ONE, node="north"))
    assert document == {
        "id": "ops-17-raised-20261111T120000",
        "node": "north",
        "at": "2026-11-11T12:00:00Z",
        "test": False,
        "alerts": [
            {
                "alert": 17,
                "transition": "raised",
                "kind": "oversell",
                "subject": "A-1",
                "severity": "critical",
                "text": "A-1: 2 promised beyond what there is",
                "details": {"sku": "A-1", "open_units": "2"},
                "raised_at": "2026-11-11T12:00:00Z",
                "at": "2026-11-11T12:00:00Z",
                "by": None,
                "suppressed": 0,
                "suppressed_since": None,
            }
        ],
    }
    assert document_of(ONE, node="north") == document_of(ONE, node="north")
    assert msgspec.json.decode(document_of(message(), node="north"))["test"] is True


# -- webhooks


@asynccontextmanager
async def webhook(sink: HttpSink) -> AsyncIterator[WebhookNotifier]:
    settings = WebhookSettings(destination="ops", node="north", url=f"{sink.url}/hook?a=1", signing_secret=SECRET)
    notifier = WebhookNotifier(settings, clock=HandClock())
    try:
        yield notifier
    finally:
        await notifier.aclose()


@pytest.mark.slow
async def test_a_webhook_is_signed_over_time_and_body() -> None:
    async with HttpSink().listening() as sink, webhook(sink) as notifier:
        await notifier.send(ONE)
        [posted] = sink.posted
    timestamp = posted.headers["x-lastunit-timestamp"]
    assert timestamp == str(int(START.timestamp()))
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + posted.body, hashlib.sha256).hexdigest()
    assert posted.headers["x-lastunit-signature"] == f"sha256={expected}"
    assert posted.headers["x-lastunit-message"] == ONE.message_id
    assert posted.headers["content-type"] == "application/json"
    assert posted.target == "/hook?a=1"
    assert posted.body == document_of(ONE, node="north")


def test_the_signature_depends_on_all_of_it() -> None:
    signed = sign(SECRET, "1", b"body")
    assert signed == "sha256=" + hmac.new(b"s3cret", b"1.body", hashlib.sha256).hexdigest()
    assert len({signed, sign("other", "1", b"body"), sign(SECRET, "2", b"body"), sign(SECRET, "1", b"bodi")}) == 4


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (204, None),
        (301, Refused),
        (400, Refused),
        (401, CredentialsRejected),
        (403, CredentialsRejected),
        (404, OutcomeUnknown),
        (408, OutcomeUnknown),
        (410, OutcomeUnknown),
        (413, Refused),
        (429, Throttled),
        (500, OutcomeUnknown),
        (503, OutcomeUnknown),
    ],
)
def test_each_status_is_called_by_what_may_be_done(status: int, kind: type[ChannelError] | None) -> None:
    assert type(error_of("ops", status, "")) is (type(None) if kind is None else kind)


@pytest.mark.parametrize(("value", "seconds"), [("", None), ("12", 12.0), ("soon", None), ("9" * 400, None)])
def test_patience_is_heard_where_it_is_a_number(value: str, seconds: float | None) -> None:
    error = error_of("ops", 429, value)
    assert isinstance(error, Throttled)
    assert error.retry_after_seconds == seconds


@pytest.mark.slow
async def test_a_webhook_that_fails_is_told_apart() -> None:
    async with HttpSink().listening() as sink, webhook(sink) as notifier:
        sink.statuses = [503, 400, 200]
        with pytest.raises(OutcomeUnknown, match="ops: send: HTTP 503"):
            await notifier.send(ONE)
        with pytest.raises(Refused, match="HTTP 400"):
            await notifier.send(ONE)
        await notifier.send(ONE)
        url = sink.url
    assert len({posted.body for posted in sink.posted}) == 1
    async with webhook(sink) as notifier:
        assert sink.url == url
        with pytest.raises(NotSent):
            await notifier.send(ONE)


# -- Slack and its kin


@pytest.mark.slow
async def test_a_hook_gets_text() -> None:
    async with HttpSink().listening() as sink:
        notifier = SlackNotifier(SlackSettings(destination="ops", node="north", hook_url=f"{sink.url}/T0/B0/xyz"))
        await notifier.send(ONE)
        sink.statuses = [404]
        with pytest.raises(OutcomeUnknown) as raised:
            await notifier.send(ONE)
        await notifier.aclose()
    assert "xyz" not in str(raised.value), "the address is the secret"
    assert sink.posted[0].target == "/T0/B0/xyz"
    text = msgspec.json.decode(sink.posted[0].body)["text"]
    assert text == ("[north]\n2026-11-11 12:00:00 UTC  #17  CRITICAL: oversell: A-1: 2 promised beyond what there is")


def test_nothing_in_a_text_is_a_link_or_a_mention() -> None:
    text = msgspec.json.decode(build_body(message(notice(text=NASTY)), node="north"))["text"]
    assert "<" not in text
    assert "&lt;!channel&gt; &amp; &lt;http://evil|click&gt;" in text
    assert len(text.splitlines()) == 2


def test_a_long_text_says_that_it_is_cut() -> None:
    notices = [notice(number, text="x" * 600) for number in range(1, 51)]
    text = msgspec.json.decode(build_body(message(*notices), node="north"))["text"]
    assert len(text) < 12_100
    assert text.endswith("... cut off: lastunit alerts shows the rest")


def test_no_secret_is_shown() -> None:
    shown = [
        repr(WebhookSettings(destination="ops", node="n", url="http://x", signing_secret=SECRET)),
        repr(SlackSettings(destination="ops", node="n", hook_url=SECRET)),
        repr(mail_settings(1, password=SECRET)),
    ]
    assert SECRET not in "".join(shown)


# -- e-mail


def mail_settings(port: int, **changes: Any) -> SmtpSettings:
    base: dict[str, Any] = {
        "destination": "owner",
        "node": "north",
        "host": "localhost",
        "port": port,
        "security": "plain",
        "sender": "lastunit@example.com",
        "recipients": ("ann@example.com", "bob@example.com"),
        "seconds_max": 5.0,
    }
    return SmtpSettings(**(base | changes))


@pytest.mark.slow
async def test_a_mail_arrives_whole() -> None:
    umlaut = message(notice(text="Tässe: 2 promised\u2026"))
    async with SmtpSink().listening() as sink:
        await SmtpNotifier(mail_settings(sink.port)).send(umlaut)
    [(sender, recipients, mail)] = sink.mails
    assert (sender, recipients) == ("lastunit@example.com", ("ann@example.com", "bob@example.com"))
    assert mail["Subject"] == "[north] CRITICAL: oversell: Tässe: 2 promised\u2026"
    assert mail["From"] == "lastunit@example.com"
    assert mail["Message-ID"] == "<ops-17-raised-20261111T120000.north@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == START
    assert mail.get_content().strip() == text_of(umlaut, node="north")


def test_what_comes_from_outside_makes_no_head_of_its_own() -> None:
    mail = build_mail(message(notice(text=NASTY)), mail_settings(1))
    assert mail["Bcc"] is None
    assert b"\r\nBcc" not in mail.as_bytes().partition(b"\r\n\r\n")[0]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mails_go_encrypted_with_a_login(tmp_path: Path, security: str) -> None:
    tls, certificate = make_certificate(tmp_path)
    sink = SmtpSink(tls=tls, implicit=security == "tls", login=LOGIN)
    async with sink.listening():
        settings = mail_settings(
            sink.port, security=security, username="lastunit", password="pa55", ca_file=certificate
        )
        await SmtpNotifier(settings).send(ONE)
        with pytest.raises(CredentialsRejected, match="answered 535 to the login") as raised:
            await SmtpNotifier(msgspec.structs.replace(settings, password="wr0ng")).send(ONE)
        with pytest.raises(NotSent, match="certificate"):
            await SmtpNotifier(msgspec.structs.replace(settings, ca_file=None)).send(ONE)
    assert len(sink.mails) == 1
    assert "wr0ng" not in str(raised.value)
    if security == "starttls":
        assert sink.seen.index("STARTTLS") < next(n for n, line in enumerate(sink.seen) if line.startswith("AUTH"))


@pytest.mark.slow
async def test_without_encryption_nothing_is_sent_where_it_is_asked_for() -> None:
    async with SmtpSink().listening() as sink:
        with pytest.raises(NotSent, match="cannot do what is asked"):
            await SmtpNotifier(mail_settings(sink.port, security="starttls")).send(ONE)
    assert sink.mails == []
    assert not any(line.startswith(("AUTH", "MAIL")) for line in sink.seen)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ({"CONNECT": "421 busy"}, OutcomeUnknown),
        ({"CONNECT": "554 go away"}, Refused),
        ({"MAIL": "451 later"}, OutcomeUnknown),
        ({"MAIL": "550 never"}, Refused),
        ({"RCPT ann@example.com": "450 later", "RCPT bob@example.com": "550 never"}, OutcomeUnknown),
        ({"RCPT ann@example.com": "550 never", "RCPT bob@example.com": "550 never"}, Refused),
        ({".": "452 full"}, OutcomeUnknown),
        ({".": "554 spam"}, Refused),
    ],
)
async def test_each_answer_of_a_mail_server_is_called_by_what_may_be_done(
    answers: dict[str, str], kind: type[ChannelError]
) -> None:
    async with SmtpSink().listening() as sink:
        sink.answers = answers
        with pytest.raises(ChannelError) as raised:
            await SmtpNotifier(mail_settings(sink.port)).send(ONE)
        assert type(raised.value) is kind
    assert sink.mails == []


@pytest.mark.slow
async def test_who_can_get_the_mail_gets_it_once() -> None:
    async with SmtpSink().listening() as sink:
        sink.answers = {"RCPT bob@example.com": "550 unknown"}
        await SmtpNotifier(mail_settings(sink.port)).send(ONE)
    assert [recipients for _, recipients, _ in sink.mails] == [("ann@example.com",)]


@pytest.mark.slow
async def test_a_bad_goodbye_changes_nothing() -> None:
    async with SmtpSink().listening() as sink:
        sink.answers = {"QUIT": "500 what?"}
        await SmtpNotifier(mail_settings(sink.port)).send(ONE)
    assert len(sink.mails) == 1


async def test_a_server_that_is_away_is_told_apart() -> None:
    async with SmtpSink().listening() as sink:
        port = sink.port
    with pytest.raises(NotSent, match="refused"):
        await SmtpNotifier(mail_settings(port)).send(ONE)


@pytest.mark.slow
async def test_a_caller_who_gives_up_does_not_wait_for_the_thread() -> None:
    with trio.move_on_after(0.2) as patience:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]  # it never says a word
        await SmtpNotifier(mail_settings(port, host="127.0.0.1", seconds_max=1.0)).send(ONE)
    assert patience.cancelled_caught
    for listener in listeners:
        await listener.aclose()


def test_instants_are_part_of_what_is_said() -> None:
    later = notice(at=START + timedelta(minutes=4), transition=Transition.RESOLVED)
    assert text_of(message(later), node="n").startswith("2026-11-11 12:04:00 UTC  #17  Resolved: CRITICAL")
