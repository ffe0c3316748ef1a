"""Which SKUs have become one: for certain, or perhaps, while nobody has said what became of a merge."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass


@dataclass
class Merge:
    """One SKU that goes into another one."""

    into: str
    sent_at: float
    """When it was asked for first; it cannot have happened before."""
    done_at: float | None = None
    """When it was answered; None: it is not."""


class Merges:
    """All of a run. Units, holds and claims stay where they were noted; whoever asks for the heir adds them up."""

    def __init__(self) -> None:
        """Start with every SKU for itself."""
        self._by_gone: dict[str, Merge] = {}

    def sent(self, at: float, gone: str, into: str) -> None:
        """Hear that a merge is asked for: from now on it may have happened."""
        assert gone not in self._by_gone, f"{gone} has gone, or is about to"
        self._by_gone[gone] = Merge(into, at)

    def done(self, at: float, gone: str) -> Merge:
        """Hear that it has happened."""
        merge = self._by_gone[gone]
        merge.done_at = at
        return merge

    def refused(self, gone: str) -> None:
        """Hear that it has not happened, and will not."""
        del self._by_gone[gone]

    def is_leaving(self, sku: str) -> bool:
        """Whether a SKU has gone into another one, or perhaps has."""
        return sku in self._by_gone

    def any_leaving(self, skus: Iterable[str]) -> bool:
        """Whether one of some SKUs has gone into another one, or perhaps has."""
        return bool(self._by_gone) and any(map(self.is_leaving, skus))

    @property
    def gone(self) -> list[str]:
        """SKUs that have gone for certain."""
        return [gone for gone, merge in self._by_gone.items() if merge.done_at is not None]

    def heir(self, sku: str, *, perhaps: bool = False) -> str:
        """Return what a SKU has gone into for certain, or itself. `perhaps`: merges without an answer count, too."""
        while (merge := self._by_gone.get(sku)) is not None and (perhaps or merge.done_at is not None):
            sku = merge.into
        return sku

    def members(self, sku: str, by: float = float("inf")) -> list[str]:
        """Return a SKU and all that have gone into it for certain, by an instant."""
        return [sku, *(gone for gone in self._by_gone if gone != sku and self._gone_into(gone, by) == sku)]

    def perhaps(self, sku: str, members: Collection[str]) -> list[str]:
        """Return those that may have gone into a SKU, beside these members of it."""
        return [gone for gone in self._by_gone if gone not in members and self.heir(gone, perhaps=True) == sku]

    def _gone_into(self, sku: str, by: float) -> str:
        while (merge := self._by_gone.get(sku)) is not None and merge.done_at is not None and merge.done_at <= by:
            sku = merge.into
        return sku
