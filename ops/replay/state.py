"""What a replayed node knows beside what a living one said of itself: at snapshots, and at marks among the events."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

import msgspec

from adapters.store.snapshots import Kept, Snapshot, Snapshots
from engine.domain.audit.fingerprints import fingerprint
from engine.domain.errors import StoreCorrupt
from engine.domain.events import BooksCompared
from engine.domain.stated import Statement
from engine.domain.units import Instant
from ops.node import Node
from ops.recovery import Frames, forget
from ops.replay.offers import LISTED_MAX
from ops.snapshots.taking import NotOurs, check_belongs, statements_of
from ops.state import digests, sections

_TEXT_MAX: Final = 200
_NOTHING: Final = "nothing"


class StateDifferent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the journal does not bear out."""

    position: int
    section: str
    """As snapshots name it; at a mark among the events: `books`."""
    said: str
    """The first statement that is not the same, as it was written down; where it differs, if it differs in part."""
    replayed: str
    """As the replayed node says it."""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that the replay came by."""

    position: int
    origin: str
    as_of: Instant
    sections: int
    different: int


class StateProved(msgspec.Struct, frozen=True, kw_only=True):
    """All that a state was compared with."""

    snapshots: tuple[Compared, ...]
    refused: dict[str, str]
    """Snapshots that nothing could be compared with, and why."""
    marks: int
    """Places among the events at which a living daemon left fingerprints of its books."""
    books: int
    """Fingerprints compared there."""
    different: int
    differences: tuple[StateDifferent, ...]
    """The first ones."""

    @property
    def live(self) -> bool:
        """Whether anything was compared that a living daemon had said of itself."""
        return self.books > 0 or any(each.origin == "live" for each in self.snapshots)


class StateProof:
    """Compares a node that is being replayed with what others have said."""

    def __init__(self, node: Node) -> None:
        """Begin where the node stands; from here on it hears of marks."""
        self._node = node
        self._compared: list[Compared] = []
        self._refused: dict[str, str] = {}
        self._marks = self._books = self._different = 0
        self._differences: list[StateDifferent] = []
        node.projections.add((BooksCompared,), self._meet_mark)

    def result(self) -> StateProved:
        """Return what was compared so far, and what came of it."""
        return StateProved(
            snapshots=tuple(self._compared),
            refused=dict(self._refused),
            marks=self._marks,
            books=self._books,
            different=self._different,
            differences=tuple(self._differences),
        )

    async def find(self, source: Frames, snapshots: Snapshots) -> list[Kept]:
        """Return the snapshots of this journal that lie ahead of the node, in their order.

        Raises:
            StoreCorrupt: the journal is damaged.
            JournalUnavailable: the journal or the place of the snapshots cannot be read.
        """
        ahead: list[tuple[int, Kept]] = []
        for kept in await snapshots.kept():
            if kept.head is None:
                self._refused[kept.name] = kept.problem
            elif kept.head.position > self._node.journal.position:
                try:
                    await check_belongs(kept.head, source)
                    ahead.append((kept.head.position, kept))
                except NotOurs as reason:
                    self._refused[kept.name] = str(reason)
        return [kept for _, kept in sorted(ahead, key=lambda each: each[0])]

    async def compare(self, kept: Kept, snapshots: Snapshots) -> None:
        """Compare the node with a snapshot of the frame that it stands at.

        Raises:
            JournalUnavailable: the snapshot cannot be read.
        """
        head = kept.head
        assert head is not None, "only those with a head are found"
        assert head.position == self._node.journal.position, "the node stands where the snapshot was made"
        forget(self._node, head.as_of)
        ours = digests(self._node, head.as_of)
        names = [
            name
            for name in dict.fromkeys((*head.sections, *ours))
            if name not in head.sections or name not in ours or head.sections[name].sha256 != ours[name]
        ]
        if names:
            try:
                pieces = await snapshots.read(kept)
                said = _by_section(pieces, names)
            except (StoreCorrupt, msgspec.MsgspecError) as error:
                self._refused[kept.name] = str(error)
                return
            for name in names:
                self._differ(head.position, name, *self._find_first(name, said[name], head))
        self._compared.append(
            Compared(
                position=head.position,
                origin=head.origin,
                as_of=head.as_of,
                sections=len(head.sections),
                different=len(names),
            )
        )

    def _find_first(self, name: str, said: Sequence[Statement], head: Snapshot) -> tuple[str, str]:
        """Return the first statement of a section that is not the same on both sides."""
        owner = sections(self._node).get(name)
        ours: Iterator[Statement] = iter(()) if owner is None else owner.state(head.as_of)
        for one, other in zip_longest(said, ours):
            if one != other:
                return tell_apart(one, other)
        return "the same statements, encoded otherwise", f"section {name}"

    def _meet_mark(self, position: int, mark: BooksCompared) -> None:
        """Compare the books of a mark, at its very place among the events."""
        if not mark.books:
            return
        self._marks += 1
        forget(self._node, mark.at)
        for sku, said in mark.books:
            self._books += 1
            ledger = self._node.router.ledger_of(sku)
            found = fingerprint(ledger, (sku,), mark.at) if sku in ledger.books else ()
            if not found:
                self._differ(position, "books", f"{sku}: fingerprint {said}", f"{sku}: no book, or one too busy")
            elif found[0][1] != said:
                self._differ(position, "books", f"{sku}: fingerprint {said}", f"{sku}: fingerprint {found[0][1]}")

    def _differ(self, position: int, section: str, said: str, replayed: str) -> None:
        self._different += 1
        if len(self._differences) < LISTED_MAX:
            self._differences.append(StateDifferent(position=position, section=section, said=said, replayed=replayed))


def tell_apart(said: object, replayed: object) -> tuple[str, str]:
    """Put two statements that are not the same into words: what they are of, and the first place where they part."""
    if said is None or replayed is None:
        return _brief(said), _brief(replayed)
    one, other = msgspec.to_builtins(said), msgspec.to_builtins(replayed)
    path, mine, theirs = _find_path("", one, other)
    if not path:
        return _brief(said), _brief(replayed)
    return f"{_brief(said)} at {path}: {_brief(mine)}", f"{_brief(replayed)} at {path}: {_brief(theirs)}"


def _find_path(path: str, one: Any, other: Any) -> tuple[str, Any, Any]:  # noqa: ANN401 - anything that is written
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys((*one, *other)):
            if one.get(key) != other.get(key):
                return _find_path(f"{path}.{key}", one.get(key), other.get(key))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        for index, (mine, theirs) in enumerate(zip_longest(one, other)):
            if mine != theirs:
                return _find_path(f"{path}[{index}]", mine, theirs)
    return path, one, other


def _brief(value: object) -> str:
    if value is None:
        return _NOTHING
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _TEXT_MAX else f"{text[:_TEXT_MAX]}..."


def _by_section(pieces: Sequence[bytes], names: Sequence[str]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = {name: [] for name in names}
    for section, statements in statements_of(pieces):
        if section in found:
            found[section] += statements
    return found
