"""The options of alerts: from when on people are told, whom, and how."""

from typing import Annotated, Literal

import msgspec

from config.values import Count, Name, NotNegative, Positive, Secret, Section

Kind = Literal[
    "oversell",
    "ledger_violation",
    "fuse",
    "negative_atp",
    "sync_failure",
    "unreadable_order",
    "drift",
    "count_variance",
    "stock_cancellations",
    "credentials_expiring",
    "disk",
    "out_of_stock",
    "low_stock",
    "stock_back",
]
Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Units = Annotated[int, msgspec.Meta(ge=0)]
Url = Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s#]+$", description="http:// or https:// and a host")]
Address = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+$", description="an e-mail address, without a name"
    ),
]
"""No blank, bracket or line break: it becomes part of a mail's head."""


class StockLevel(Section, frozen=True, kw_only=True):
    """From when on one SKU runs low. Options left out come from `alerts`."""

    low_stock_units: Units | None = None
    """At most so many units available; 0: never low by units."""
    low_stock_days: NotNegative | None = None
    """Sold within so many days at its mean; 0: never low by days."""


class Destination(Section, frozen=True, kw_only=True, tag_field="type"):
    """Somebody who is told of alerts."""

    name: Name
    """How commands, metrics and the journal name the destination. Under a new name it is told of what is new only."""
    kinds: tuple[Kind, ...] = ()
    """Only alerts of these kinds; empty: all."""
    severity: Literal["critical", "warning", "notice"] = "notice"
    """Only alerts at least so bad."""
    transitions: tuple[Literal["raised", "acknowledged", "resolved"], ...] = ("raised", "acknowledged", "resolved")
    """Only these moments in the life of an alert."""


class WebhookDestination(Destination, frozen=True, kw_only=True, tag="webhook"):
    """A program: a signed JSON document by POST."""

    url: Url
    """Where it listens."""
    signing_secret: Secret
    """Signs every message, so that the program can tell ours from others'."""


class SlackDestination(Destination, frozen=True, kw_only=True, tag="slack"):
    """A Slack channel, or whatever takes Slack's incoming webhooks: Mattermost, Rocket.Chat, Discord with `/slack`."""

    hook_url: Secret
    """The address of the incoming webhook. Whoever knows it may post, so it is a secret."""


class EmailDestination(Destination, frozen=True, kw_only=True, tag="email"):
    """People with a mailbox, by SMTP."""

    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.:_-]+$", description="a host name or address")]
    """The mail server."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 587
    """25 and 587 go with starttls, 465 with tls."""
    security: Literal["starttls", "tls", "plain"] = "starttls"
    """starttls: encrypt after the greeting, or send nothing. tls: from the first byte. plain: a server next door."""
    username: str | None = None
    """None: the server asks for no login."""
    smtp_password: Secret | None = None
    """Goes with `username`."""
    sender: Address
    """The From of every mail."""
    recipients: Annotated[tuple[Address, ...], msgspec.Meta(min_length=1)]
    """Who gets it; one mail for all."""


class Alerts(Section, frozen=True, kw_only=True):
    """What people are told of. Alerts are found and listed even when there is nobody to send them to."""

    ignore: tuple[Kind, ...] = ()
    """Kinds that are not even looked for."""
    low_stock_units: Units = 5
    """A SKU runs low when at most so many units are available, or can be made of a bundle; 0: never low by units."""
    low_stock_days: NotNegative = 3.0
    """A SKU, but no bundle, runs low when it is sold out within so many days at its mean of sales; 0: never by days."""
    skus: dict[str, StockLevel] = msgspec.field(default_factory=dict)
    """By SKU."""
    count_variance_percent: Percent = 3.0
    """A count that differs from the books by more than this share of what they expect is an alert."""
    cancellation_percent: Percent = 2.0
    """More of an account's order lines than this, cancelled for want of stock, is an alert..."""
    cancellation_days: Positive = 7.0
    """...counted over so many days, or the newest 20,000 orders if there are more..."""
    cancellation_lines_min: Count = 50
    """...but not while there are fewer lines than this: one of two is no trend."""
    sync_seconds: Positive = 300.0
    """An account that is unreachable, or whose orders are not caught up, for so long is an alert."""
    unaccepted_seconds: Positive = 600.0
    """A change that the channel has not accepted for so long is an alert."""
    drift_seconds: NotNegative = 60.0
    """A listing that shows another number than ours for so long is an alert; most heal in seconds."""
    credentials_days: NotNegative = 14.0
    """How many days before `accounts.credentials_expire_on` a person is told."""
    disk_free_bytes: Units = 1_073_741_824
    """With fewer free bytes on the disk of an embedded journal a person is told..."""
    disk_hours: NotNegative = 24.0
    """...or when it will be full within so many hours, at the pace of the last one."""
    cooldown_seconds: NotNegative = 3600.0
    """After an alert is over, the next about the same is held back this long, unless it is critical."""
    settle_seconds: NotNegative = 1.0
    """How often the level of a SKU is looked at whose stock changes all the time."""
    digest_seconds: NotNegative = 10.0
    """What is not critical waits this long for more, to go as one message."""
    retry_seconds: Positive = 5.0
    """First wait after a message that did not arrive; each next one is drawn at random up to the doubled wait..."""
    retry_seconds_max: Positive = 600.0
    """...but is never longer than this."""
    give_up_hours: Positive = 24.0
    """A message that did not arrive for so long is given up, which is on record."""
    send_seconds_max: Positive = 15.0
    """Deadline of one try."""
    open_max: Count = 10_000
    """Alerts open at once; one more displaces the oldest of the least severe. Critical ones are never displaced."""
    history_max: Count = 1000
    """Resolved alerts kept for ALERTS ALL; the journal has them all."""
    waiting_max: Count = 1000
    """What one destination may be owed; beyond it the oldest of the least severe is given up, never a critical one."""
    destinations: tuple[WebhookDestination | SlackDestination | EmailDestination, ...] = ()
    """Whom to tell."""
