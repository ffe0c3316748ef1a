"""Sessions at a PostgreSQL server: made, judged, lost and made anew. All of it runs over the bridge, in asyncio."""

import ssl
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import asyncpg
import msgspec

from adapters.store import postgres_sql as sql
from adapters.store.bridge import Turns
from engine.domain.errors import ConfigError, JournalUnavailable

_GRACE_SECONDS: Final = 5.0
"""How much longer we wait than the server may work: it ends a statement itself, and then says that it did."""
_PAUSE_SECONDS: Final = 0.1
_PAUSE_SECONDS_MAX: Final = 5.0
_OLDEST: Final = 150_000
"""The oldest server that the tests are run with."""
CANNOT_CONNECT: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that dies between two messages leaves a connection in no state at all
)
"""Whatever asyncpg raises when a server is not there, does not answer, or says no."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Where a schema is and how to get in."""

    host: str
    """Name or address; a path that begins with a slash is the folder of a unix socket."""
    port: int
    database: str
    user: str
    password: str | None
    schema: str
    application_name: str
    tls: str
    """`disable`, `require`, `verify-ca` or `verify-full`, as libpq has them; a unix socket has none."""
    ca_file: str | None
    """Who signs the server's certificate; None: whom this machine trusts."""
    connect_seconds_max: float
    statement_seconds_max: float
    lease_seconds: float = 0.0
    """Of a store: an owner that was not heard of for longer is given up."""
    section: str = "store.postgres"
    """Of the settings, for messages."""
    only_reads: bool = False
    """Nothing will be written: the server sees to that, and the role need not be allowed to."""

    def __repr__(self) -> str:
        return self.place

    @property
    def place(self) -> str:
        """The schema as messages name it."""
        return f"PostgreSQL {self.user}@{self.host}:{self.port}/{self.database}, schema {self.schema}"


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a server said of itself when we came in."""

    version: str
    role: str
    notes: tuple[str, ...]
    """What is allowed and dangerous."""


class Session:
    """One connection: `fetch` is for anybody, what `ready` returns is for one caller at a time."""

    def __init__(
        self,
        terms: Terms,
        purpose: str,
        *,
        needs_schema: bool = True,
        server_settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Connect when first asked.

        Args:
            terms: where to.
            purpose: what the server's administrator sees.
            needs_schema: whether a server without our schema will not do.
            server_settings: more of them for this session; with `synchronous_commit` the server's own is not judged.
        """
        self._terms = terms
        self._purpose = purpose
        self._needs_schema = needs_schema
        self._more_settings = server_settings
        self._connection: Any = None
        self._turns = Turns()
        self._failures = 0
        self._not_before = 0.0
        self._reason = ""
        self.look: Look | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as we know."""
        return self._connection is not None and not self._connection.is_closed()

    async def ready(self) -> Any:  # noqa: ANN401 - asyncpg has no types
        """Return a connection, a new one where the last is lost.

        Raises:
            JournalUnavailable: there is none just now.
            ConfigError: the server is there, and a person must change something.
        """
        if self.is_open:
            return self._connection
        if time.monotonic() < self._not_before:
            raise JournalUnavailable(self._reason)
        try:
            self._connection = await self._connect()
        except JournalUnavailable as error:
            self._failures += 1
            pause = min(_PAUSE_SECONDS_MAX, _PAUSE_SECONDS * 2 ** min(self._failures, 10))
            self._not_before, self._reason = time.monotonic() + pause, str(error)
            raise
        self._failures = 0
        return self._connection

    async def fetch(self, statement: str, *values: object) -> list[Any]:
        """Ask for rows; what only reads is asked again where the connection was lost meanwhile.

        Raises:
            JournalUnavailable: no answer.
            ConfigError: as `ready`.
        """
        async with self._turns:
            connection = await self.ready()
            try:
                rows: list[Any] = await connection.fetch(statement, *values)
            except CANNOT_CONNECT as error:
                if not connection.is_closed():
                    self.drop_broken(error)
                    raise self.unavailable(error) from error
                rows = await self._fetch_anew(statement, *values)
            return rows

    async def _fetch_anew(self, statement: str, *values: object) -> list[Any]:
        connection = await self.ready()
        try:
            rows: list[Any] = await connection.fetch(statement, *values)
        except CANNOT_CONNECT as error:
            self.drop_broken(error)
            raise self.unavailable(error) from error
        return rows

    def drop_broken(self, error: BaseException) -> None:
        """Give a connection up after an error, unless the server itself answered with it and goes on."""
        if self._connection is not None and not is_answer(error):
            self._connection.terminate()

    def unavailable(self, error: BaseException) -> JournalUnavailable:
        """Say what went wrong, of something that certainly changed nothing."""
        return JournalUnavailable(f"{self._terms.place}: {tell(error)}")

    async def close(self) -> None:
        """End it in order; the caller has a deadline."""
        if self.is_open:
            try:
                await self._connection.close(timeout=2)
            except CANNOT_CONNECT:
                self._connection.terminate()

    async def _connect(self) -> Any:  # noqa: ANN401
        terms = self._terms
        tls = _tls(terms)
        try:
            connection = await asyncpg.connect(
                host=terms.host,
                port=terms.port,
                database=terms.database,
                user=terms.user,
                password=terms.password,
                ssl=tls,
                timeout=terms.connect_seconds_max,
                command_timeout=terms.statement_seconds_max + _GRACE_SECONDS,
                server_settings=self._server_settings(),
            )
        except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
            raise ConfigError([f"{terms.section}: {terms.place}: {tell(error)}"]) from error
        except ssl.SSLCertVerificationError as error:
            raise ConfigError([f"{terms.section}.tls: {terms.place}: {error.verify_message}"]) from error
        except CANNOT_CONNECT as error:
            raise self.unavailable(error) from error
        try:
            (row,) = await connection.fetch(sql.LOOK, timeout=terms.connect_seconds_max)
            needs_sync = "synchronous_commit" not in self._more_settings
            self.look = _judge(row, terms, needs_schema=self._needs_schema, needs_sync=needs_sync)
        except CANNOT_CONNECT as error:
            connection.terminate()
            raise self.unavailable(error) from error
        except BaseException:
            connection.terminate()
            raise
        return connection

    def _server_settings(self) -> dict[str, str]:
        return {
            "application_name": f"{self._terms.application_name} {self._purpose}"[:63],
            "search_path": sql.quote(self._terms.schema),
            "statement_timeout": f"{round(self._terms.statement_seconds_max * 1000)}ms",
            "idle_in_transaction_session_timeout": "10s",
            "idle_session_timeout": "0",
            # the server lets go of a machine that is gone, and of its locks
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            **({"default_transaction_read_only": "on"} if self._terms.only_reads else {}),
            **self._more_settings,
        }


def is_answer(error: BaseException) -> bool:
    """Whether the server refused this one statement: it is rolled back for certain, and the connection is as before.

    What ends a session (FATAL, PANIC) may come after a commit, before its answer.
    """
    return isinstance(error, asyncpg.PostgresError) and getattr(error, "severity_en", None) == "ERROR"


def is_taken(error: BaseException) -> bool:
    """Whether a row with this key is there already."""
    return isinstance(error, asyncpg.UniqueViolationError)


def tell(error: BaseException) -> str:
    """Put an error of the library into words; some have none."""
    return " ".join(str(error).split()) or f"no answer ({type(error).__name__})"


def _judge(row: Any, terms: Terms, *, needs_schema: bool, needs_sync: bool) -> Look:  # noqa: ANN401
    """Decide whether this server will do.

    Raises:
        ConfigError: it will not until somebody changes something.
        JournalUnavailable: not now.
    """
    problems: list[str] = []
    if row["version_number"] < _OLDEST:
        problems.append(f"is {row['version']}: 15 or later is needed")
    if needs_sync and not terms.only_reads and row["synchronous_commit"] == "off":
        problems.append("has synchronous_commit = off for this role: answered commands would be lost with the server")
    if needs_schema and row["schema"] is None:
        problems.append("has no such schema, or this role may not use it: `lastunit store migrate` creates it")
    if problems:
        raise ConfigError([f"{terms.section}: {terms.place}: {problem}" for problem in problems])
    if not terms.only_reads and (row["in_recovery"] or row["read_only"]):
        what = "a replica of another server" if row["in_recovery"] else "set to read only"
        raise JournalUnavailable(f"{terms.place}: is {what}: nothing can be written there")
    off = [name for name in ("fsync", "full_page_writes") if not row[name]]
    notes = tuple(f"{name} is off: answered commands do not survive a crash of the machine" for name in off)
    return Look(version=row["version"], role=row["role"], notes=notes)


def _tls(terms: Terms) -> ssl.SSLContext | bool:
    if terms.host.startswith("/") or terms.tls == "disable":
        return False
    try:
        context = ssl.create_default_context(cafile=terms.ca_file)
    except OSError as error:
        raise ConfigError([f"{terms.section}.ca_file: {terms.ca_file}: {error.strerror or error}"]) from error
    context.check_hostname = terms.tls == "verify-full"
    if terms.tls == "require":
        context.verify_mode = ssl.CERT_NONE
    return context
