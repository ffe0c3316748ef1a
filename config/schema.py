"""Every option there is: its type, its rule, its default. `config/example.toml` says what each one does.

An option's docstring is its documentation: `lastunit init` and the tests read it from here.
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from config.alerts import Alerts
from config.database import Postgres, ReadingPostgres
from config.offers import OfferRule, Offers
from config.snapshots import Snapshots
from config.values import Count, Name, NotNegative, Positive, Secret
from config.values import Section as _Section

__all__ = ["OfferRule", "Offers", "Secret"]
"""Sections need no mention: they are at home here."""


class Node(_Section, frozen=True, kw_only=True):
    """This daemon."""

    name: Name = "lastunit"
    """Shown in logs, metrics and INFO."""
    data: Path = Path("data")
    """Folder of the journal, the socket and the lock; relative to the configuration file. Created with mode 0700."""
    shards: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 4
    """Tasks that own the stock books. One process runs them all; more of them does not make it faster."""
    log_format: Literal["console", "json"] = "console"
    """console: lines for people, coloured on a terminal. json: one object per line, for log collectors."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are still written."""
    log_commands: bool = False
    """One log line per command on the socket. Costs about as much as the command."""


class Store(_Section, frozen=True, kw_only=True):
    """Where the journal lives."""

    kind: Literal["sqlite", "postgres"] = "sqlite"
    """sqlite: inside the daemon, nothing to install. postgres: a server; another machine can take over."""
    path: Path = Path("journal.sqlite3")
    """The database file; relative to `node.data`. Must be on a local disk: SQLite and network mounts do not agree."""
    keep_days: Positive | None = None
    """Older frames that no start needs are put away into compressed segments, after a snapshot. None: all stay."""
    archive: Path = Path("archive")
    """The folder of segments; relative to `node.data`. Another disk or a network mount will do: seldom read."""
    inline_commit_ms_max: NotNegative = 1.0
    """Commit without a thread hand-over while the measured sync is faster than this; 0 always uses the thread."""
    stall_seconds_max: Positive = 60.0
    """How long a disk may be full, the database locked or its server away before the daemon stops; nothing is answered
    meanwhile."""
    postgres: Postgres = Postgres()


class Reading(_Section, frozen=True, kw_only=True):
    """Tables of the journal for any SQL tool: `lastunit reading run`, docs/sql.md."""

    kind: Literal["sqlite", "postgres"] = "sqlite"
    """sqlite: the file `reading.sqlite3` in `node.data`. postgres: a schema at a server, wherever the journal is."""
    journal_user: str | None = None
    """As which role a journal in PostgreSQL is read: one that may read it and do nothing else. None: the daemon's."""
    journal_password: Secret | None = None
    """Its password; none: the server asks for none, or it stands in the `.pgpass` of the process' user."""
    postgres: ReadingPostgres = ReadingPostgres()


class Socket(_Section, frozen=True, kw_only=True):
    """The command socket."""

    path: Path | None = Path("lastunit.sock")
    """Unix socket, mode 0600; relative to `node.data`. Empty: no unix socket (then the gateway needs `tcp`)."""
    tcp: str | None = None
    """`host:port` to listen on as well; needs `password`. Plain text: loopback or a private network only."""
    password: Secret | None = None
    """What AUTH must bring on TCP."""
    connections_max: Count = 10_000
    """Clients connected at once; one more is told BUSY and closed."""
    command_bytes_max: Annotated[int, msgspec.Meta(ge=4096, le=1 << 30)] = 8 << 20
    """Largest command; a larger one is answered TOOBIG and its connection closed."""
    send_seconds_max: Positive = 30.0
    """A client that takes no bytes for this long is disconnected."""


Scope = Literal["holds", "stock:read", "stock:write", "orders:read", "orders:write", "metrics", "admin"]


class Token(_Section, frozen=True, kw_only=True):
    """One caller of the REST interface."""

    name: Name
    """Shown in logs instead of the secret."""
    secret: Secret
    """What the caller sends as `Authorization: Bearer`."""
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1)]
    """What the caller may do; `admin` includes all others."""


class Gateway(_Section, frozen=True, kw_only=True):
    """The HTTP front, a process of its own."""

    enabled: bool = True
    """False: `lastunit run` starts no gateway (run one elsewhere with `lastunit gateway`)."""
    listen: str = "127.0.0.1:8480"
    """`host:port`. Put a TLS proxy in front of anything else than loopback."""
    public_url: str | None = None
    """How channels reach this gateway, for webhook subscriptions; none: none are made, orders are polled."""
    body_bytes_max: Annotated[int, msgspec.Meta(ge=1024)] = 2 << 20
    """Largest request body; a larger one is answered 413."""
    tokens: tuple[Token, ...] = ()
    """Callers of the REST interface; with none, only webhooks, health and metrics are served."""
    metrics_need_token: bool = False
    """False: anyone who reaches the gateway may scrape /metrics."""


LocationKind = Literal["own", "store", "third_party", "channel_fulfilled", "consignment", "in_transit"]


class Location(_Section, frozen=True, kw_only=True):
    """A place where stock lies."""

    id: Name
    """How accounts, imports and commands name the place. Part of the history: never give it to another place."""
    name: str = ""
    """For people."""
    kind: LocationKind = "own"
    """Who keeps the units. channel_fulfilled: only accounts that list it sell from it; in_transit: nobody does."""


class Budget(_Section, frozen=True, kw_only=True):
    """What an account may spend on calls."""

    calls_per_second: Positive = 4.0
    """Calls that may be made in the long run; none while the channel asks for patience."""
    burst: Count = 8
    """Calls that may be made at once after a quiet time."""
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 2
    """Calls under way at once."""
    orders_share: Annotated[float, msgspec.Meta(ge=0, le=0.9)] = 0.2
    """Part of the budget that stock writes may not use: orders must get through on a bad day."""


class Push(_Section, frozen=True, kw_only=True):
    """How offers reach a channel."""

    settle_seconds: NotNegative = 0.2
    """Wait this long after a change for more changes of the same listing..."""
    staleness_seconds_max: Positive = 2.0
    """...but no change waits longer than this for company."""
    verify_after_seconds: NotNegative = 1.0
    """Read back this long after the channel accepted. Longer for channels that apply late."""
    verify_tries_max: Count = 5
    """Read back this often before a listing is called drifted and pushed anew."""
    retry_seconds: Positive = 1.0
    """First wait after a failed push; each next one is drawn at random up to the doubled wait..."""
    retry_seconds_max: Positive = 120.0
    """...but is never longer than this."""
    breaker_failures: Count = 5
    """Failed calls in a row after which the account is left alone..."""
    breaker_seconds: Positive = 30.0
    """...for this long, before one probe."""
    call_seconds_max: Positive = 30.0
    """Deadline of one call."""
    resync_seconds: Positive = 3600.0
    """Compare every listing with what the channel shows this often: edits by hand at the channel."""


class Orders(_Section, frozen=True, kw_only=True):
    """How orders are read."""

    poll_seconds: Positive = 60.0
    """New and changed orders are asked for this often, webhooks or not: a lost webhook heals at the next poll."""
    overlap_seconds: Positive = 300.0
    """Each poll looks back this far behind the newest order seen: channels stamp late and in whole seconds."""
    lookback_hours: Positive = 72.0
    """How far the very first poll looks back."""
    webhook_check_seconds: Positive = 600.0
    """How often our webhook subscriptions are checked and revived."""


class _Account(_Section, frozen=True, kw_only=True, tag_field="channel"):
    """One account at one sales channel."""

    id: Name
    """How listings, rules and commands name the account; not `direct`, which is your own storefront and tills."""
    locations: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    """Whose stock this account sells, in order of preference."""
    mode: Literal["live", "shadow", "off"] = "live"
    """shadow: compute and compare, write nothing. off: leave the account alone, orders included."""
    credentials_expire_on: date | None = None
    """The day on which the channel's keys end (UTC), where it says one: a person is told in time."""
    push: Push = Push()
    budget: Budget = Budget()
    orders: Orders = Orders()


class WooCommerceAccount(_Account, frozen=True, kw_only=True, tag="woocommerce"):
    """A WooCommerce shop, REST API v3."""

    url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^\s?#]+$", description="http:// or https:// and a host")]
    """The site, as in the browser. https uses Basic authentication, http signs with OAuth 1.0a."""
    consumer_key: Secret
    """REST API key with read and write access: WooCommerce, Settings, Advanced, REST API."""
    consumer_secret: Secret
    """What WooCommerce showed once beside that key."""
    webhook_secret: Secret | None = None
    """Signs webhooks, without & < > " '; none: webhooks of this account are refused and orders are polled."""
    query_string_auth: bool = False
    """Send the keys in the query: for hosts that drop the Authorization header. https only."""
    signature_method: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256"
    """How http calls are signed; unused with https."""
    pending_minutes: NotNegative = 60.0
    """How long an unpaid order holds its units: the shop's setting "Hold stock (minutes)". 0: until it is paid."""
    draft_minutes: NotNegative = 10.0
    """How long a checkout draft holds its units. 0: not at all, as WooCommerce 9.2 and later do it."""
    refund_restock: Literal["meta", "always", "never"] = "meta"
    """Whether refunded units return to stock: as the order says (`_reduced_stock`), always, never."""
    trashed: Literal["keep", "cancel"] = "keep"
    """What a trashed order means for its units."""
    status_map: dict[str, Literal["draft", "pending", "on_hold", "accepted", "shipped", "cancelled", "refunded"]] = (
        msgspec.field(default_factory=dict)
    )
    """Order statuses that plugins added, in our words; an order with an unknown one is reported, not guessed."""
    pickup: dict[Annotated[str, msgspec.Meta(min_length=1)], Name] = msgspec.field(default_factory=dict)
    """Our location by the shop's name of a pickup place, or by shipping method: `local_pickup:3`, `local_pickup`."""


Account = WooCommerceAccount
"""Becomes a union as channels are added."""


Reason = Annotated[str, msgspec.Meta(pattern=r"^[^\s:]([^:]*[^\s:])?$", description="a text without a colon")]


class Stock(_Section, frozen=True, kw_only=True):
    """How movements are judged."""

    reasons: tuple[Reason, ...] = (
        "correction",
        "count",
        "damaged",
        "expired",
        "found",
        "lost",
        "opening",
        "other",
        "sample",
        "theft",
    )
    """Why stock may be adjusted; details follow a colon, as in "damaged: fell off the pallet". Empty: any text."""
    count_tolerance_percent: Annotated[float, msgspec.Meta(ge=0, le=100)] = 3.0
    """A count that differs from the books by more than this share of what they expect..."""
    count_tolerance_units: Annotated[int, msgspec.Meta(ge=0)] = 0
    """...and by more than this many units changes nothing until a second count confirms it."""
    fuse_zero_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    """An external snapshot in which more than this share of the rows falls from above zero to zero..."""
    fuse_zero_rows_min: Count = 10
    """...and at least this many do, is refused as a whole until it is forced: broken feeds look like empty shelves."""


class Scan(_Section, frozen=True, kw_only=True):
    """The scanner, which checks that every figure adds up. It tells; it repairs nothing."""

    hours: Positive = 24.0
    """Every book is checked once in this time."""
    share_max: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.01
    """Most of one processor it may take; a catalogue that needs more takes longer."""


class Limits(_Section, frozen=True, kw_only=True):
    """What keeps memory bounded. Each has a metric; `docs/telemetry.md` says which."""

    hold_seconds_max: Positive = 30 * 86_400.0
    """Longest time to live of a hold that expires."""
    hold_lines_max: Count = 200
    """SKUs in one hold."""
    remembered_seconds: Positive = 86_400.0
    """How long a finished hold, a refusal and an adjustment's key are remembered, so that a repeat is recognised."""
    remembered_max: Count = 500_000
    """At most this many of each, over all SKUs; the oldest are forgotten first."""
    history_seconds: Positive = 7 * 86_400.0
    """How far back a count or a partner's snapshot may name its instant: changes of stock are kept this long."""
    documents_seconds: Positive = 180 * 86_400.0
    """How long a purchase order or transfer is kept, at least, when all of it is done."""
    letters_max: Count = 1000
    """Dead letters kept per account: webhooks and orders that could not be understood. More hold the watermark."""
    mailbox_max: Count = 65_536
    """Messages waiting for one actor; more makes the sender wait."""
    commit_entries_max: Count = 20_000
    """Events in one group commit."""


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    node: Node = Node()
    store: Store = Store()
    snapshots: Snapshots = Snapshots()
    reading: Reading = Reading()
    socket: Socket = Socket()
    gateway: Gateway = Gateway()
    locations: Annotated[tuple[Location, ...], msgspec.Meta(min_length=1)]
    accounts: tuple[Account, ...] = ()
    offers: Offers = Offers()
    stock: Stock = Stock()
    alerts: Alerts = Alerts()
    scan: Scan = Scan()
    limits: Limits = Limits()
