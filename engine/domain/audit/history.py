"""The ledger of one SKU as a person reads it: one line per fact, with what there was after it. Pure."""

from collections import deque
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from engine.domain.audit.narrate import narrate
from engine.domain.audit.timetravel import PastBook
from engine.domain.events import AccountPaused, AccountResumed, Event, OrderRecorded, PushSettled, StockConfirmed
from engine.domain.stock.book import Book
from engine.domain.units import DIRECT, AccountId, Instant, OrderId, Sku

LINES_MAX: Final = 1000
"""Lines of one page."""


class Place(NamedTuple):
    """Where a line stands in the ledger of its SKU: the frame, and which of the SKU's facts in it."""

    position: int
    number: int

    def __str__(self) -> str:
        return f"{self.position}-{self.number}"


class HistoryLine(msgspec.Struct, frozen=True, kw_only=True):
    """One fact, and the figures over all locations after it."""

    place: Place
    at: Instant
    kind: str
    """The tag of the event."""
    text: str
    account: str | None
    order: str | None
    hold: str | None
    listing: str | None
    key: str | None
    """Its caller's key; for purchase orders and transfers their number."""
    reason: str
    by: str
    reference: str
    delta: int
    """What on hand changed by."""
    on_hand: int
    committed: int
    reserved: int
    atp: int


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines are wanted."""

    since: datetime | None = None
    """From this instant on."""
    until: datetime | None = None
    """Up to this instant."""
    before: Place | None = None
    """Only what stands before this line: the page in front of the one that began with it."""
    account: AccountId | None = None
    """Only what names this account."""
    limit: int = 50
    """Lines kept: the newest of those that fit."""


class _Kept(NamedTuple):
    """A fact that may be on the page; put in words only if it is still there at the end."""

    place: Place
    event: Event
    status: str | None
    delta: int
    on_hand: int
    committed: int
    reserved: int
    atp: int


class History:
    """Folds the events that concern one SKU into a page of lines; keeps no more than that and its book."""

    def __init__(self, sku: Sku, window: Window) -> None:
        """Begin before the SKU existed."""
        self.sku = sku
        self.more = False
        """Whether older lines that fit were dropped for the limit."""
        self._window = window
        self._past = PastBook(sku)
        self._kept: deque[_Kept] = deque(maxlen=window.limit)
        self._status: dict[tuple[AccountId, OrderId], str] = {}
        """What the channel calls an order, within the frame that is being told."""
        self._figures = _figures(None)
        self._place = Place(0, 0)

    @property
    def exists(self) -> bool:
        """Whether the SKU came to be."""
        return self._past.book is not None

    @property
    def lines(self) -> tuple[HistoryLine, ...]:
        """The page, the oldest line first, as a ledger is read."""
        return tuple(_line(kept) for kept in self._kept)

    def apply(self, position: int, event: Event, *, listing_event: bool) -> None:
        """Take in an event; `listing_event`: it concerns a listing of the SKU, or an account that has one."""
        if position != self._place.position:
            self._place = Place(position, 0)
            self._status.clear()
        if isinstance(event, OrderRecorded):
            order = event.snapshot
            self._status[order.account, order.order_id] = order.channel_status or str(order.status)
            return
        if isinstance(event, StockConfirmed):
            event = self._past.row_of(event) or event
        if self._past.apply(event):
            before, self._figures = self._figures, _figures(self._past.book)
            delta = self._figures[0] - before[0]
        elif listing_event:
            delta = 0
        else:
            return
        self._place = Place(position, self._place.number + 1)
        if self._is_wanted(event):
            self.more = self.more or len(self._kept) == self._window.limit
            self._kept.append(_Kept(self._place, event, self._status_of(event), delta, *self._figures))

    def _is_wanted(self, event: Event) -> bool:
        window = self._window
        return (
            (window.since is None or event.at >= window.since)
            and (window.until is None or event.at <= window.until)
            and (window.before is None or self._place < window.before)
            and (window.account is None or getattr(event, "account", None) == window.account)
        )

    def _status_of(self, event: Event) -> str | None:
        order = getattr(event, "order_id", None)
        return None if order is None else self._status.get((getattr(event, "account", DIRECT), order))


def _figures(book: Book | None) -> tuple[int, int, int, int]:
    """Sum on hand, committed, reserved and ATP over all locations."""
    on_hand = committed = reserved = atp = 0
    for position in () if book is None else book.positions.values():
        on_hand += position.on_hand
        committed += position.committed
        reserved += position.reserved
        atp += position.atp
    return on_hand, committed, reserved, atp


def _line(kept: _Kept) -> HistoryLine:
    event = kept.event
    text = narrate(event)
    told = isinstance(event, AccountPaused | AccountResumed | PushSettled)  # the sentence has the reason already
    return HistoryLine(
        place=kept.place,
        at=event.at,
        kind=str(type(event).__struct_config__.tag),
        text=text if kept.status is None else f"{text} [{kept.status}]",
        account=getattr(event, "account", None),
        order=getattr(event, "order_id", None),
        hold=getattr(event, "hold_id", None),
        listing=getattr(event, "listing_id", None),
        key=_first(event, "key", "purchase_order", "transfer"),
        reason="" if told else getattr(event, "reason", ""),
        by=getattr(event, "by", ""),
        reference=getattr(event, "reference", ""),
        delta=kept.delta,
        on_hand=kept.on_hand,
        committed=kept.committed,
        reserved=kept.reserved,
        atp=kept.atp,
    )


def _first(event: Event, *names: str) -> str | None:
    return next((value for name in names if (value := getattr(event, name, None)) is not None), None)
