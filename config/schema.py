"""Every option there is: its type, its rule, its default. `config/example.toml` says what each one does.

An option's docstring is its documentation: `lastunit init` and the tests read it from here.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="1 to 63 letters, digits, dots, dashes or underscores, a letter or digit first",
    ),
]
"""Names end up in metrics labels, URLs and log lines: letters, digits, dot, dash, underscore; at most 63."""


class Secret:
    """A value that is never shown: `repr` and `str` are `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold `value`; read it back with `reveal()`, at the one place that needs it."""
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file. An unknown key is an error: a misspelt option must not be a default."""


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

    kind: Literal["sqlite"] = "sqlite"
    """SQLite, inside the daemon: nothing to install."""
    path: Path = Path("journal.sqlite3")
    """The database file; relative to `node.data`. Must be on a local disk: SQLite and network mounts do not agree."""
    inline_commit_ms_max: NotNegative = 1.0
    """Commit without a thread hand-over while the measured sync is faster than this; 0 always uses the thread."""
    stall_seconds_max: Positive = 60.0
    """How long a disk may be full or the database locked before the daemon stops; nothing is answered meanwhile."""


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


class Location(_Section, frozen=True, kw_only=True):
    """A place where stock lies."""

    id: Name
    """How accounts, imports and commands name the place. Part of the history: never give it to another place."""
    name: str = ""
    """For people."""


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
    status_map: dict[str, Literal["draft", "pending", "on_hold", "accepted", "shipped", "cancelled", "refunded"]] = {}
    """Order statuses that plugins added, in our words; an order with an unknown one is reported, not guessed."""


Account = WooCommerceAccount
"""Becomes a union as channels are added."""


class OfferRule(_Section, frozen=True, kw_only=True):
    """What a channel may show of what is available. Options left out come from the wider rule."""

    share: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Part of the available units this account may show."""
    buffer: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Units withheld."""
    cap: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Never show more than this."""
    floor: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Never show less than this, even with nothing to sell: for goods made on demand. Oversells by design."""


class Offers(_Section, frozen=True, kw_only=True):
    """Rules, the most particular first: `skus`, then `accounts`, then `default`."""

    default: OfferRule = OfferRule()
    """For every account and SKU; what it leaves out is share 1, buffer 0, no cap, floor 0."""
    accounts: dict[str, OfferRule] = {}
    """By account id."""
    skus: dict[str, OfferRule] = {}
    """By SKU, on every account."""


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
    mailbox_max: Count = 65_536
    """Messages waiting for one actor; more makes the sender wait."""
    commit_entries_max: Count = 20_000
    """Events in one group commit."""


class Settings(_Section, frozen=True, kw_only=True):
    """The whole file."""

    node: Node = Node()
    store: Store = Store()
    socket: Socket = Socket()
    gateway: Gateway = Gateway()
    locations: Annotated[tuple[Location, ...], msgspec.Meta(min_length=1)]
    accounts: tuple[Account, ...] = ()
    offers: Offers = Offers()
    limits: Limits = Limits()
