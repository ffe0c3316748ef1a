"""From the settings of alerts to an alerter and its ways to people: the one place that knows which ways there are."""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime

from adapters.notify.slack import SlackNotifier, SlackSettings
from adapters.notify.smtp import SmtpNotifier, SmtpSettings
from adapters.notify.webhook import WebhookNotifier, WebhookSettings
from config.alerts import Alerts, EmailDestination, SlackDestination, WebhookDestination
from config.schema import Settings
from engine.actors.alerter import Alerter
from engine.actors.alerting import AlerterSettings, AlertListener
from engine.domain.alerts import AlertKind
from engine.domain.stock.places import Pools
from engine.domain.units import DIRECT, AccountId, Sku
from engine.machines.alerts.accounthealth import AccountHealthTerms, Standing
from engine.machines.alerts.alerts import AlertTerms
from engine.machines.alerts.cancellations import CancellationTerms
from engine.machines.alerts.conditions import ConditionTerms
from engine.machines.alerts.deliveries import DeliveryTerms, Destination
from engine.machines.alerts.stocklevels import LowStockTerms
from engine.machines.alerts.storage import StorageTerms
from engine.ports import Clock, Notifier, Recorder
from ops.account import ChannelAccount


def build_notifiers(settings: Settings, *, clock: Clock) -> dict[str, Notifier]:
    """Make the way to every destination, by its name; no connection is opened."""
    node = settings.node.name
    return {each.name: _build_notifier(each, node, clock) for each in settings.alerts.destinations}


def _build_notifier(
    each: WebhookDestination | SlackDestination | EmailDestination, node: str, clock: Clock
) -> Notifier:
    match each:
        case WebhookDestination(name=name, url=url, signing_secret=secret):
            webhook = WebhookSettings(destination=name, node=node, url=url, signing_secret=secret.reveal())
            return WebhookNotifier(webhook, clock=clock)
        case SlackDestination(name=name, hook_url=hook_url):
            return SlackNotifier(SlackSettings(destination=name, node=node, hook_url=hook_url.reveal()))
        case EmailDestination():
            mail = SmtpSettings(
                destination=each.name,
                node=node,
                host=each.host,
                port=each.port,
                security=each.security,
                sender=each.sender,
                recipients=each.recipients,
                username=each.username,
                password=each.smtp_password.reveal() if each.smtp_password is not None else None,
            )
            return SmtpNotifier(mail)


def build_alerter(
    settings: Settings,
    notifiers: Mapping[str, Notifier],
    *,
    accounts: Iterable[ChannelAccount],
    daily_sales: Callable[[Sku, datetime], float | None],
    pools: Pools,
    clock: Clock,
    rng: random.Random,
    recorder: Recorder,
    listener: AlertListener,
) -> Alerter:
    """Make the alerter; nothing runs yet."""
    watched = tuple(accounts)
    expire_on: dict[AccountId, date | None] = {DIRECT: None}
    expire_on |= {AccountId(account.id): account.credentials_expire_on for account in settings.accounts}
    return Alerter(
        _settings_of(settings.alerts),
        [_destination(each) for each in settings.alerts.destinations],
        notifiers,
        accounts=expire_on,
        standings=lambda: [_standing(account) for account in watched],
        daily_sales=daily_sales,
        pools=pools,
        clock=clock,
        rng=rng,
        recorder=recorder,
        listener=listener,
    )


def _standing(account: ChannelAccount) -> Standing:
    status = account.pusher.status()
    return Standing(
        account=account.id,
        state=status.state,
        reason=status.reason,
        lag_seconds=status.lag_seconds,
        rejected=account.pusher.rejected,
    )


def _destination(each: WebhookDestination | SlackDestination | EmailDestination) -> Destination:
    return Destination(
        name=each.name,
        kinds=frozenset(each.kinds),
        severity=each.severity,
        transitions=frozenset(each.transitions),
    )


def _settings_of(alerts: Alerts) -> AlerterSettings:
    every_sku = LowStockTerms(units=alerts.low_stock_units, days=alerts.low_stock_days)
    return AlerterSettings(
        ignored=tuple(AlertKind(kind) for kind in alerts.ignore),
        settle_seconds=alerts.settle_seconds,
        send_seconds_max=alerts.send_seconds_max,
        alerts=AlertTerms(**{name: getattr(alerts, name) for name in AlertTerms.__struct_fields__}),
        conditions=ConditionTerms(**{name: getattr(alerts, name) for name in ConditionTerms.__struct_fields__}),
        health=AccountHealthTerms(**{name: getattr(alerts, name) for name in AccountHealthTerms.__struct_fields__}),
        storage=StorageTerms(**{name: getattr(alerts, name) for name in StorageTerms.__struct_fields__}),
        deliveries=DeliveryTerms(**{name: getattr(alerts, name) for name in DeliveryTerms.__struct_fields__}),
        cancellations=CancellationTerms(
            percent=alerts.cancellation_percent, days=alerts.cancellation_days, lines_min=alerts.cancellation_lines_min
        ),
        low_stock=every_sku,
        low_stock_of={
            Sku(sku): LowStockTerms(
                units=every_sku.units if level.low_stock_units is None else level.low_stock_units,
                days=every_sku.days if level.low_stock_days is None else level.low_stock_days,
            )
            for sku, level in alerts.skus.items()
        },
    )
