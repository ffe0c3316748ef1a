"""Every statement for PostgreSQL.

Names are unqualified: each session's `search_path` is the one schema of its store. `partition = 0` is the one partition
that there is (`adapters.store.claims.PARTITION`).
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Final

STEPS: Final = (
    """
    CREATE TABLE frames (
        partition integer NOT NULL,
        position bigint NOT NULL CHECK (position > 0),
        written_at timestamptz NOT NULL,
        digest bigint NOT NULL,
        payload bytea NOT NULL,
        PRIMARY KEY (partition, position)
    );
    -- compressing in the server costs more than writing, and a search would undo it for each frame
    ALTER TABLE frames ALTER COLUMN payload SET STORAGE EXTERNAL;

    CREATE TABLE partitions (
        partition integer PRIMARY KEY,
        epoch bigint NOT NULL
    );
    COMMENT ON TABLE partitions IS 'Whose appends are taken. Locked by each append, changed by a claim alone.';

    CREATE TABLE owners (
        partition integer NOT NULL REFERENCES partitions,
        epoch bigint NOT NULL,
        owner text NOT NULL,
        claimed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        after_position bigint NOT NULL,
        PRIMARY KEY (partition, epoch)
    );

    CREATE TABLE leases (
        partition integer PRIMARY KEY REFERENCES partitions,
        epoch bigint NOT NULL,
        heard_at timestamptz
    );
    COMMENT ON TABLE leases IS 'When the owner was last heard of, by this server; NULL: it has left.';

    INSERT INTO partitions VALUES (0, 0);
    INSERT INTO leases VALUES (0, 0, NULL);
    """,
    """
    CREATE TABLE snapshots (
        partition integer NOT NULL,
        snapshot bigint GENERATED ALWAYS AS IDENTITY,
        head text,
        pieces integer,
        digest bytea,
        PRIMARY KEY (partition, snapshot)
    );
    COMMENT ON TABLE snapshots IS 'What a node knew at a position; without a head: being written, or cut short.';

    CREATE TABLE snapshot_pieces (
        partition integer NOT NULL,
        snapshot bigint NOT NULL,
        number integer NOT NULL,
        payload bytea NOT NULL,
        PRIMARY KEY (partition, snapshot, number),
        FOREIGN KEY (partition, snapshot) REFERENCES snapshots ON DELETE CASCADE
    );
    -- compressed already
    ALTER TABLE snapshot_pieces ALTER COLUMN payload SET STORAGE EXTERNAL;
    """,
    """
    CREATE TABLE segments (
        partition integer NOT NULL REFERENCES partitions,
        first bigint NOT NULL,
        last bigint NOT NULL CHECK (last >= first),
        file text NOT NULL,
        file_bytes bigint NOT NULL,
        sha256 text NOT NULL,
        put_away_at timestamptz NOT NULL,
        PRIMARY KEY (partition, first)
    );
    COMMENT ON TABLE segments IS 'Files of frames that were put away, each behind the one before.';

    CREATE FUNCTION trim_frames(frames_max integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
        WITH oldest AS (
            SELECT position FROM frames WHERE partition = 0
            AND position <= (SELECT max(last) FROM segments WHERE partition = 0)
            AND position < (SELECT max(position) FROM frames WHERE partition = 0)
            ORDER BY position LIMIT frames_max
        ), trimmed AS (
            DELETE FROM frames USING oldest
            WHERE frames.partition = 0 AND frames.position = oldest.position RETURNING 1
        )
        SELECT count(*) FROM trimmed
    $$;
    COMMENT ON FUNCTION trim_frames IS 'Delete the oldest frames that segments have, never the newest of all: '
        'whoever may call it needs no right to delete frames.';
    REVOKE EXECUTE ON FUNCTION trim_frames FROM PUBLIC;
    """,
)
"""From each version of the schema to the next; from 0, which has nothing, to the number of steps."""
SCHEMA_VERSION: Final = len(STEPS)

VERSIONS_TABLE: Final = """
CREATE TABLE schema_versions (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    program text NOT NULL
)
"""

RIGHTS: Final = {
    "frames": ("SELECT", "INSERT"),
    "partitions": ("SELECT", "UPDATE"),
    "owners": ("SELECT", "INSERT"),
    "leases": ("SELECT", "UPDATE"),
    "schema_versions": ("SELECT",),
    "snapshots": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "snapshot_pieces": ("SELECT", "INSERT"),
    "segments": ("SELECT",),
}
"""All that the daemon's role needs, beside USAGE on the schema: nobody who has these alone can change a frame.
Snapshots are no facts: they go when there are newer ones."""
RIGHTS_TO_READ: Final = dict.fromkeys(("frames", "schema_versions", "segments"), ("SELECT",))
"""All that a role needs to read the journal, beside USAGE."""

SEGMENTS: Final = """
SELECT first, last, file, file_bytes, sha256, put_away_at FROM segments WHERE partition = 0 ORDER BY first
"""
SEGMENT_OF: Final = """
SELECT first, last, file, file_bytes, sha256, put_away_at FROM segments
WHERE partition = 0 AND $1 BETWEEN first AND last
    AND NOT EXISTS (SELECT FROM frames WHERE partition = 0 AND position = $1)
"""
OUTLINE: Final = """
SELECT position, written_at, octet_length(payload) AS payload_bytes FROM frames
WHERE partition = 0 AND position > $1 ORDER BY position LIMIT $2
"""
RECORD_SEGMENT: Final = """
INSERT INTO segments (partition, first, last, file, file_bytes, sha256, put_away_at)
SELECT 0, $1, $2::bigint, $3, $4, $5, $6
WHERE $1::bigint = (SELECT coalesce(max(last), 0) + 1 FROM segments WHERE partition = 0)
    AND $2 < (SELECT max(position) FROM frames WHERE partition = 0)
RETURNING first
"""
"""Only behind the one before, and never with the newest frame: the next append asks for it."""
TRIM: Final = "SELECT trim_frames($1)"

LOOK: Final = """
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::int AS version_number,
    pg_is_in_recovery() AS in_recovery,
    current_setting('transaction_read_only')::bool AS read_only,
    -- as it is now, whatever is changed in the server's files later
    set_config('synchronous_commit', current_setting('synchronous_commit'), false) AS synchronous_commit,
    current_setting('fsync')::bool AS fsync,
    current_setting('full_page_writes')::bool AS full_page_writes,
    current_user::text AS role,
    current_schema()::text AS schema
"""
MISSING_RIGHTS: Final = """
SELECT wanted.right || ' on ' || wanted.tab
FROM unnest($1::text[], $2::text[]) AS wanted (tab, "right")
WHERE NOT has_table_privilege(quote_ident(current_schema()) || '.' || wanted.tab, wanted.right)
"""
MAY_CHANGE_FRAMES: Final = """
SELECT has_table_privilege('frames', 'UPDATE') OR has_table_privilege('frames', 'DELETE')
    OR has_table_privilege('frames', 'TRUNCATE')
"""

APPEND: Final = """
WITH mine AS (
    SELECT FROM partitions WHERE partition = 0 AND epoch = $5 AND epoch > 0 FOR SHARE
)
INSERT INTO frames (partition, position, written_at, digest, payload)
SELECT 0, $1::bigint, $2::timestamptz, $3::bigint, $4::bytea FROM mine
WHERE $1 = 1 OR EXISTS (SELECT FROM frames WHERE partition = 0 AND position = $1 - 1)
RETURNING position
"""
"""One statement, one transaction. The lock makes a claim wait for it, and makes it wait for a claim; then the condition
is judged anew. Without its predecessor nothing is written: a server that was set back must not be carried on with a
gap."""
LOAD: Final = """
INSERT INTO frames (partition, position, written_at, digest, payload)
SELECT 0, loaded.* FROM unnest($1::bigint[], $2::timestamptz[], $3::bigint[], $4::bytea[]) AS loaded
"""
HOLD_OWN: Final = "SELECT 1 FROM partitions WHERE partition = 0 AND epoch = $1 AND epoch > 0 FOR SHARE"
READ: Final = """
SELECT position, written_at, digest, payload FROM frames
WHERE partition = 0 AND position > $1 ORDER BY position LIMIT $2
"""

LOCK_PARTITION: Final = "SELECT epoch FROM partitions WHERE partition = 0 FOR UPDATE"
"""Waits for an append that is under way; what follows in the transaction sees it."""
CLAIM: Final = """
WITH raised AS (
    UPDATE partitions SET epoch = epoch + 1 WHERE partition = 0 RETURNING epoch
), leased AS (
    UPDATE leases SET epoch = raised.epoch, heard_at = clock_timestamp() FROM raised WHERE partition = 0
)
INSERT INTO owners (partition, epoch, owner, after_position)
SELECT 0, raised.epoch, $1, (SELECT coalesce(max(position), 0) FROM frames WHERE partition = 0)
FROM raised
RETURNING epoch, after_position
"""
CLAIMS: Final = """
SELECT epoch, owner, claimed_at, after_position FROM owners
WHERE partition = 0 ORDER BY epoch DESC LIMIT $1
"""
RENEW: Final = """
UPDATE leases SET heard_at = clock_timestamp() WHERE partition = 0 AND epoch = $1 RETURNING epoch
"""
LEAVE: Final = "UPDATE leases SET heard_at = NULL WHERE partition = 0 AND epoch = $1"
TENANT: Final = """
SELECT
    partitions.epoch,
    coalesce(owners.owner, '') AS owner,
    extract(epoch FROM clock_timestamp() - leases.heard_at)::float8 AS silent_seconds,
    EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted
        AND classid::bigint = $1 AND objid::bigint = 0 AND objsubid = 2
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
    ) AS connected
FROM partitions
JOIN leases ON leases.partition = partitions.partition
LEFT JOIN owners ON owners.partition = partitions.partition AND owners.epoch = partitions.epoch
WHERE partitions.partition = 0
"""
WAIT_LOCK: Final = "SELECT pg_advisory_lock($1::int, 0)"
TRY_LOCK: Final = "SELECT pg_try_advisory_lock($1::int, 0)"
SUMMARY: Final = """
SELECT
    (SELECT coalesce(max(position), 0) FROM frames WHERE partition = 0) AS frames,
    (SELECT written_at FROM frames WHERE partition = 0 ORDER BY position DESC LIMIT 1) AS last_at,
    pg_total_relation_size('frames') AS stored_bytes,
    (SELECT coalesce(min(position), 0) FROM frames WHERE partition = 0) AS first,
    (SELECT max(version) FROM schema_versions) AS schema_version
"""


def build_search(needles: int) -> str:
    """Build the search for frames that have any of so many byte strings; $1 and $2 bound positions, $3 the bytes kept.

    The frame that goes beyond the bound is brought, too, so that a step always comes further.
    """
    has = " OR ".join(f"position(${number}::bytea IN payload) > 0" for number in range(4, 4 + needles)) or "TRUE"
    return f"""
        SELECT position, written_at, digest, payload FROM (
            SELECT *, sum(octet_length(payload)) OVER (ORDER BY position) - octet_length(payload) AS before
            FROM frames WHERE partition = 0 AND position > $1 AND position <= $2 AND ({has})
        ) AS found WHERE before < $3 ORDER BY position
    """  # noqa: S608 - nothing of a caller's is in it


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def lock_class(schema: str) -> int:
    """Return the first key of the advisory locks of the store in this schema; the second one is the partition."""
    return zlib.crc32(b"lastunit " + schema.encode()) & 0x7FFFFFFF


def grants(schema: str, role: str) -> list[str]:
    """Build what gives a role all that the daemon needs, and nothing more."""
    return _grants(schema, role, RIGHTS)


def reading_grants(schema: str, role: str) -> list[str]:
    """Build what gives a role all that is needed to read the journal, and nothing more."""
    return _grants(schema, role, RIGHTS_TO_READ)


def _grants(schema: str, role: str, rights: Mapping[str, Sequence[str]]) -> list[str]:
    given = [f"GRANT {', '.join(those)} ON {quote(table)} TO {quote(role)}" for table, those in rights.items()]
    return [f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)}", *given]


def archive_grants(role: str) -> list[str]:
    """Build what a role needs beside that to put frames away; it can still not change one, or delete what is needed."""
    return [
        f"GRANT INSERT ON segments TO {quote(role)}",
        f"GRANT EXECUTE ON FUNCTION trim_frames(integer) TO {quote(role)}",
    ]
