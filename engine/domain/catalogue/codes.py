"""What a SKU is called: its id stays for ever, its code may change, and every code it had leads to it still.

The id is the first code a SKU had; the ledger, the journal and every record are keyed by it (lesson C6). The code is
what people and channels read and write. A code is never given to a second SKU: who still uses it means the first one.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from engine.domain.commands import Command, TakeSnapshot, sum_lines
from engine.domain.events import SkuMerged, SkuRenamed
from engine.domain.stated.catalogue import NamesStated
from engine.domain.units import Sku


class Codes:
    """From code to id and back. Empty until the first rename: then nothing has to be looked up."""

    __slots__ = ("_codes", "_ids", "_inherited", "_others", "_until", "active", "merged")

    def __init__(self) -> None:
        """Start with every SKU called as its id."""
        self.active = False
        """Whether any SKU was ever renamed or merged."""
        self._ids: dict[Sku, Sku] = {}
        """Every code, current or old, that is not an id in use, and the id it means."""
        self._codes: dict[Sku, Sku] = {}
        """Id of a renamed SKU to its code."""
        self._others: dict[Sku, list[Sku]] = {}
        """Id to the codes in `_ids` that mean it."""
        self._inherited: set[Sku] = set()
        """Codes that meant a SKU which was merged into another one."""
        self._until: dict[Sku, datetime] = {}
        """Old codes and when they ended."""
        self.merged: dict[Sku, Sku] = {}
        """Ids that are no SKUs of their own any more, and where they went."""

    def resolve(self, code: Sku) -> Sku:
        """Return the id that a code means; a code nobody has given is returned as it is."""
        return self._ids.get(code, code)

    def code_of(self, sku: Sku) -> Sku:
        """Return what people call an id today; of a merged one, what the SKU is called that it went into."""
        found = self._ids.get(sku, sku)
        return self._codes.get(found, found)

    def aliases_of(self, sku: Sku) -> tuple[Sku, ...]:
        """Return the other codes that mean this id, the oldest first."""
        now = self._codes.get(sku, sku)
        return tuple(code for code in (sku, *self._others.get(sku, ())) if code != now)

    def precedence(self, code: Sku) -> int:
        """Rank a code among those of one SKU, 0 first: its id, its code of today, its old ones, those it inherited."""
        if code in self._inherited:
            return 3
        sku = self.resolve(code)
        return 0 if code == sku else 1 if code == self.code_of(sku) else 2

    def ended_at(self, code: Sku) -> datetime | None:
        """Return when a code was given up; None while it is in use, and for a code nobody had."""
        return self._until.get(code)

    def means_another(self, code: Sku) -> bool:
        """Whether a code is not an id, but leads to one."""
        return code in self._ids

    def apply(self, event: SkuRenamed | SkuMerged) -> None:
        """Take in what has happened."""
        self.active = True
        if isinstance(event, SkuRenamed):
            self._rename(event)
        else:
            self._merge(event)

    def _rename(self, event: SkuRenamed) -> None:
        sku = event.sku
        self._until[event.was] = event.at
        self._until.pop(event.code, None)
        if event.code == sku:
            self._codes.pop(sku, None)
            return
        self._codes[sku] = event.code
        if event.code not in self._ids:
            self._ids[event.code] = sku
            self._others.setdefault(sku, []).append(event.code)

    def _merge(self, event: SkuMerged) -> None:
        gone, into = event.sku, event.into
        self._until[self._codes.pop(gone, gone)] = event.at
        moving = [gone, *self._others.pop(gone, ())]
        for code in moving:
            self._ids[code] = into
        self._others.setdefault(into, []).extend(moving)
        self._inherited.update(moving)
        self.merged[gone] = into
        for sku in (sku for sku, target in self.merged.items() if target == gone):
            self.merged[sku] = into

    def state(self) -> Iterator[NamesStated]:
        """State the codes of every SKU that has others than its id, by id."""
        merged: dict[Sku, list[Sku]] = {}
        for gone, into in self.merged.items():
            merged.setdefault(into, []).append(gone)
        for sku in sorted(self._others):
            others = self._others[sku]
            yield NamesStated(
                sku=sku,
                code=self._codes.get(sku),
                others=tuple(others),
                inherited=tuple([code for code in others if code in self._inherited]),
                ended=tuple([(code, self._until[code]) for code in (sku, *others) if code in self._until]),
                merged=tuple(sorted(merged.get(sku, ()))),
            )

    def restore(self, stated: NamesStated) -> None:
        """Take in the codes of one SKU."""
        self.active = True
        sku = stated.sku
        if stated.code is not None:
            self._codes[sku] = stated.code
        self._others[sku] = list(stated.others)
        self._ids.update(dict.fromkeys(stated.others, sku))
        self._inherited.update(stated.inherited)
        self._until.update(stated.ended)
        self.merged.update(dict.fromkeys(stated.merged, sku))


def name_by_id(command: Command, codes: Codes) -> Command:
    """Return a command as it is when every SKU in it is named by its id; lines of one SKU are summed, as always."""
    changes: dict[str, object] = {}
    sku: Sku | None = getattr(command, "sku", None)
    if sku is not None and (found := codes.resolve(sku)) != sku:
        changes["sku"] = found
    lines: tuple[tuple[Sku, int], ...] = getattr(command, "lines", ())
    named = [(codes.resolve(code), units) for code, units in lines]
    if named != list(lines):
        changes["lines"] = sum_lines(named)
    if isinstance(command, TakeSnapshot):
        changes["rows"] = tuple([msgspec.structs.replace(row, sku=codes.resolve(row.sku)) for row in command.rows])
    return msgspec.structs.replace(command, **changes) if changes else command
