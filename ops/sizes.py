"""How much one command may hold: known to whoever sends it and to whoever takes it."""

from typing import Final

DOCUMENT_LINES_MAX: Final = 1000
"""Lines of a purchase order or transfer. All of its SKUs change in one frame, for which every shard waits."""
SNAPSHOT_ROWS_MAX: Final = 10_000
"""Rows of an external snapshot; a larger feed comes as several. The fuse looks at each by itself."""
TEXT_CHARACTERS_MAX: Final = 500
"""Words for people: reasons, references, names."""
RETURN_HOURS_MAX: Final = 24 * 90
"""How long after a campaign its channel may take to give back the rest. A slip must fence no units for years."""
