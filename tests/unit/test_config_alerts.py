"""The options of `[alerts]`: what is refused, and in which words."""

from pathlib import Path

import pytest

from config.alerts import EmailDestination, SlackDestination, WebhookDestination
from config.loader import GATEWAY_SECRETS, ConfigProblems, load
from config.schema import Secret, Settings
from ops.alerting import build_notifiers
from tests.fakes.clocks import NoonClock

START = '[[locations]]\nid = "berlin"\n'
ENVIRON = {"S": "s3cret", "HOOK": "https://hooks.example/T0/B0/xyz", "BAD": "ftp://hooks.example/xyz"}
WEBHOOK = (
    '[[alerts.destinations]]\ntype = "webhook"\nname = "ops"\nurl = "https://ops.example"\nsigning_secret = "env:S"\n'
)
SLACK = '[[alerts.destinations]]\ntype = "slack"\nname = "room"\nhook_url = "env:HOOK"\n'
EMAIL = (
    '[[alerts.destinations]]\ntype = "email"\nname = "owner"\nhost = "smtp.example.com"\n'
    'sender = "a@example.com"\nrecipients = ["b@example.com"]\n'
)
LOGIN = 'username = "u"\nsmtp_password = "env:S"\n'


def settings_of(folder: Path, text: str) -> Settings:
    (folder / "lastunit.toml").write_text(START + text)
    return load(folder / "lastunit.toml", environ=ENVIRON).settings


def test_destinations_of_every_type_are_read(tmp_path: Path) -> None:
    alerts = settings_of(tmp_path, WEBHOOK + SLACK + EMAIL + LOGIN).alerts
    assert [type(each) for each in alerts.destinations] == [WebhookDestination, SlackDestination, EmailDestination]
    assert "s3cret" not in repr(alerts)
    assert "xyz" not in repr(alerts)
    assert alerts.destinations[0].severity == "notice"


def test_every_type_has_its_way(tmp_path: Path) -> None:
    notifiers = build_notifiers(settings_of(tmp_path, WEBHOOK + SLACK + EMAIL + LOGIN), clock=NoonClock())
    assert [type(each).__name__ for each in notifiers.values()] == ["WebhookNotifier", "SlackNotifier", "SmtpNotifier"]
    assert list(notifiers) == ["ops", "room", "owner"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[alerts]\nretry_seconds = 900",
            "alerts.retry_seconds: 900: must not be above retry_seconds_max, which is 600",
        ),
        (WEBHOOK + WEBHOOK, "alerts.destinations[1].name: 'ops': is taken by alerts.destinations[0].name"),
        (WEBHOOK.replace("https://ops.example", "ops.example"), "must be http:// or https:// and a host"),
        (WEBHOOK.replace("https://ops.example", "https://:80"), "must be http:// or https:// and a host"),
        (
            WEBHOOK.replace("https://ops", "https://u:p@ops"),
            "alerts.destinations[0].url: must not hold a user or password",
        ),
        (
            SLACK.replace("env:HOOK", "env:BAD"),
            "alerts.destinations[0].hook_url: must be http:// or https:// and a host",
        ),
        (EMAIL + 'username = "u"\n', "alerts.destinations[0]: username and smtp_password go together"),
        (
            EMAIL + LOGIN + 'security = "plain"\n',
            'destinations[0].security: "plain": must be starttls or tls: the password would cross the net in clear',
        ),
        (
            EMAIL.replace('["b@example.com"]', '["b@example.com", "b@example.com"]'),
            "alerts.destinations[0].recipients[1]: 'b@example.com': is listed twice",
        ),
        (
            EMAIL.replace("b@example.com", "b@example.com\\nBcc: c@example.com"),
            "must be an e-mail address, without a name",
        ),
        (EMAIL.replace('["b@example.com"]', "[]"), "alerts.destinations[0].recipients: must not be empty"),
        (WEBHOOK + 'kinds = ["oversel"]\n', "did you mean 'oversell'?"),
        (WEBHOOK.replace('"webhook"', '"webhok"'), "did you mean 'webhook'?"),
        (WEBHOOK.replace('type = "webhook"\n', ""), "alerts.destinations[0].type: missing"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigProblems) as raised:
        settings_of(tmp_path, text)
    assert any(each.endswith(problem) or problem in each for each in raised.value.problems), raised.value.problems
    assert "xyz" not in str(raised.value)


@pytest.mark.parametrize("value", ['"2027-01-31"', "2027-01-31T00:00:00Z", "2027", "[]"])
def test_a_day_is_a_date(tmp_path: Path, value: str) -> None:
    account = (
        '[[accounts]]\nchannel = "woocommerce"\nid = "shop"\nlocations = ["berlin"]\nurl = "https://shop.example"\n'
        'consumer_key = "env:S"\nconsumer_secret = "env:S"\n'
    )
    assert settings_of(tmp_path, f"{account}credentials_expire_on = 2027-01-31").accounts[0].credentials_expire_on
    with pytest.raises(
        ConfigProblems, match=r"credentials_expire_on: .*must be a date without quotes, as in 2027-01-31"
    ):
        settings_of(tmp_path, f"{account}credentials_expire_on = {value}")


def test_the_gateway_gets_no_secret_of_a_destination(tmp_path: Path) -> None:
    (tmp_path / "lastunit.toml").write_text(START + WEBHOOK + SLACK + EMAIL + LOGIN)
    alerts = load(tmp_path / "lastunit.toml", environ={}, secrets=GATEWAY_SECRETS).settings.alerts
    webhook, slack, email = alerts.destinations
    assert isinstance(webhook, WebhookDestination)
    assert isinstance(slack, SlackDestination)
    assert isinstance(email, EmailDestination)
    assert webhook.signing_secret == slack.hook_url == email.smtp_password == Secret("")
