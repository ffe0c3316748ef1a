"""Every order that was ever told, at its newest snapshot: open ones as they are, settled ones packed.

An order is never forgotten, for its channel may tell of it years later, and nearly all of them are settled: nothing is
owed, and nobody asks. As bytes they take a quarter of the memory, and a start takes them over from a snapshot unread.
"""

from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from heapq import nlargest
from typing import Final

import msgspec

from engine.domain.catalogue.sold import Order
from engine.domain.stated.orders import OrderStated, SettledStated
from engine.domain.units import EPOCH, AccountId, OrderId

OrderKey = tuple[AccountId, OrderId]

_STATED_MAX: Final = 256
"""Orders in one statement: some 100 KB."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Order)


class KnownOrders(MutableMapping[OrderKey, Order]):
    """The newest state of every order, by account and order id. The same order always makes the same bytes."""

    def __init__(self) -> None:
        """Start without orders."""
        self.unmatched: set[OrderKey] = set()
        """Orders with a line that no listing matches."""
        self._open: dict[OrderKey, Order] = {}
        self._settled: dict[AccountId, _Settled] = {}

    def __getitem__(self, key: OrderKey) -> Order:
        order = self._open.get(key)
        if order is not None:
            return order
        account, order_id = key
        settled = self._settled.get(account)
        if settled is None or order_id not in settled.day_of:
            raise KeyError(key)
        return _DECODER.decode(settled.days[settled.day_of[order_id]][order_id])

    def __setitem__(self, key: OrderKey, order: Order) -> None:
        self._remove(key)
        if len(order.hold_lines) > 1:  # in their own order: which of two commits came first means nothing
            order = order._replace(hold_lines=tuple(sorted(order.hold_lines)))
        if not _is_settled(order):
            self._open[key] = order
            if None in order.skus:
                self.unmatched.add(key)
            return
        account, order_id = key
        if account not in self._settled:
            self._settled[account] = _Settled()
        self._settled[account].add(_day(order), order_id, _ENCODER.encode(order))

    def __delitem__(self, key: OrderKey) -> None:
        if not self._remove(key):
            raise KeyError(key)

    def __iter__(self) -> Iterator[OrderKey]:
        yield from self._open
        for account, settled in self._settled.items():
            for order_id in settled.day_of:
                yield (account, order_id)

    def __len__(self) -> int:
        return len(self._open) + sum(len(settled.day_of) for settled in self._settled.values())

    def newest(self, account: AccountId | None, limit: int) -> list[tuple[OrderKey, Order]]:
        """Return the orders that changed last at their channels, the newest first, of one account or of all.

        Looks at open orders, and of those that are settled at some days only.
        """
        found = [(key, order) for key, order in self._open.items() if account in {None, key[0]}]
        shelves = [(each, settled) for each, settled in self._settled.items() if account in {None, each}]
        settled_count = 0
        for day in sorted({day for _, settled in shelves for day in settled.days}, reverse=True):
            if settled_count >= limit:
                break
            for each, settled in shelves:
                packed = settled.days.get(day, {})
                found += [((each, order_id), _DECODER.decode(order)) for order_id, order in packed.items()]
                settled_count += len(packed)
        return nlargest(limit, found, key=lambda item: (_changed_at(item[1]), item[0]))

    def _remove(self, key: OrderKey) -> bool:
        self.unmatched.discard(key)
        if self._open.pop(key, None) is not None:
            return True
        account, order_id = key
        settled = self._settled.get(account)
        return settled is not None and settled.remove(order_id)

    # -- as statements (`engine.domain.stated.Stateful`)

    def state(self, as_of: datetime) -> Iterator[OrderStated | SettledStated]:  # noqa: ARG002 - none is forgotten
        """State open orders by account and order id; then settled ones by account, day and order id."""
        for key in sorted(self._open):
            account, order_id = key
            order = self._open[key]
            yield OrderStated(
                account=account,
                order_id=order_id,
                snapshot=order.snapshot,
                skus=order.skus,
                hold_lines=order.hold_lines,
                packs=order.packs,
                components=order.components,
            )
        for account in sorted(self._settled):
            for day, packed in sorted(self._settled[account].days.items()):
                orders = sorted(packed.items())
                for start in range(0, len(orders), _STATED_MAX):
                    yield SettledStated(account=account, day=day, orders=tuple(orders[start : start + _STATED_MAX]))

    def restore(self, statement: OrderStated | SettledStated) -> None:
        """Take in one of them."""
        if isinstance(statement, SettledStated):
            self._settled.setdefault(statement.account, _Settled()).restore(statement)
            return
        self[statement.account, statement.order_id] = Order(
            statement.snapshot, statement.skus, statement.hold_lines, statement.packs, statement.components
        )


class _Settled:
    """An account's orders of which nothing is owed, packed, by the day on which they changed last."""

    def __init__(self) -> None:
        self.days: dict[int, dict[OrderId, bytes]] = {}
        self.day_of: dict[OrderId, int] = {}

    def add(self, day: int, order_id: OrderId, packed: bytes) -> None:
        self.days.setdefault(day, {})[order_id] = packed
        self.day_of[order_id] = day

    def remove(self, order_id: OrderId) -> bool:
        day = self.day_of.pop(order_id, None)
        if day is None:
            return False
        orders = self.days[day]
        del orders[order_id]
        if not orders:
            del self.days[day]
        return True

    def restore(self, statement: SettledStated) -> None:
        orders = dict(statement.orders)
        self.days.setdefault(statement.day, {}).update(orders)
        self.day_of.update(dict.fromkeys(orders, statement.day))


def _is_settled(order: Order) -> bool:
    """Whether nothing is owed of an order, and every line of it is matched: it is looked up by its id alone."""
    snapshot = order.snapshot
    return snapshot is not None and None not in order.skus and not any(line.open_units for line in snapshot.lines)


def _changed_at(order: Order) -> datetime:
    return order.snapshot.modified_at if order.snapshot is not None else EPOCH


def _day(order: Order) -> int:
    return _changed_at(order).astimezone(UTC).toordinal()
