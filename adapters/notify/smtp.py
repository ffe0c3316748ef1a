"""E-mail, by the standard library in a thread of its own.

Source: RFC 5321; RFC 3834 for the head that keeps vacation answers away.
"""

import smtplib
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import partial
from typing import Literal

import msgspec
import structlog
import trio

from adapters.notify.message import text_of, title_of
from engine.domain.alerts import Message
from engine.domain.errors import ChannelError, CredentialsRejected, NotSent, OutcomeUnknown, Refused

log = structlog.get_logger(__name__)

Security = Literal["starttls", "tls", "plain"]


class SmtpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One mail server and who is written to."""

    destination: str
    node: str
    host: str
    port: int
    security: Security
    sender: str
    recipients: tuple[str, ...]
    username: str | None = None
    password: str | None = None
    seconds_max: float = 10.0
    """Longest silence of the server."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's, PEM."""

    def __repr__(self) -> str:
        return f"SmtpSettings(destination={self.destination!r}, host={self.host!r})"


def build_mail(message: Message, settings: SmtpSettings) -> EmailMessage:
    """Build the mail. The same message has the same Message-ID, so that mail programs drop repeats."""
    mail = EmailMessage(policy=SMTP)
    domain = settings.sender.rpartition("@")[2]
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.recipients)
    mail["Subject"] = title_of(message, node=settings.node)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.message_id}.{settings.node}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text_of(message, node=settings.node) + "\n")
    return mail


class SmtpNotifier:
    """Sends through one mail server, a connection per mail: alerts are rare, and idle connections die unseen."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Open no connection yet."""
        self._settings = settings

    async def send(self, message: Message) -> None:
        """Send (`engine.ports.Notifier`). If the caller gives up, the thread ends by its own deadlines, unheard."""
        send = partial(_send, self._settings, build_mail(message, self._settings))
        await trio.to_thread.run_sync(send, abandon_on_cancel=True)

    async def aclose(self) -> None:
        """Nothing is kept open."""


def _send(settings: SmtpSettings, mail: EmailMessage) -> None:
    try:
        server = _connect(settings)
        try:
            if settings.username is not None:
                server.login(settings.username, settings.password or "")
            refused = server.send_message(mail, from_addr=settings.sender, to_addrs=list(settings.recipients))
            with suppress(smtplib.SMTPException, OSError):  # it has the mail; how it says goodbye changes nothing
                server.quit()
        finally:
            server.close()
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _translate(settings, error) from error
    if refused:  # the others have it: sent again it would come twice
        codes = sorted({code for code, _ in refused.values()})
        log.warning("mail.recipients_refused", destination=settings.destination, recipients=len(refused), codes=codes)


def _connect(settings: SmtpSettings) -> smtplib.SMTP:
    tls = ssl.create_default_context(cafile=settings.ca_file)
    if settings.security == "tls":
        return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.seconds_max, context=tls)
    server = smtplib.SMTP(settings.host, settings.port, timeout=settings.seconds_max)
    if settings.security == "starttls":
        try:
            server.starttls(context=tls)
        except BaseException:
            server.close()
            raise
    return server


def _translate(settings: SmtpSettings, error: Exception) -> ChannelError:
    """Name a failure by what may be done about it; texts of servers may quote addresses, never the password."""
    where = f"{settings.host}:{settings.port}"
    match error:
        case smtplib.SMTPAuthenticationError(smtp_code=code):
            return CredentialsRejected(settings.destination, "send", f"{where} answered {code} to the login")
        case smtplib.SMTPRecipientsRefused(recipients=refused):
            codes = {code for code, _ in refused.values()}
            kind = Refused if all(code >= 500 for code in codes) else OutcomeUnknown
            return kind(settings.destination, "send", f"{where} takes mail for none of the recipients: {sorted(codes)}")
        case smtplib.SMTPResponseException(smtp_code=code):
            kind = Refused if code >= 500 else OutcomeUnknown
            return kind(settings.destination, "send", f"{where} answered {code}")
        case smtplib.SMTPNotSupportedError():
            return NotSent(settings.destination, "send", f"{where} cannot do what is asked: {error}")
        case smtplib.SMTPException():
            return OutcomeUnknown(settings.destination, "send", f"{where}: {type(error).__name__}")
        case ConnectionRefusedError() | ssl.SSLError():
            return NotSent(settings.destination, "send", f"{where}: {error}")
        case _:
            return OutcomeUnknown(settings.destination, "send", f"{where}: {type(error).__name__}: {error}")
