"""Collections: filters, order, pages and their headers. Pure.

`modified_after` and `after` exclude their instant and compare whole seconds, as the database does: what changed within
the named second is not listed.

Source: class-wc-rest-crud-controller.php, prepare_objects_query and get_items.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import takewhile
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from ops.emulator.messages import invalid_param
from ops.emulator.model import Item, Order
from ops.emulator.shop import STATUSES, Shop
from ops.emulator.wire import Site

Query = Mapping[str, str]

PER_PAGE_MAX = 100
_ORDER_SORTS = ("date", "id", "include", "title", "slug")
_PRODUCT_SORTS = (*_ORDER_SORTS, "modified", "menu_order", "price", "popularity", "rating")


class _Dated(Protocol):
    id: int
    created_at: datetime
    modified_at: datetime


_T = TypeVar("_T")
_D = TypeVar("_D", bound=_Dated)


def products(shop: Shop, site: Site, query: Query) -> list[Item]:
    """Select products; variations appear only when asked for by `sku`, as in core."""
    if skus := query.get("sku"):
        wanted = [shop.items[shop.by_sku[sku]] for sku in skus.split(",") if sku in shop.by_sku]
    else:
        wanted = [one for one in _since(shop.items, site, query) if not one.parent_id]
    return _finish(_items_matching(shop, wanted, query), site, query, _PRODUCT_SORTS)


def variations(shop: Shop, site: Site, parent_id: int, query: Query) -> list[Item]:
    """Select variations of one parent."""
    wanted = [shop.items[child] for child in shop.children.get(parent_id, ())]
    return _finish(_items_matching(shop, wanted, query), site, query, _PRODUCT_SORTS)


def orders(shop: Shop, site: Site, query: Query) -> list[Order]:
    """Select orders; `any`, the default, leaves out the trash.

    Raises:
        Refusal: 400 `rest_invalid_param` for an unknown status or sort.
    """
    statuses = frozenset(query.get("status", "any").split(","))
    if unknown := statuses - STATUSES - {"any"}:
        raise invalid_param("status", f"status[0] is not a known status: {min(unknown)}.")
    if "any" in statuses:
        statuses = STATUSES - {"trash"}
    return _finish((o for o in _since(shop.orders, site, query) if o.status in statuses), site, query, _ORDER_SORTS)


def page(found: Sequence[_T], query: Query, url: str) -> tuple[list[_T], tuple[tuple[str, str], ...]]:
    """Cut one page out of `found`; return it with the paging headers.

    Raises:
        Refusal: 400 `rest_invalid_param` for a page below 1 or a size outside 1..100.
    """
    size = _bounded(query, "per_page", 10, PER_PAGE_MAX)
    number = _bounded(query, "page", 1, None)
    pages = -(-len(found) // size)
    links = []
    for name, target in (("prev", min(number - 1, pages)), ("next", number + 1)):
        if (name == "prev" and target >= 1) or (name == "next" and target <= pages):
            links.append(f'<{url}?{urlencode({**query, "page": target})}>; rel="{name}"')
    headers = [("X-WP-Total", str(len(found))), ("X-WP-TotalPages", str(pages))]
    headers += [("Link", ", ".join(links))] if links else []
    return list(found[(number - 1) * size : number * size]), tuple(headers)


def _items_matching(shop: Shop, items: Iterable[Item], query: Query) -> Iterable[Item]:
    tests: list[Callable[[Item], bool]] = []
    if (status := query.get("status", "any")) != "any":
        tests.append(lambda item: item.status == status)
    if kind := query.get("type"):
        tests.append(lambda item: item.kind == kind)
    if stock_status := query.get("stock_status"):
        tests.append(lambda item: shop.stock_status(item) == stock_status)
    return (item for item in items if all(test(item) for test in tests))


def _since(kept: dict[int, _D], site: Site, query: Query) -> Iterable[_D]:
    """Walk back from the newest change, no further than `modified_after` asks; the shop keeps them in that order."""
    newest_first = reversed(kept.values())
    bound = _instant(query, "modified_after", site)
    return newest_first if bound is None else takewhile(lambda one: _second(one.modified_at) > bound, newest_first)


def _finish(found: Iterable[_D], site: Site, query: Query, sorts: Sequence[str]) -> list[_D]:
    after, before = _instant(query, "after", site), _instant(query, "before", site)
    modified_after, modified_before = _instant(query, "modified_after", site), _instant(query, "modified_before", site)
    include = {int(part) for part in query.get("include", "").split(",") if part.strip().isdigit()}
    chosen = [
        one
        for one in found
        if (not include or one.id in include)
        and (after is None or _second(one.created_at) > after)
        and (before is None or _second(one.created_at) < before)
        and (modified_after is None or _second(one.modified_at) > modified_after)
        and (modified_before is None or _second(one.modified_at) < modified_before)
    ]
    sort = query.get("orderby", "date")
    if sort not in sorts:
        raise invalid_param("orderby", f"orderby is not one of {', '.join(sorts)}.")
    if query.get("order", "desc") not in {"asc", "desc"}:
        raise invalid_param("order", "order is not one of asc, desc.")
    chosen.sort(key=_SORT_KEYS.get(sort, _by_id), reverse=query.get("order", "desc") == "desc")
    return chosen


def _by_id(one: _Dated) -> tuple[datetime | int, int]:
    return one.id, one.id


def _by_date(one: _Dated) -> tuple[datetime | int, int]:
    return _second(one.created_at), one.id


def _by_modified(one: _Dated) -> tuple[datetime | int, int]:
    return _second(one.modified_at), one.id


_SORT_KEYS: dict[str, Callable[[_Dated], tuple[datetime | int, int]]] = {"date": _by_date, "modified": _by_modified}


def _second(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def _instant(query: Query, name: str, site: Site) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid_param(name, "Invalid date.") from error
    if instant.tzinfo is not None:
        return instant.astimezone(UTC)
    naive_is_gmt = query.get("dates_are_gmt", "false").lower() in {"true", "1"}
    instant = instant.replace(tzinfo=UTC)
    return instant if naive_is_gmt else instant - site.utc_offset


def _bounded(query: Query, name: str, default: int, maximum: int | None) -> int:
    text = query.get(name, str(default))
    if not text.isdigit() or int(text) < 1 or (maximum is not None and int(text) > maximum):
        rule = "greater than or equal to 1" if maximum is None else f"between 1 (inclusive) and {maximum} (inclusive)"
        raise invalid_param(name, f"{name} must be {rule}")
    return int(text)
