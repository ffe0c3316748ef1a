"""What is known of an item besides its stock: text, measures, money, pictures. Pure data and its rules."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Final, NewType, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from engine.domain.catalogue.barcodes import barcode_key, check_barcode, tidy_barcode
from engine.domain.units import AccountId

K = TypeVar("K", bound=str)
V = TypeVar("V", bound=str)

Money = NewType("Money", str)
"""`12.50 EUR`: the amount as a decimal, a blank, the ISO 4217 code. Text, so that no binary fraction comes near it."""
Barcode = NewType("Barcode", str)
"""Digits of a valid GTIN, as printed: a leading zero stays."""

TEXT_MAX: Final = 500
"""Characters of a name, a category, a supplier or an attribute's name: what the longest marketplace title needs."""
VALUE_MAX: Final = 2000
"""Characters of an attribute's value or an image's address."""
MANY_MAX: Final = 50
"""Barcodes, attributes or images of one item; prices of one item. Keeps one hostile row from filling memory."""
GRAMS_MAX: Final = 100_000_000
MILLIMETRES_MAX: Final = 100_000
DAYS_MAX: Final = 3650

_MONEY: Final = re.compile(r"0*(\d{1,12}(?:\.\d{1,4})?) ([A-Z]{3})")
_FORBIDDEN: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Control characters but the line feed, and halves of characters, which cannot be encoded."""

Grams = Annotated[int, msgspec.Meta(ge=0, le=GRAMS_MAX)]
Millimetres = Annotated[int, msgspec.Meta(ge=0, le=MILLIMETRES_MAX)]
Days = Annotated[int, msgspec.Meta(ge=0, le=DAYS_MAX)]


class Details(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An item without its name, which its book has. None and empty: nobody has said."""

    category: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    """Name and value, as `("colour", "red")`, sorted by name."""
    barcodes: tuple[Barcode, ...] = ()
    """The first is the one to print."""
    weight_grams: Grams | None = None
    length_mm: Millimetres | None = None
    width_mm: Millimetres | None = None
    height_mm: Millimetres | None = None
    cost: Money | None = None
    """What a unit costs us."""
    prices: tuple[tuple[AccountId, Money], ...] = ()
    """What an account sells it for, sorted by account."""
    supplier: str = ""
    lead_days: Days | None = None
    """From ordering at the supplier to having it here."""
    images: tuple[str, ...] = ()
    """Addresses, the main one first."""


NO_DETAILS: Final = Details()


class Patch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What is to change of an item: a JSON merge patch. Left out: stays as it is. Null or empty: nobody says any more.

    Attributes and prices are merged name by name; barcodes and images are replaced as a whole.

    Source: RFC 7396.
    """

    name: str | UnsetType = UNSET
    category: str | UnsetType | None = UNSET
    attributes: dict[str, str | None] | UnsetType | None = UNSET
    barcodes: tuple[str, ...] | UnsetType | None = UNSET
    weight_grams: Grams | UnsetType | None = UNSET
    length_mm: Millimetres | UnsetType | None = UNSET
    width_mm: Millimetres | UnsetType | None = UNSET
    height_mm: Millimetres | UnsetType | None = UNSET
    cost: str | UnsetType | None = UNSET
    prices: dict[AccountId, str | None] | UnsetType | None = UNSET
    supplier: str | UnsetType | None = UNSET
    lead_days: Days | UnsetType | None = UNSET
    images: tuple[str, ...] | UnsetType | None = UNSET


Problems = list[tuple[str, str]]
"""Field and what is wrong with it; a field of a map is named with its key: `prices.shop-de`."""


def patched(details: Details, patch: Patch, problems: Problems) -> Details:
    """Return the details with the patch put in; what is wrong with it is added to `problems` and left out."""
    changes: dict[str, object] = {}
    for field in ("category", "supplier"):
        if (value := getattr(patch, field)) is not UNSET:
            changes[field] = _line(field, value or "", problems)
    for field in ("weight_grams", "length_mm", "width_mm", "height_mm", "lead_days"):
        if (value := getattr(patch, field)) is not UNSET:
            changes[field] = value
    if patch.cost is not UNSET:
        changes["cost"] = _money("cost", patch.cost, problems)
    if patch.attributes is not UNSET:
        changes["attributes"] = _merged("attributes", details.attributes, patch.attributes, _attribute, problems)
    if patch.prices is not UNSET:
        changes["prices"] = _merged("prices", details.prices, patch.prices, _money, problems)
    if patch.barcodes is not UNSET:
        changes["barcodes"] = tuple(_barcodes(patch.barcodes or (), problems))
    if patch.images is not UNSET:
        changes["images"] = tuple(_images(patch.images or (), problems))
    if not changes:
        return details
    made = msgspec.structs.replace(details, **changes)
    return details if made == details else made


def tidy_line(text: str) -> str:
    """Bring text to one line with single blanks: shops let line breaks slip into names."""
    return " ".join(text.split())


def check_text(what: str, text: str, characters_max: int) -> str | None:
    """Say what is wrong with free text, or None."""
    if len(text) > characters_max:
        return f"{what} {text[:40]!r}... is longer than {characters_max} characters"
    if _FORBIDDEN.search(text):
        return f"{what} {text[:80]!r} has control characters"
    return None


def read_money(text: str) -> Money | None:
    """Read `12.50 EUR`, without needless zeros in front; None when it is not money."""
    found = _MONEY.fullmatch(text)
    return None if found is None else Money(f"{found[1]} {found[2]}")


def _line(field: str, value: str, problems: Problems) -> str:
    line = tidy_line(value)
    if problem := check_text(field, line, TEXT_MAX):
        problems.append((field, problem))
    return line


def _money(field: str, value: str | None, problems: Problems) -> Money | None:
    if not value:
        return None
    money = read_money(value)
    if money is None:
        problems.append((field, f"{value[:40]!r} is not an amount and a currency, as in 12.50 EUR"))
    return money


def _attribute(field: str, value: str | None, problems: Problems) -> str | None:
    text = (value or "").strip()
    if problem := check_text(field, text, VALUE_MAX):
        problems.append((field, problem))
    return text or None


def _merged(
    field: str,
    known: tuple[tuple[K, V], ...],
    changes: Mapping[K, str | None] | None,
    read: Callable[[str, str | None, Problems], V | None],
    problems: Problems,
) -> tuple[tuple[K, V], ...]:
    if changes is None:
        return ()
    merged = dict(known)
    for name, value in changes.items():
        if not name or name != tidy_line(name):
            problems.append((field, f"the name {name[:40]!r} is empty or has blanks that do not belong there"))
        elif problem := check_text(f"{field}.{name[:40]}", name, TEXT_MAX):
            problems.append((field, problem))
        made = read(f"{field}.{name}", value, problems)
        if made is None:
            merged.pop(name, None)
        else:
            merged[name] = made
    if len(merged) > MANY_MAX:
        problems.append((field, f"{len(merged)} of them: at most {MANY_MAX}"))
    return tuple(sorted(merged.items()))


def _barcodes(texts: tuple[str, ...], problems: Problems) -> Iterator[Barcode]:
    if len(texts) > MANY_MAX:
        problems.append(("barcodes", f"{len(texts)} of them: at most {MANY_MAX}"))
    seen: set[int] = set()
    for digits in map(tidy_barcode, texts):
        if problem := check_barcode(digits):
            problems.append(("barcodes", problem))
        elif barcode_key(digits) in seen:
            problems.append(("barcodes", f"barcode {digits!r} stands there twice"))
        else:
            seen.add(barcode_key(digits))
            yield Barcode(digits)


def _images(texts: tuple[str, ...], problems: Problems) -> Iterator[str]:
    if len(texts) > MANY_MAX:
        problems.append(("images", f"{len(texts)} of them: at most {MANY_MAX}"))
    for image in dict.fromkeys(texts):
        if not image or image.split() != [image]:
            problems.append(("images", f"{image[:80]!r} is not an address: it is empty or has blanks"))
        elif problem := check_text("image", image, VALUE_MAX):
            problems.append(("images", problem))
        else:
            yield image
