"""Promises to baskets: what was asked, what was answered, and therefore what must be."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class HoldCase:
    """One hold."""

    hold: str
    wanted: Mapping[str, int]
    """SKUs as asked for, bundles too."""
    sent_at: float
    state: str = "unknown"
    """`unknown`, `refused`, `granted`; of the granted, `committed`, `released` and `expired` as answered."""
    refusal: str = ""
    """Why it was refused, as a code."""
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Units by SKU with stock and location."""
    granted_at: float = 0.0
    expires: float | None = None
    """In the daemon's time; None: never."""
    commit_sent: bool = False
    release_sent: bool = False
    order: str = ""
    """The order that it was committed into."""
    taken_over: bool = False
    """A snapshot of that order was told, or may have been: its lines decide now."""
    ended_at: float | None = None
    """When it was certainly over."""

    def is_open_for_sure(self, daemon_seconds: float) -> bool:
        """Whether its units are promised beyond doubt, by the latest that the daemon's clock can say."""
        if self.release_sent or self.taken_over or self.state not in {"granted", "committed"}:
            return False
        return self.state == "committed" or self.expires is None or self.expires > daemon_seconds

    def is_over_for_sure(self, since: float, daemon_seconds: float) -> bool:
        """Whether its units were free from an instant of the world on, at this instant of the daemon at the latest."""
        if self.state == "refused" or (self.ended_at is not None and self.ended_at <= since):
            return True
        run_out = self.expires is not None and self.expires <= daemon_seconds
        return run_out and not self.commit_sent

    @property
    def skus(self) -> dict[str, int]:
        """Units by SKU with stock."""
        found: dict[str, int] = {}
        for (sku, _), units in self.lines.items():
            found[sku] = found.get(sku, 0) + units
        return found
