"""Which rule of a book is whose: rules name SKUs by any code that they ever had."""

from collections.abc import Callable, Collection, Iterable, Iterator

from engine.domain.catalogue.codes import Codes
from engine.domain.units import Sku


def find_written(names: Iterable[Sku], codes: Codes) -> dict[Sku, Sku]:
    """Say under which of the names in a book the rule of each SKU is written, by id.

    Where several mean one SKU its own go first, its id before its code of today before old ones; then those of SKUs
    that were merged into it, in the order of the book.
    """
    found: dict[Sku, Sku] = {}
    for name in names:
        sku = codes.resolve(name)
        if sku not in found or codes.precedence(name) < codes.precedence(found[sku]):
            found[sku] = name
    return found


def note_names(names: Collection[Sku], codes: Codes, knows: Callable[[Sku], bool]) -> Iterator[str]:
    """Say what may be used and is probably not meant: rules for no SKU (yet), and two rules for one.

    `knows`: whether there is a SKU of an id.
    """
    written = find_written(names, codes)
    for name in names:
        sku = codes.resolve(name)
        used = written[sku]
        if not knows(sku):
            yield f"skus.{name}: no SKU has this code yet"
        elif used != name:
            yield f"skus.{name}: is the SKU of skus.{used}, whose rule holds"
