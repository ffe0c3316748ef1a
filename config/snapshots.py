"""The section about snapshots of state."""

from typing import Annotated

import msgspec

from config.values import Count, NotNegative, Positive, Section


class Snapshots(Section, frozen=True, kw_only=True):
    """Snapshots of state: what a start reads instead of the whole journal. The daemon has a process make them."""

    enabled: bool = True
    """False: none is made, and a start reads the whole journal."""
    events: Count = 500_000
    """A new one is made after so many events..."""
    minutes: Positive = 360.0
    """...or when the newest is older than this and anything has happened since."""
    share_max: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    """Most of one processor that making them may take in the long run; a busier journal has fewer of them."""
    keep: Count = 2
    """So many stay; of two, one may be damaged."""
    stop_seconds_max: NotNegative = 20.0
    """How long a daemon that is stopped may write one of itself, for a quick start of the next. 0: it does not."""
