"""Rules that hold between options: what one section says about another."""

import sys
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from config.alertchecks import check_alerts
from config.places import check_places, note_places
from config.rules import show
from config.schema import Account, OfferRule, Settings
from config.walk import Problem, join, unknown_id

RESERVED_ACCOUNT: Final = "direct"
"""The account of holds and orders that name none; the engine owns it."""
_UNIX_PATH_BYTES_MAX: Final = 107 if sys.platform == "linux" else 103
"""`sun_path` of unix(7): 108 bytes, 104 on BSD and macOS, with the closing zero."""
_ENTITIES: Final = frozenset("&<>\"'")


def check(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong between options; paths must be absolute already."""
    yield from _check_names(settings)
    yield from _check_ways_in(settings)
    yield from _check_reading(settings)
    for index, account in enumerate(settings.accounts):
        yield from _check_account(account, f"accounts[{index}]", [place.id for place in settings.locations])
    yield from check_places(settings)
    yield from _check_offers(settings)
    yield from check_alerts(settings.alerts)


def notes(settings: Settings) -> Iterator[Problem]:
    """Yield what is allowed but probably not meant."""
    for index, account in enumerate(settings.accounts):
        path = f"accounts[{index}]"
        if account.webhook_secret is not None and settings.gateway.public_url is None:
            yield Problem(
                f"{path}.webhook_secret",
                "no webhooks will come, orders are polled: set gateway.public_url to receive them",
            )
        first = [other.url.rstrip("/") for other in settings.accounts].index(account.url.rstrip("/"))
        if first != index:
            yield Problem(f"{path}.url", f"the same shop as accounts[{first}]: two accounts will write over each other")
    yield from note_places(settings)


def _check_names(settings: Settings) -> Iterator[Problem]:
    yield from _unique("locations[{}].id", [place.id for place in settings.locations])
    yield from _unique("accounts[{}].id", [account.id for account in settings.accounts])
    yield from _unique("gateway.tokens[{}].name", [token.name for token in settings.gateway.tokens])
    secrets = [token.secret.reveal() for token in settings.gateway.tokens]
    for index, secret in enumerate(secrets):
        if secret and (first := secrets.index(secret)) != index:
            yield Problem(f"gateway.tokens[{index}].secret", f"the same as that of gateway.tokens[{first}]")


def _unique(pattern: str, names: list[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        if name and (first := names.index(name)) != index:
            yield Problem(pattern.format(index), f"is taken by {pattern.format(first)}", show(name))


def _check_ways_in(settings: Settings) -> Iterator[Problem]:
    socket, gateway = settings.socket, settings.gateway
    if socket.path is None and socket.tcp is None:
        whom = "the gateway and the command line" if gateway.enabled else "the command line"
        yield Problem("socket", f"neither path nor tcp is set: {whom} cannot reach the daemon")
    if socket.path is not None and (length := len(str(socket.path).encode())) > _UNIX_PATH_BYTES_MAX:
        yield Problem(
            "socket.path",
            f"is {length} bytes long with its folder; the system allows {_UNIX_PATH_BYTES_MAX}",
            show(str(socket.path)),
        )
    if socket.tcp is not None and socket.password is None:
        yield Problem("socket.tcp", "needs socket.password", show(socket.tcp))
    for path, address in (("socket.tcp", socket.tcp), ("gateway.listen", gateway.listen)):
        if address is not None and not _is_host_and_port(address):
            yield Problem(path, "must be host:port, port from 1 to 65535", show(address))
    if gateway.public_url is not None and not _is_site(gateway.public_url):
        yield Problem(
            "gateway.public_url", "must be http:// or https://, a host and no question mark", show(gateway.public_url)
        )


def _check_reading(settings: Settings) -> Iterator[Problem]:
    role, password = settings.reading.journal_user, settings.reading.journal_password
    if role is not None and settings.store.kind != "postgres":
        rule = "is for a journal in PostgreSQL; store.kind is 'sqlite'"
        yield Problem("reading.journal_user", rule, show(role))
    if role is None and password is not None:
        yield Problem("reading.journal_password", "needs reading.journal_user")
    if settings.reading.kind != "postgres" or settings.store.kind != "postgres":
        return
    tables, journal = settings.reading.postgres, settings.store.postgres
    if all(getattr(tables, name) == getattr(journal, name) for name in ("host", "port", "database", "schema")):
        yield Problem("reading.postgres.schema", "is store.postgres.schema: each needs its own", show(tables.schema))


def _is_host_and_port(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon) and port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535


def _is_site(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:  # an unfinished IPv6 address
        return False


def _check_account(account: Account, path: str, known: list[str]) -> Iterator[Problem]:
    if account.id == RESERVED_ACCOUNT:
        yield Problem(f"{path}.id", "is reserved for your own storefront and tills", show(account.id))
    for index, location in enumerate(account.locations):
        where = f"{path}.locations[{index}]"
        if location in account.locations[:index]:
            yield Problem(where, "is listed twice", show(location))
        elif known and all(known) and location not in known:  # an empty id stands in for one that could not be read
            yield Problem(where, unknown_id("location", location, known), show(location))
    for name, location in account.pickup.items():
        if location not in account.locations:
            allowed = ", ".join(account.locations)
            yield Problem(
                join(f"{path}.pickup", name), f"must be one of the account's locations: {allowed}", show(location)
            )
    push = account.push
    for low, high, least, most in (
        ("retry_seconds", "retry_seconds_max", push.retry_seconds, push.retry_seconds_max),
        ("settle_seconds", "staleness_seconds_max", push.settle_seconds, push.staleness_seconds_max),
    ):
        if least > most:
            yield Problem(f"{path}.push.{low}", f"must not be above {high}, which is {show(most)}", show(least))
    if not _is_site(account.url):
        yield Problem(f"{path}.url", "must be http:// or https:// and a host", show(account.url))
    elif "@" in urlsplit(account.url).netloc:
        yield Problem(f"{path}.url", "must not hold a user or password: use consumer_key and consumer_secret")
    if account.query_string_auth and not account.url.startswith("https://"):
        yield Problem(
            f"{path}.query_string_auth", "needs an https:// url: the keys would cross the net in clear", "true"
        )
    if account.webhook_secret is not None and _ENTITIES & set(account.webhook_secret.reveal()):
        yield Problem(
            f"{path}.webhook_secret", "must not hold & < > \" or ': WooCommerce stores it changed and signs differently"
        )


def _check_offers(settings: Settings) -> Iterator[Problem]:
    offers, known = settings.offers, [account.id for account in settings.accounts]
    for name in offers.accounts:
        if name not in known:
            yield Problem(join("offers.accounts", name), unknown_id("account", name, known))
    layers: list[tuple[str, OfferRule]] = [("offers.default", offers.default)]
    layers += [(join("offers.accounts", name), rule) for name, rule in offers.accounts.items()]
    for index, (path, rule) in enumerate(layers):
        yield from _crossed(path, rule, layers[:1] if index else ())
    for name, rule in offers.categories.items():
        yield from _crossed(join("offers.categories", name), rule, layers)
    for name, rule in offers.skus.items():
        yield from _crossed(join("offers.skus", name), rule, layers)


def _crossed(path: str, rule: OfferRule, wider: Iterable[tuple[str, OfferRule]]) -> Iterator[Problem]:
    """Yield where the floor of `rule` lies above the cap that then holds, or the other way round."""
    if rule.floor is not None and rule.cap is not None:
        if rule.floor > rule.cap:
            yield Problem(f"{path}.floor", f"must not be above the cap, which is {rule.cap}", show(rule.floor))
        return  # nothing of a wider rule is used
    for where, other in wider:
        if rule.floor is not None and other.cap is not None and rule.floor > other.cap:
            yield Problem(f"{path}.floor", f"must not be above {where}.cap, which is {other.cap}", show(rule.floor))
        if rule.cap is not None and other.floor is not None and rule.cap < other.floor:
            yield Problem(f"{path}.cap", f"must not be below {where}.floor, which is {other.floor}", show(rule.cap))
