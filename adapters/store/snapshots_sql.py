"""Every statement for snapshots at a PostgreSQL server. `partition = 0`: see `adapters.store.postgres_sql`."""

from typing import Final

TRY_LOCK: Final = "SELECT pg_try_advisory_lock($1::int, -2)"
"""Beside the store's own, whose second key is the partition."""
UNLOCK: Final = "SELECT pg_advisory_unlock($1::int, -2)"
KEPT: Final = """
SELECT snapshot, head, coalesce(
    (SELECT sum(octet_length(payload)) FROM snapshot_pieces AS piece
     WHERE piece.partition = 0 AND piece.snapshot = snapshots.snapshot), 0
)::bigint AS stored_bytes
FROM snapshots WHERE partition = 0 AND head IS NOT NULL
"""
DROP_UNFINISHED: Final = "DELETE FROM snapshots WHERE partition = 0 AND head IS NULL"
"""Asked by who has the lock alone: nobody is writing them."""
BEGIN: Final = "INSERT INTO snapshots (partition) VALUES (0) RETURNING snapshot"
ADD: Final = "INSERT INTO snapshot_pieces (partition, snapshot, number, payload) VALUES (0, $1, $2, $3)"
FINISH: Final = """
UPDATE snapshots SET head = $2, pieces = $3, digest = $4 WHERE partition = 0 AND snapshot = $1 RETURNING snapshot
"""
SEAL: Final = "SELECT head, pieces, digest FROM snapshots WHERE partition = 0 AND snapshot = $1"
READ: Final = """
SELECT payload FROM snapshot_pieces
WHERE partition = 0 AND snapshot = $1 AND number >= $2 AND number < $3 ORDER BY number
"""
DROP: Final = "DELETE FROM snapshots WHERE partition = 0 AND snapshot = any($1::bigint[])"
