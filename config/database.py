"""The sections about PostgreSQL servers."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from config.values import Name, Positive, Secret, Section


class Server(Section, frozen=True, kw_only=True):
    """A PostgreSQL server, 15 to 18, and the way in."""

    host: str = "localhost"
    """Name or address; a path that begins with a slash is the folder of a unix socket. No pooler in between."""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 5432
    """Its port, also of a unix socket."""
    database: str = "lastunit"
    """The database, which must exist."""
    tls: Literal["verify-full", "verify-ca", "require", "disable"] = "verify-full"
    """verify-full: certificate and name; verify-ca: certificate; require: only encrypted. A unix socket has none."""
    ca_file: Path | None = None
    """Who must have signed the server's certificate (PEM); none: whoever this machine trusts. Relative to this file."""
    connect_seconds_max: Positive = 10.0
    """How long connecting may take."""


class Postgres(Server, frozen=True, kw_only=True):
    """The server for `store.kind = "postgres"`, 15 to 18. `lastunit store migrate` makes the tables."""

    user: str = "lastunit"
    """The role of the daemon; it needs no right to change or drop anything that was written."""
    database_password: Secret | None = None
    """The role's password; none: the server asks for none, or it stands in the `.pgpass` of the daemon's user."""
    schema: Name = "lastunit"
    """Where the tables are: one store, one schema."""
    statement_seconds_max: Positive = 30.0
    """How long the server may work on one statement. A commit without an answer 5 s later stops the daemon."""
    lease_seconds: Positive = 6.0
    """An owner of which the server has not heard for longer is given up by a standby. Equal on all machines."""


class ReadingPostgres(Server, frozen=True, kw_only=True):
    """The server for `reading.kind = "postgres"`, 15 to 18: the store's own or another one."""

    user: str = "lastunit_reading"
    """The role that writes the tables: owner of the schema, and nothing else."""
    reading_password: Secret | None = None
    """The role's password; none: the server asks for none, or it stands in the `.pgpass` of the process' user."""
    schema: Name = "lastunit_reading"
    """Where the tables are; nothing else may be in it."""
    readers: tuple[Annotated[str, msgspec.Meta(min_length=1, max_length=63)], ...] = ()
    """Roles that may read the tables; they get that right and no other."""
    statement_seconds_max: Positive = 60.0
    """How long the server may work on one statement; making indexes, when all is made anew, has no limit."""
