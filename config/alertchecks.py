"""Rules that hold between the options of `[alerts]`."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from config.alerts import Alerts, EmailDestination, SlackDestination, WebhookDestination
from config.rules import show
from config.walk import Problem


def check_alerts(alerts: Alerts) -> Iterator[Problem]:
    """Yield what is wrong between options of alerts."""
    if alerts.retry_seconds > alerts.retry_seconds_max:
        rule = f"must not be above retry_seconds_max, which is {show(alerts.retry_seconds_max)}"
        yield Problem("alerts.retry_seconds", rule, show(alerts.retry_seconds))
    names = [each.name for each in alerts.destinations]
    for index, each in enumerate(alerts.destinations):
        path = f"alerts.destinations[{index}]"
        if each.name and (first := names.index(each.name)) != index:
            yield Problem(f"{path}.name", f"is taken by alerts.destinations[{first}].name", show(each.name))
        match each:
            case WebhookDestination(url=url):
                yield from _check_url(f"{path}.url", url, show(url))
            case SlackDestination(hook_url=hook_url):
                if hook_url.reveal():  # empty: this process does not need it
                    yield from _check_url(f"{path}.hook_url", hook_url.reveal(), None)
            case EmailDestination():
                yield from _check_email(path, each)


def _check_url(path: str, url: str, shown: str | None) -> Iterator[Problem]:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # an unfinished IPv6 address, a port that is none
        usable = False
    if not usable or not url.isprintable() or " " in url:
        yield Problem(path, "must be http:// or https:// and a host", shown)
    elif "@" in urlsplit(url).netloc:
        yield Problem(path, "must not hold a user or password")


def _check_email(path: str, each: EmailDestination) -> Iterator[Problem]:
    if (each.username is None) != (each.smtp_password is None):
        yield Problem(path, "username and smtp_password go together")
    elif each.username is not None and each.security == "plain":
        yield Problem(
            f"{path}.security", "must be starttls or tls: the password would cross the net in clear", '"plain"'
        )
    for index, recipient in enumerate(each.recipients):
        if recipient in each.recipients[:index]:
            yield Problem(f"{path}.recipients[{index}]", "is listed twice", show(recipient))
