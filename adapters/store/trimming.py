"""Taking frames that were put away out of a SQLite journal, a few at a time, beside its writer.

Done by the process that owns the file: one in another process would hold SQLite's lock while a commit waits for it, for
as long as the system leaves that process standing.
"""

import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final

_BATCH_BYTES: Final = 256 << 10
"""Payload that one transaction takes out, and the frame that goes beyond: under a millisecond."""
_BATCH_FRAMES_MAX: Final = 256
_PAUSE_SECONDS: Final = 0.002
"""Between two transactions. A lock that is let go and taken again at once is never given to who waits for it."""
_OLDEST: Final = """
SELECT position, length(payload), substr(payload, -1) FROM frames
WHERE position <= (SELECT last FROM segments ORDER BY first DESC LIMIT 1)
    AND position < (SELECT max(position) FROM frames)
ORDER BY position LIMIT ?
"""
"""Frames that segments have. The very last one stays whatever they have: it says where the journal ends. Its last byte
is asked for so that all its pages are read before anybody has to wait for that."""


def trim(
    connection: sqlite3.Connection, committing: threading.Lock, *, bytes_max: int, wanted: Callable[[], bool]
) -> int:
    """Delete the oldest frames that segments have.

    Pages that become free are used by the next frames. Nothing is synced: what a crash brings back is deleted again.

    Args:
        connection: with `synchronous=NORMAL` and no checkpoints of its own.
        committing: held while commits must wait.
        bytes_max: payload to take out, and the batch that goes beyond.
        wanted: whether to go on.

    Returns:
        Frames that were deleted.

    Raises:
        sqlite3.Error: no room, or damaged; what was deleted is deleted.
    """
    deleted = 0
    while bytes_max > 0 and wanted():
        through, kept_bytes, frames = 0, 0, 0
        for position, size, _ in connection.execute(_OLDEST, (_BATCH_FRAMES_MAX,)):
            through, kept_bytes, frames = position, kept_bytes + size, frames + 1
            if kept_bytes >= _BATCH_BYTES:
                break
        if not frames:
            break
        with committing:
            connection.execute("DELETE FROM frames WHERE position <= ?", (through,))
        deleted += frames
        bytes_max -= kept_bytes
        time.sleep(_PAUSE_SECONDS)
    return deleted


def first_position(connection: sqlite3.Connection) -> int:
    """Look for the oldest frame in the file; 0: there is none."""
    return int(connection.execute("SELECT coalesce(min(position), 0) FROM frames").fetchone()[0])
