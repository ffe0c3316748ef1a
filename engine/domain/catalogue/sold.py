"""What an order asks of the books: its lines as SKUs with stock, each bundle under the recipe it was sold under."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from engine.domain.availability import ChannelSale
from engine.domain.catalogue.recipes import Recipes
from engine.domain.commands import DemandLevel, sum_lines
from engine.domain.events import Line
from engine.domain.orders import OrderLine, OrderSnapshot
from engine.domain.units import UNITS_MAX, LineId, Sku

HoldLine = tuple[LineId, Sku]
"""Where a book keeps what a committed hold is owed."""

LINE_UNITS_MAX = 1_000_000 * UNITS_MAX
"""Units of one SKU in one line, packs and recipes multiplied out; sums of many such lines still fit 64 bits."""


class Order(NamedTuple):
    """What is known of one order. A hold committed into an order may come before any snapshot of it."""

    snapshot: OrderSnapshot | None
    skus: tuple[Sku | None, ...]
    """Which SKU each line means, a bundle perhaps; None: no listing matches."""
    hold_lines: tuple[HoldLine, ...]
    packs: tuple[int, ...] = ()
    """Units of the SKU in one unit of each line; empty: one in each."""
    components: tuple[tuple[Line, ...], ...] = ()
    """What one unit of each line's SKU is made of, as in `OrderRecorded`."""

    @property
    def claims(self) -> tuple[tuple[LineId, Sku], ...]:
        """Where books may keep demand of it: line and SKU with stock."""
        lines = [(sold.line.line_id, sku) for sold in sold_lines(self) for sku, _ in sold.parts]
        return (*lines, *self.hold_lines)


UNKNOWN = Order(None, (), ())


class Sold(NamedTuple):
    """An order line that is matched."""

    line: OrderLine
    sku: Sku
    """As it is listed: a bundle perhaps."""
    parts: tuple[Line, ...]
    """SKUs with stock, and the units of each in one unit of the line."""


def sold_lines(order: Order) -> Iterator[Sold]:
    """Return the lines that a listing matches, in the order of the snapshot."""
    if order.snapshot is None:
        return
    lines = order.snapshot.lines
    packs = order.packs or (1,) * len(lines)
    components = order.components or ((),) * len(lines)
    for line, sku, units, made_of in zip(lines, order.skus, packs, components, strict=True):
        if sku is not None:
            yield Sold(line, sku, tuple([(leaf, each * units) for leaf, each in made_of or ((sku, 1),)]))


def list_sold_as(order: Order) -> dict[Sku, Sku]:
    """Say as which SKU each SKU with stock was sold: itself or a bundle; by the first line that names it."""
    found: dict[Sku, Sku] = {}
    for sold in sold_lines(order):
        for sku, _ in sold.parts:
            found.setdefault(sku, sold.sku)
    return found


def pin_recipes(
    known: Order,
    snapshot: OrderSnapshot,
    skus: Sequence[Sku | None],
    recipes: Recipes,
    heir_of: Callable[[Sku], Sku] = lambda sku: sku,
) -> tuple[tuple[Line, ...], ...]:
    """Say what one unit of each line is made of: as it was sold, where it is known; else as recipes are today.

    A line of a SKU that became a bundle since counts as one, unless units of it have left as they were. `heir_of` says
    which SKU a component was merged into; its units and what is owed of it have gone there.
    """
    before: dict[tuple[LineId, Sku | None], tuple[OrderLine, tuple[Line, ...]]] = {}
    if known.snapshot is not None and known.snapshot.lines:
        made_of = known.components or ((),) * len(known.snapshot.lines)
        for line, sku, pinned in zip(known.snapshot.lines, known.skus, made_of, strict=True):
            before[line.line_id, sku] = (line, pinned)
    found: list[tuple[Line, ...]] = []
    for line, sku in zip(snapshot.lines, skus, strict=True):
        was, pinned = before.get((line.line_id, sku), (None, ()))
        if not pinned and sku is not None and sku in recipes and (was is None or not was.shipped):
            pinned = recipes.made(sku).leaves
        if any(heir_of(leaf) != leaf for leaf, _ in pinned):
            pinned = sum_lines([(heir_of(leaf), each) for leaf, each in pinned])
        found.append(pinned)
    return tuple(found) if any(found) else ()


def check_units(order: Order) -> str | None:
    """Name the first line that comes to more units than can be counted, or None."""
    for line, sku, parts in sold_lines(order):
        for part, units in parts:
            if line.ordered * units > LINE_UNITS_MAX:
                return f"line {line.line_id}: {line.ordered} of {sku} are {line.ordered * units} of {part}: too many"
    return None


def list_levels(known: Order, order: Order, recipes: Recipes) -> tuple[DemandLevel, ...]:
    """Say where each claim of an order stands now, given what was known of it before.

    Lines that end or give back come first, so that what they free is there for the others (lessons C1, C6). Levels of
    one line stand side by side.
    """
    now = {
        (sold.line.line_id, sku): DemandLevel(
            line_id=sold.line.line_id,
            sku=sku,
            open_units=sold.line.open_units * units,
            shipped=sold.line.shipped * units,
            returned=sold.line.returned * units,
            location=sold.line.location,
            together=len(sold.parts) > 1 and sold.sku in recipes and recipes.made(sold.sku).together,
        )
        for sold in sorted(sold_lines(order), key=_claimed_units)
        for sku, units in sold.parts
    }
    ended = dict.fromkeys(claim for claim in known.claims if claim not in now)
    return (*(DemandLevel(line_id=line_id, sku=sku) for line_id, sku in ended), *now.values())


def _claimed_units(sold: Sold) -> int:
    return (sold.line.open_units + sold.line.shipped) * sum(units for _, units in sold.parts)


def list_channel_sales(known: Order, order: Order) -> list[ChannelSale]:
    """Say how the channel's own count of each SKU it lists, bundles as such, changed between two snapshots."""
    assert order.snapshot is not None, "a snapshot was just told"
    change: dict[Sku, int] = {}
    for sign, state in ((1, order), (-1, known)):
        for sold in sold_lines(state):
            assert state.snapshot is not None, "it has lines"
            change[sold.sku] = change.get(sold.sku, 0) + sign * _taken_by_channel(state.snapshot, sold.line)
    return [
        ChannelSale(account=order.snapshot.account, sku=sku, units=units, channel_at=order.snapshot.modified_at)
        for sku, units in change.items()
    ]


def _taken_by_channel(snapshot: OrderSnapshot, line: OrderLine) -> int:
    """Units a channel has taken out of what it shows: a held order's are not, by every channel known so far."""
    open_units = line.open_units if snapshot.held_until is None else 0
    return open_units + line.shipped - line.returned
