"""The catalogue: every SKU with its item, who has which barcode, and what is decided about names.

It has one writer, which decides while all shards lend their books; everybody else reads. Details are kept packed and
unpacked when somebody looks: 100,000 full ones take a third of the memory that way.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from sys import intern
from typing import get_args

import msgspec

from engine.domain.catalogue.barcodes import barcode_key, check_barcode, tidy_barcode
from engine.domain.catalogue.codes import Codes
from engine.domain.catalogue.items import NO_DETAILS, Barcode, Details
from engine.domain.commands import Refusal
from engine.domain.events import ItemDescribed, SkuAdded, SkuMerged, SkuRenamed, SkuRetired, SkuRevived
from engine.domain.stated.catalogue import ItemStated, NamesStated
from engine.domain.units import Sku, check_identifier

_PACK = msgspec.msgpack.Encoder()
_UNPACK = msgspec.msgpack.Decoder(Details)
_NOTHING = _PACK.encode(NO_DETAILS)

Naming = SkuAdded | ItemDescribed | SkuRenamed | SkuMerged | SkuRetired | SkuRevived
"""What the catalogue is made of."""
NAMING_EVENTS = get_args(Naming)


class Item(msgspec.Struct, frozen=True, gc=False):
    """One SKU as the catalogue keeps it."""

    sku: Sku
    name: str = ""
    category: str = ""
    packed: bytes = _NOTHING
    retired: bool = False

    @property
    def details(self) -> Details:
        """All that was said of it."""
        return NO_DETAILS if self.packed is _NOTHING else _UNPACK.decode(self.packed)


class Catalogue:
    """All items, in the order in which they were added."""

    def __init__(self) -> None:
        """Start empty; `apply` is the only way in."""
        self.codes = Codes()
        self.version = 0
        """Rises with every event: who decided on an older one has to look again."""
        self._items: dict[Sku, Item] = {}
        self._order: list[Sku] = []
        self._barcodes: dict[int, Sku] = {}

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, sku: Sku) -> bool:
        return sku in self._items

    def get(self, sku: Sku) -> Item | None:
        """Return the item of an id."""
        return self._items.get(sku)

    def details_of(self, sku: Sku) -> Details:
        """Return what was said of an id; nothing for one that does not exist."""
        item = self._items.get(sku)
        return NO_DETAILS if item is None else item.details

    def category_of(self, sku: Sku) -> str | None:
        """Return the category of an id; None when nobody gave it one."""
        item = self._items.get(sku)
        return None if item is None else item.category or None

    def is_retired(self, sku: Sku) -> bool:
        """Whether an id is retired, or merged into another one."""
        item = self._items.get(sku)
        return item is not None and item.retired

    def owner_of_barcode(self, barcode: Barcode) -> Sku | None:
        """Return the id that has this barcode, however it is filled up with zeros."""
        return self._barcodes.get(barcode_key(barcode))

    def owner_of_key(self, key: int) -> Sku | None:
        """Return the id that has the barcode with this key."""
        return self._barcodes.get(key)

    def find(self, word: str) -> Sku | None:
        """Return the id that somebody means who types a code or scans a barcode."""
        sku = self.codes.resolve(Sku(word))
        if sku in self._items:
            return sku
        digits = tidy_barcode(word)
        return self.owner_of_barcode(Barcode(digits)) if check_barcode(digits) is None else None

    def page(self, start: int, count: int) -> tuple[list[Item], int | None]:
        """Return items from a place in the order of adding, and the place to go on at; None: that was all.

        What is added meanwhile comes at the end, so a walk meets every item once. Merged ones are left out.
        """
        skus = self._order[start : start + count]
        end = start + len(skus)
        merged = self.codes.merged
        return [self._items[sku] for sku in skus if sku not in merged], end if end < len(self._order) else None

    def apply(self, event: Naming) -> None:
        """Take in one event, live and in replay alike."""
        self.version += 1
        match event:
            case SkuAdded(sku=sku, name=name):
                item = self._items.get(sku)
                if item is None:
                    self._order.append(sku)
                    self._items[sku] = Item(sku, name)
                elif item.name != name:
                    self._items[sku] = msgspec.structs.replace(item, name=name)
            case ItemDescribed():
                self._describe(event)
            case SkuRenamed():
                self.codes.apply(event)
            case SkuMerged(sku=sku):
                self.codes.apply(event)
                self._strike(sku)
            case SkuRetired(sku=sku) | SkuRevived(sku=sku):
                self._items[sku] = msgspec.structs.replace(self._items[sku], retired=isinstance(event, SkuRetired))

    def _describe(self, event: ItemDescribed) -> None:
        known = self._items[event.sku]
        self._index(known.details, event.details, event.sku)
        self._items[event.sku] = _described(known, event.details)

    def _strike(self, sku: Sku) -> None:
        """Forget what a merged item was like; what was worth keeping was described of the other one."""
        item = self._items[sku]
        self._index(item.details, NO_DETAILS, sku)
        self._items[sku] = msgspec.structs.replace(item, category="", packed=_NOTHING, retired=True)

    def _index(self, before: Details, after: Details, sku: Sku) -> None:
        for barcode in before.barcodes:
            # another item's event of the same import may have taken it over already
            if self._barcodes.get(barcode_key(barcode)) == sku:
                del self._barcodes[barcode_key(barcode)]
        for barcode in after.barcodes:
            self._barcodes[barcode_key(barcode)] = sku

    # -- as statements (`engine.domain.stated.Stateful`)

    def state(self, as_of: datetime) -> Iterator[ItemStated | NamesStated]:  # noqa: ARG002 - nothing is forgotten here
        """State every item in the order of adding, then every other code."""
        for sku in self._order:
            item = self._items[sku]
            details = item.details
            led_away = [code for code in details.barcodes if self._barcodes.get(barcode_key(code)) != sku]
            yield ItemStated(sku=sku, name=item.name, retired=item.retired, details=details, led_away=tuple(led_away))
        yield from self.codes.state()

    def restore(self, statement: ItemStated | NamesStated) -> None:
        """Take in an item, or the codes of one."""
        if isinstance(statement, NamesStated):
            self.codes.restore(statement)
            return
        sku, details = statement.sku, statement.details
        item = Item(sku, statement.name, retired=statement.retired)
        self._order.append(sku)
        self._items[sku] = item if details == NO_DETAILS else _described(item, details)
        for barcode in details.barcodes:
            if barcode not in statement.led_away:
                self._barcodes[barcode_key(barcode)] = sku


def _described(item: Item, details: Details) -> Item:
    packed = _NOTHING if details == NO_DETAILS else _PACK.encode(details)
    return Item(item.sku, item.name, intern(details.category), packed, item.retired)


def decide_rename(catalogue: Catalogue, sku: Sku, code: Sku, *, by: str, now: datetime) -> SkuRenamed | Refusal | None:
    """Give an id a new code; None when it has it. An old code of its own may come back, no other SKU's ever does."""
    codes = catalogue.codes
    if sku not in catalogue:
        return Refusal(code="NOSUCHSKU", text=f"sku={sku}")
    if problem := check_identifier("code", code):
        return Refusal(code="BADARG", text=problem)
    was = codes.code_of(sku)
    if code == was:
        return None
    owner = codes.resolve(code)
    if owner != sku and owner in catalogue:
        return Refusal(code="CONFLICT", text=_describe_owner(codes, code, owner))
    return SkuRenamed(at=now, sku=sku, code=code, was=was, by=by)


def _describe_owner(codes: Codes, code: Sku, owner: Sku) -> str:
    until = codes.ended_at(code)
    if until is None:
        return f"code={code} is a SKU already: ITEM MERGE makes one of two"
    return f"code={code} was {codes.code_of(owner)} until {until:%Y-%m-%dT%H:%M:%SZ}, and still leads there"


def decide_standing(
    catalogue: Catalogue, sku: Sku, *, retired: bool, by: str, now: datetime
) -> SkuRetired | SkuRevived | Refusal | None:
    """Retire or revive an id; None when it is so already."""
    item = catalogue.get(sku)
    if item is None:
        return Refusal(code="NOSUCHSKU", text=f"sku={sku}")
    if item.retired == retired:
        return None
    return SkuRetired(at=now, sku=sku, by=by) if retired else SkuRevived(at=now, sku=sku, by=by)


def search(items: Iterable[Item], codes: Codes, text: str) -> Iterator[Item | None]:
    """Yield what fits a text, and None for every item that does not, so that the caller can pause where it likes.

    An item fits when its code starts with the text or its name has all the words, case aside.
    """
    wanted = text.casefold()
    words = wanted.split()
    for item in items:
        code = codes.code_of(item.sku).casefold()
        name = item.name.casefold()
        yield item if code.startswith(wanted) or (words and all(word in name for word in words)) else None
