"""A story that every kind of event has a part in, and what a node knows after hearing it.

`python -m tests.golden.recording journal-2` writes `journal-2.jsonl` and `journal-2.json` beside this file: the frames,
one per line, and what the program of that day made of them. Do so when a kind of event is added or gains a field, after
letting it into `tell_story`. What was recorded before stays as it is: events are forever, and so are these files.
"""

import random
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import trio

from adapters.store.memory import MemoryStore
from config.schema import Location, Secret, Settings, WooCommerceAccount
from engine.actors.journal import encode_events
from engine.domain.book import Position
from engine.domain.commands import AddSku
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    Event,
    ListingDropped,
    ListingMapped,
    OrderRecorded,
    OrdersCaughtUp,
    PushPlanned,
    PushSettled,
    PushVerified,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.units import ListingId
from engine.ports import Frame
from ops.node import Node
from ops.recovery import replay
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START, NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.running import SilentTelemetry

FOLDER = Path(__file__).parent


def tell_story() -> list[list[Event]]:
    """Return frames in which every kind of event happens."""
    shelf = Shelf(A=10, B=4)
    shelf.do(AddSku(sku=A, name="Anvil", safety_stock=((HERE, 1),)))
    shelf.receive(A, 5, THERE, key="delivery-1")
    shelf.adjust(-2, key="count-1")
    shelf.hold("basket", (A, 2), (B, 1), seconds=None, account=SHOP)
    shelf.hold("paid", (A, 3), seconds=None)
    shelf.hold("left", (B, 1), seconds=900)
    shelf.hold("late", (A, 1), seconds=60, at=THERE)
    shelf.hold("too-many", (A, 99))
    shelf.commit("paid", "77")
    shelf.release("left")
    shelf.wait(60)
    shelf.adjust(-1, key="count-2")
    until = shelf.now + timedelta(seconds=60)
    shelf.record(2, held_until=until)
    shelf.wait(60)
    shelf.adjust(1, key="count-3")
    shelf.record(20, shipped=3, returned=1, causes=((A, "lag", "7 were shown"),))
    shelf.receive(A, 30, key="delivery-2")
    shelf.record(9, sku=B, causes=((B, "drift", "5 were shown"),))
    books: list[Event] = [event for event in shelf.events if not isinstance(event, OrderRecorded)]
    half = len(books) // 2
    return [books[:half], books[half:], _tell_intake(), _tell_pushes()]


def _tell_intake() -> list[Event]:
    lines = (order_line("A", 3, shipped=1), order_line(None, 1, line="2", listing="l/gone"))
    return [
        WebhookStored(at=START, account=SHOP, delivery_key="d1", headers={"x-topic": "order.updated"}, body=b"{}"),
        OrderRecorded(at=START, snapshot=order(*lines, order_id="9", second=5), skus=(A, None)),
        OrderRecorded(at=START, snapshot=order(*lines[:1], order_id="10"), skus=(A,), packs=(6,)),
        WebhookHandled(at=START, account=SHOP, delivery_key="d1", outcome="newer"),
        WebhookStored(at=START, account=SHOP, delivery_key="d2", headers={}, body=b"\xff\x00"),
        OrdersCaughtUp(at=START, account=SHOP, through_at=START + timedelta(seconds=5)),
    ]


def _tell_pushes() -> list[Event]:
    one, other = ListingId("l/a"), ListingId("l/b")
    terms = (("atp here", "7", "stock"), ("offer", "7", "packs between floor and cap, never negative"))
    return [
        ListingMapped(at=START, account=SHOP, listing_id=one, sku=A, pack_units=6, source="import"),
        ListingMapped(at=START, account=SHOP, listing_id=other, sku=B, source="sku match"),
        PushPlanned(at=START, account=SHOP, listing_id=one, sku=A, version=1, quantity=7, basis=2, terms=terms),
        PushSettled(at=START, account=SHOP, listing_id=one, version=1, verdict="accepted", reason="ok"),
        PushVerified(at=START, account=SHOP, listing_id=one, version=1, shown=7),
        DriftFound(at=START, account=SHOP, listing_id=one, version=1, shown=None, expected=7),
        ListingDropped(at=START, account=SHOP, listing_id=other),
        AccountPaused(at=START, account=SHOP, reason="CHANNEL PAUSE"),
        AccountResumed(at=START, account=SHOP),
    ]


async def recover(frames: list[Frame]) -> Node:
    """Replay frames into a node with one account."""
    key = Secret("k")
    account = WooCommerceAccount(
        id=SHOP, locations=BOTH, url="https://shop.example", consumer_key=key, consumer_secret=key
    )
    store = MemoryStore(frames)
    node = Node(
        Settings(locations=tuple(Location(id=location) for location in BOTH), accounts=(account,)),
        store,
        clock=NoonClock(),
        rng=random.Random(1),
        channels={SHOP: ("fake", OrderFeed(NoonClock()))},
        listener=SilentTelemetry(),
        version="test",
        metrics_text=lambda: "",
    )
    await replay(node, store)
    return node


def describe(node: Node) -> dict[str, Any]:
    """Return what a node knows, in words that outlive its classes."""
    books = {sku: book for shard in node.shards for sku, book in sorted(shard.ledger.books.items())}
    account = node.accounts[SHOP]
    listings = {listing: order_line(None, 1, listing=listing) for listing in ("l/a", "l/b")}
    return {
        "books": {
            sku: {
                "name": book.name,
                "positions": {
                    location: {name: getattr(position, name) for name in Position.__slots__}
                    for location, position in sorted(book.positions.items())
                },
                "held": sorted(book.holds),
                "ended": {hold: type(end).__name__ for hold, (_, end) in sorted(book.ended.items())},
                "refused": sorted(book.refused),
                "demand": {
                    "/".join(key): [demand.committed, demand.reserved, demand.shipped, demand.returned]
                    for key, demand in sorted(book.demand.items())
                },
                "movements": {key: movement.on_hand for key, movement in sorted(book.movements.items())},
                "oversold": book.oversell.open_units if book.oversell else 0,
            }
            for sku, book in sorted(books.items())
        },
        "holds": {hold: [placed.account, *placed.skus] for hold, placed in sorted(node.directory.items())},
        "orders": {
            "/".join(key): [
                None if known.snapshot is None else known.snapshot.modified_at,
                known.skus,
                known.packs,
                known.hold_lines,
            ]
            for key, known in sorted(node.desk.orders.items())
        },
        "incidents": [
            [each.recorded.sku, each.recorded.units, each.recorded.cause, each.cleared_at]
            for each in node.incidents.newest
        ],
        "watermark": account.intake.through_at,
        "unhandled": sorted(account.intake._unhandled),
        "listings": {
            listing: [account.pusher.sku_of(line), account.pusher.pack_units_of(line)]
            for listing, line in listings.items()
        },
        "versions": [offer.version for offer in account.pusher.offers_of(A)],
        "position": node.journal.position,
    }


def read_frames(name: str) -> list[Frame]:
    """Read a recorded journal."""
    lines = (FOLDER / f"{name}.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Frame) for line in lines]


def read_description(name: str) -> object:
    """Read what the program of its day made of it."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes())


async def _record(name: str) -> None:
    frames = [
        Frame(position=position, written_at=START + timedelta(minutes=3), payload=encode_events(events))
        for position, events in enumerate(tell_story(), start=1)
    ]
    described = msgspec.json.format(msgspec.json.encode(describe(await recover(frames))), indent=1)
    with (FOLDER / f"{name}.jsonl").open("xb") as file:  # nobody waits
        file.writelines(msgspec.json.encode(frame) + b"\n" for frame in frames)
    with (FOLDER / f"{name}.json").open("xb") as file:
        file.write(described + b"\n")


if __name__ == "__main__":
    trio.run(_record, sys.argv[1])
