"""A journal written event by event, with pushes as the pusher would have planned them."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import trio

from config.schema import Location, Secret, Settings, WooCommerceAccount
from engine.actors.journal import encode_events
from engine.domain.availability import Availability
from engine.domain.events import (
    DemandSet,
    Event,
    ListingMapped,
    OrderRecorded,
    PushPlanned,
    RulesSet,
    SkuAdded,
    StockAdjusted,
)
from engine.domain.offers.rules import RuleBook
from engine.domain.units import AccountId, Key, LineId, ListingId, OrderId, Sku
from engine.ports import Frame
from ops.bystander import build_bystander
from ops.clock import SteadyClock
from ops.recovery import tell
from ops.replay.offers import OffersProved
from ops.replay.run import Asked
from tests.fakes.books import BOTH, HERE, A, B
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.pasts import Past

MARKET = AccountId("market")
KIT = Sku("KIT")
KEY = Secret("not needed")
LISTING = ListingId("l")


def account(name: AccountId, **changes: Any) -> WooCommerceAccount:
    base: dict[str, Any] = {"id": name, "locations": BOTH, "url": f"https://{name}.example"}
    base |= {"consumer_key": KEY, "consumer_secret": KEY}
    return WooCommerceAccount(**(base | changes))


SETTINGS = Settings(
    locations=tuple(Location(id=location) for location in BOTH), accounts=(account(SHOP), account(MARKET))
)


class Writing:
    """Writes a journal as a daemon would, a second and a frame at a time."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.node = build_bystander(SETTINGS, SteadyClock())
        self.keys = 0
        self.idle_seconds = 0
        """How long nothing was written, in all."""
        for sku in (A, B):
            self.write(SkuAdded(at=self.now, sku=sku))
            self.receive(sku, 100)
        self.write(ListingMapped(at=self.now, account=SHOP, listing_id=LISTING, sku=A))

    @property
    def now(self) -> datetime:
        return START + timedelta(seconds=len(self.frames) + self.idle_seconds)

    def write(self, *events: Event) -> int:
        """Append a frame; return its position."""
        frame = Frame(position=len(self.frames) + 1, written_at=self.now, payload=encode_events(events))
        self.frames.append(frame)
        tell(self.node, frame, events)
        return frame.position

    def receive(self, sku: Sku, units: int) -> int:
        self.keys += 1
        position = self.node.router.ledger_of(sku).books[sku].positions.get(HERE)
        moved = StockAdjusted(
            at=self.now,
            key=Key(f"k{self.keys}"),
            sku=sku,
            location=HERE,
            delta=units,
            on_hand=units + (position.on_hand if position is not None else 0),
            reason="found",
        )
        return self.write(moved)

    def set_rules(self, **default: Any) -> int:
        version = self.node.offers.versions.now.version + 1
        book = msgspec.convert({"default": default}, RuleBook)
        return self.write(RulesSet(at=self.now, version=version, rules=book))

    def sell_elsewhere(self, units: int) -> int:
        snapshot = order(order_line(A, units), account=MARKET)
        sold = DemandSet(
            at=self.now, sku=A, account=MARKET, order_id=OrderId("1"), line_id=LineId("1"), committed=((HERE, units),)
        )
        return self.write(OrderRecorded(at=self.now, snapshot=snapshot, skus=(A,)), sold)

    def buy(self, *, units: int) -> int:
        """Let somebody buy at the shop just now."""
        line = order_line(A, units, listing=LISTING)
        snapshot = msgspec.structs.replace(order(line, order_id="bought"), placed_at=self.now, modified_at=self.now)
        sold = DemandSet(
            at=self.now,
            sku=A,
            account=SHOP,
            order_id=snapshot.order_id,
            line_id=line.line_id,
            committed=((HERE, units),),
        )
        return self.write(OrderRecorded(at=self.now, snapshot=snapshot, skus=(A,)), sold)

    def level(self, sku: Sku = A) -> Availability:
        atp = self.node.router.ledger_of(sku).books[sku].levels()
        return Availability(sku=sku, position=len(self.frames), atp=atp, changed_at=self.now)

    def plan(
        self, level: Availability | None = None, *, lag_seconds: float | None = None, last: bool = False
    ) -> PushPlanned:
        """Plan a push of what there is now as the pusher does."""
        level = level or self.level()
        desk = self.node.offers
        facts = msgspec.structs.replace(
            desk.facts, lag_seconds=lambda _account: lag_seconds, last_open=lambda _sku, _account: last
        )
        offer = desk.offerings[SHOP].under(desk.versions.now, facts).explain(level, 1, self.now)
        return PushPlanned(
            at=self.now,
            account=SHOP,
            listing_id=LISTING,
            sku=level.sku,
            version=len(self.frames),
            quantity=offer.quantity,
            basis=level.position,
            terms=offer.terms,
            lag_seconds=offer.lag_seconds,
        )

    def push(self, level: Availability | None = None, **more: Any) -> int:
        return self.write(self.plan(level, **more))

    def prove(self, settings: Settings = SETTINGS) -> OffersProved:
        report = trio.run(Past(settings, tuple(self.frames)).replay, Asked(verify=True))
        assert report.offers is not None
        return report.offers
