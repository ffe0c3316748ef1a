"""Products and variations: their ids, their rows, and writing their stock. Pure.

What is a listing: every simple product and every variation that is not in the trash. Drafts, private, pending and
scheduled products are listings too: their stock must be right in the second they are published. Grouped and external
products sell nothing of their own, a variable product sells only through its variations.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from adapters.channels.woocommerce.replies import Call, decode, describe_error
from adapters.channels.woocommerce.wire import (
    BATCH_REPLY,
    ENCODE,
    PRODUCT,
    WireProduct,
    WireWrittenRow,
    read_id,
    read_text,
    whole_units,
)
from engine.domain.errors import Refused
from engine.domain.units import ListingId, Sku, check_identifier
from engine.ports import RowVerdict, SeenListing, SeenStock, StockWrite, Verdict

PRODUCT_FIELDS: Final = "id,type,parent_id,status,name,sku,manage_stock,stock_quantity"

_LISTING_ID: Final = re.compile(r"([1-9][0-9]{0,17})(?:/([1-9][0-9]{0,17}))?")
_NOT_SELLABLE: Final = frozenset({"grouped", "external"})
# `importing` is a placeholder that the CSV importer fills later.
_NOT_THERE: Final = frozenset({"trash", "auto-draft", "importing"})
_TITLE_CHARS_MAX: Final = 200


class Target(NamedTuple):
    """A listing id taken apart."""

    parent_id: int
    """0 for a simple product."""
    item_id: int
    """Product or variation, as its row names itself."""

    @property
    def collection(self) -> str:
        """Path of the collection that holds it."""
        return f"/products/{self.parent_id}/variations" if self.parent_id else "/products"


class CatalogueCursor(msgspec.Struct, frozen=True, kw_only=True, rename={"parents": "v", "page": "p", "total": "t"}):
    """Where reading the catalogue stands: one request per page, so it resumes anywhere and repeats nothing."""

    page: int = 1
    """Next page of products; 0: all were read."""
    total: int | None = None
    """Products when the last page was read."""
    parents: tuple[int, ...] = ()
    """Variable products of pages already read whose variations are still to be read: at most one page of them."""
    variation_page: int = 1

    def next_parent(self) -> "CatalogueCursor":
        """Done with the first of `parents`."""
        return msgspec.structs.replace(self, parents=self.parents[1:], variation_page=1)


_CURSOR: Final = msgspec.json.Decoder(CatalogueCursor)


def parse_cursor(call: Call, cursor: str | None) -> CatalogueCursor:
    """Read a cursor that `build_cursor` wrote, or begin.

    Raises:
        Refused: it is not ours; begin again.
    """
    if cursor is None:
        return CatalogueCursor()
    try:
        return _CURSOR.decode(cursor)
    except msgspec.MsgspecError as error:
        raise call.fail(Refused, f"the cursor is not one of ours: {error}") from error


def build_cursor(cursor: CatalogueCursor) -> str | None:
    """Write a cursor; None when nothing is left to read."""
    return ENCODE(cursor).decode() if cursor.page or cursor.parents else None


def turn_page(
    headers: Mapping[str, str], *, page: int, page_size: int, rows: int, total_before: int | None
) -> tuple[int, int | None]:
    """Choose the next page of a collection sorted by id.

    The header decides, since WordPress leaves rows that a user may not see out of full pages; without it a short page
    is the last. When the total shrank since the page before, rows were deleted and all later ones moved up across the
    page border unseen: step back far enough to see them. Each step back costs one deletion, so this ends.

    Returns:
        The next page, 0 when this was the last; and the total to compare the next one with.
    """
    total, pages = _count(headers, "x-wp-total"), _count(headers, "x-wp-totalpages")
    if total is not None and total_before is not None and total < total_before:
        back = -(-(total_before - total) // page_size)
        return max(1, page - back), total
    more = page < pages if pages is not None else rows >= page_size
    return (page + 1 if more else 0), total


def _count(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name, "").strip()
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None


def parse_listing_id(listing_id: ListingId) -> Target | None:
    """`11` or `10/12`; None when it is neither, so not one of this channel."""
    match = _LISTING_ID.fullmatch(listing_id)
    if match is None:
        return None
    first, second = match.groups()
    return Target(int(first), int(second)) if second else Target(0, int(first))


def build_listing_id(parent_id: int, item_id: int) -> ListingId:
    """Write a listing id; `parent_id` 0 for a simple product."""
    return ListingId(f"{parent_id}/{item_id}" if parent_id else str(item_id))


def is_variable(row: WireProduct) -> bool:
    """Whether variations are to be read: `variable`, or what plugins derive from it (`variable-subscription`)."""
    return row.type.startswith("variable") and row.status not in _NOT_THERE


def read_product(row: WireProduct, *, parent_id: int = 0) -> tuple[SeenListing | None, str | None]:
    """Turn a row into a listing; `parent_id` is that of the collection of variations it came from, if it did.

    Returns:
        The listing, None when the row is none; and what a person should know of it. Negative quantities (backorders)
        stay negative.
    """
    parent_id = parent_id or (read_id(row.parent_id) if row.type == "variation" else 0)
    if row.status in _NOT_THERE or row.type in _NOT_SELLABLE or is_variable(row) or row.id <= 0:
        return None, None
    if row.type == "variation" and not parent_id:
        return None, f"variation {row.id} does not name its parent"
    listing_id = build_listing_id(parent_id, row.id)
    shown, managed, problem = _read_shown(row, listing_id, parent_id)
    sku = read_text(row.sku)
    if sku and (wrong := check_identifier("sku", sku)):
        sku, problem = "", problem or f"{listing_id}: {wrong}"
    return SeenListing(
        listing_id=listing_id,
        sku=Sku(sku) if sku else None,
        title=(row.name or "")[:_TITLE_CHARS_MAX],
        shown=shown,
        managed=managed,
    ), problem


def _read_shown(row: WireProduct, listing_id: ListingId, parent_id: int) -> tuple[int | None, bool, str | None]:
    if row.manage_stock == "parent":
        # The row carries the parent's quantity. Reported for each variation, the same units would count many times.
        return None, False, f"{listing_id} shares the stock of product {parent_id}; manage stock on the variation"
    try:
        shown = whole_units(row.stock_quantity) if row.manage_stock is True else None
    except ValueError as error:
        return None, True, f"{listing_id}: stock_quantity: {error}"
    return shown, True, None


def read_listing_rows(
    rows: Iterable[msgspec.Raw], *, parent_id: int = 0
) -> tuple[list[SeenListing], list[int], list[str]]:
    """Read a page row by row, so that one broken row costs only itself.

    Returns:
        Listings; ids of variable products, whose variations are still to be read; problems in words.
    """
    listings: list[SeenListing] = []
    parents: list[int] = []
    problems: list[str] = []
    for position, raw in enumerate(rows):
        try:
            row = PRODUCT.decode(raw)
        except (ValueError, RecursionError) as error:
            problems.append(f"row {position} of product {parent_id or 'list'}: {error}")
            continue
        if is_variable(row) and not parent_id:
            parents.append(row.id)
        listing, problem = read_product(row, parent_id=parent_id)
        if listing is not None:
            listings.append(listing)
        if problem is not None:
            problems.append(problem)
    return listings, parents, problems


def read_stock_rows(
    rows: Iterable[msgspec.Raw], asked: Sequence[ListingId], *, parent_id: int
) -> tuple[SeenStock, ...]:
    """What is shown for the listings asked about, in their order; the others are left out."""
    listings, _, _ = read_listing_rows(rows, parent_id=parent_id)
    shown = {listing.listing_id: listing.shown for listing in listings}
    return tuple(SeenStock(listing_id=name, shown=shown[name]) for name in asked if name in shown)


def build_write(rows: Sequence[tuple[Target, StockWrite]]) -> bytes:
    """Body of a batch: absolute quantities, and the shop told to count them."""
    return ENCODE(
        {
            "update": [
                {"id": target.item_id, "manage_stock": True, "stock_quantity": row.quantity} for target, row in rows
            ]
        }
    )


def parse_write(call: Call, rows: Sequence[tuple[Target, StockWrite]], body: bytes) -> tuple[RowVerdict, ...]:
    """Judge each row of a batch by its answer, found by position when the id agrees, else by id.

    Raises:
        OutcomeUnknown: the answer cannot be read.
    """
    answers = decode(call, BATCH_REPLY, body).update
    by_id = {read_id(answer.id): answer for answer in answers}
    verdicts: list[RowVerdict] = []
    for position, (target, row) in enumerate(rows):
        answer = answers[position] if position < len(answers) else None
        if answer is None or read_id(answer.id) != target.item_id:
            answer = by_id.get(target.item_id)
        verdicts.append(_judge_row(row, answer))
    return tuple(verdicts)


def _judge_row(row: StockWrite, answer: WireWrittenRow | None) -> RowVerdict:
    """Lessons D8, D9, D16: HTTP 200 says nothing, the quantity in the answer says something, reading back says it."""
    if answer is None:
        return _verdict(row, Verdict.UNKNOWN, "the answer has no row for it")
    if answer.error is not None:
        status = answer.error.data.get("status") if isinstance(answer.error.data, dict) else None
        failed_inside = isinstance(status, int) and status >= 500
        return _verdict(row, Verdict.UNKNOWN if failed_inside else Verdict.REFUSED, describe_error(answer.error))
    try:
        shown = whole_units(answer.stock_quantity)
    except ValueError as error:
        return _verdict(row, Verdict.ACCEPTED, f"answered with {error}")
    if answer.manage_stock is not None and answer.manage_stock is not True:
        return _verdict(row, Verdict.ACCEPTED, f"answered manage_stock {answer.manage_stock!r:.20}")
    if shown == row.quantity:
        return _verdict(row, Verdict.APPLIED, shown=shown)
    said = "without a quantity" if shown is None else f"with {shown}"
    return _verdict(row, Verdict.ACCEPTED, f"sent {row.quantity}, answered {said}", shown=shown)


def _verdict(row: StockWrite, verdict: Verdict, reason: str = "", *, shown: int | None = None) -> RowVerdict:
    return RowVerdict(listing_id=row.listing_id, verdict=verdict, reason=reason, shown=shown)
