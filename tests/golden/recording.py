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
from engine.domain.alerts import AlertId, is_of_snapshot
from engine.domain.catalogue.items import NO_DETAILS, Barcode, Details, Money
from engine.domain.commands import AddSku
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    AlertAcknowledged,
    AlertDelivered,
    AlertDispatched,
    AlertRaised,
    AlertResolved,
    AlertUndeliverable,
    DriftFound,
    Event,
    HoldRefused,
    ItemDescribed,
    LetterKept,
    LetterSettled,
    ListingDropped,
    ListingMapped,
    OrderRecorded,
    OrdersCaughtUp,
    PaperForgotten,
    PushPlanned,
    PushSettled,
    PushVerified,
    RecipeSet,
    SkuAdded,
    SkuMerged,
    SkuRenamed,
    SkuRetired,
    SkuRevived,
    SnapshotFused,
    UnitsHeld,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.states import State
from engine.domain.stock.book import Position
from engine.domain.stock.records import Records
from engine.domain.units import DocumentId, HoldId, Key, LetterId, ListingId, OrderId, Sku
from engine.ports import Frame
from ops.node import Node
from ops.recovery import replay
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START, NoonClock
from tests.fakes.feed import OrderFeed
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.running import SilentTelemetry
from tests.golden.recording_imports import describe_imports, tell_imports
from tests.golden.recording_laws import describe_laws, tell_laws
from tests.golden.recording_offers import describe_offers, tell_offers

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
    _tell_movements(shelf)
    books: list[Event] = [event for event in shelf.events if not isinstance(event, OrderRecorded)]
    half = len(books) // 2
    return [
        books[:half],
        books[half:],
        _tell_intake(),
        _tell_pushes(),
        tell_offers(),
        _tell_alerts(),
        _tell_recipes(),
        _tell_catalogue(),
        tell_laws(),
        tell_imports(),
    ]


def _tell_movements(shelf: Shelf) -> None:
    """Papers, returns, states, counts and a partner's word."""
    shelf.receive(B, 40, THERE, key="delivery-3")
    shelf.purchase((A, 24), (B, 6), at=THERE)
    shelf.receive_ordered(10, at=THERE, key="delivery-4")
    shelf.purchase((A, 20), at=THERE)
    shelf.purchase((B, 9), number="po-2")
    shelf.end_purchase("po-2", cancelled=True)
    shelf.send((A, 6), (B, 5), source=THERE, target=HERE)
    shelf.arrive(2)
    shelf.lose(1)
    shelf.record(17, shipped=3, returned=2)
    shelf.take_back(2, at=THERE)
    shelf.put(1, State.QUALITY_HOLD, State.DAMAGED, at=THERE, key="look-1")
    shelf.put(1, State.DAMAGED, State.WRITTEN_OFF, at=THERE, key="look-2")
    shelf.put(2, State.SELLABLE, State.DISPLAY, at=THERE, key="look-3")
    shelf.wait(60)
    shelf.count(3, sku=B, at=THERE, seconds_ago=30, key="cycle-1")
    shelf.wait(60)
    shelf.count(3, sku=B, at=THERE, seconds_ago=30, key="cycle-2")
    shelf.count(30, at=HERE, seconds_ago=30, key="cycle-3")
    shelf.observe(12, at=THERE, seconds_ago=10, nets=True, key="feed-1")
    shelf.wait(60)
    on_hand = {sku: shelf.at(THERE, sku).on_hand for sku in (A, B)}
    shelf.snapshot(*(shelf.row(units, sku=sku, at=THERE, key="feed-2") for sku, units in on_hand.items()))
    shelf.record(2, shipped=3, returned=2, pickup=THERE)
    forgotten = PaperForgotten(at=shelf.now, sku=B, purchase_order=DocumentId("po-2"))
    shelf.ledgers[B].apply(forgotten)
    shelf.events.append(forgotten)


def _tell_intake() -> list[Event]:
    lines = (order_line("A", 3, shipped=1), order_line(None, 1, line="2", listing="l/gone"))
    return [
        WebhookStored(at=START, account=SHOP, delivery_key="d1", headers={"x-topic": "order.updated"}, body=b"{}"),
        OrderRecorded(at=START, snapshot=order(*lines, order_id="9", second=5), skus=(A, None)),
        OrderRecorded(at=START, snapshot=order(*lines[:1], order_id="10"), skus=(A,), packs=(6,)),
        WebhookHandled(at=START, account=SHOP, delivery_key="d1", outcome="newer"),
        WebhookStored(at=START, account=SHOP, delivery_key="d2", headers={}, body=b"\xff\x00"),
        OrdersCaughtUp(at=START, account=SHOP, through_at=START + timedelta(seconds=5)),
        _letter("order-7", b'{"status": "wc-lost"}', OrderId("7")),
        _letter("webhook-d2", b"\xff\x00"),
        _letter("webhook-d3", b"<html>"),
        LetterSettled(at=START, account=SHOP, letter_id=LetterId("webhook-d3"), outcome="discarded", by="ann"),
    ]


def _letter(letter_id: str, body: bytes, order_id: OrderId | None = None) -> LetterKept:
    return LetterKept(
        at=START,
        account=SHOP,
        letter_id=LetterId(letter_id),
        reason="not understood",
        headers={},
        body=body,
        order_id=order_id,
        modified_at=None if order_id is None else START,
    )


def _tell_pushes() -> list[Event]:
    one, other = ListingId("l/a"), ListingId("l/b")
    terms = (("atp here", "7", "stock"), ("offer", "7", "packs between floor and cap, never negative"))
    return [
        ListingMapped(at=START, account=SHOP, listing_id=one, sku=A, pack_units=6, source="import"),
        ListingMapped(at=START, account=SHOP, listing_id=other, sku=B, source="sku match"),
        PushPlanned(
            at=START, account=SHOP, listing_id=one, sku=A, version=1, quantity=7, basis=2, terms=terms, lag_seconds=2.5
        ),
        PushSettled(at=START, account=SHOP, listing_id=one, version=1, verdict="accepted", reason="ok"),
        PushVerified(at=START, account=SHOP, listing_id=one, version=1, shown=7),
        DriftFound(at=START, account=SHOP, listing_id=one, version=1, shown=None, expected=7),
        ListingDropped(at=START, account=SHOP, listing_id=other),
        AccountPaused(at=START, account=SHOP, reason="CHANNEL PAUSE"),
        AccountResumed(at=START, account=SHOP),
    ]


def _tell_alerts() -> list[Event]:
    one, two, three = AlertId(1), AlertId(2), AlertId(3)
    details = (("sku", "A"), ("open_units", "2"))
    return [
        AlertRaised(
            at=START,
            alert_id=one,
            alert_kind="oversell",
            subject="A",
            severity="critical",
            text="A: 2 promised beyond what there is",
            details=details,
            suppressed=1,
            suppressed_since=START,
            to=("ops", "owner"),
        ),
        AlertRaised(at=START, alert_id=two, alert_kind="low_stock", subject="B", severity="notice", text="B: 4 left"),
        AlertRaised(
            at=START, alert_id=three, alert_kind="drift", subject="s/l", severity="warning", text="s/l: 9", to=("ops",)
        ),
        AlertAcknowledged(at=START, alert_id=one, by="ann", to=("ops",)),
        AlertResolved(at=START, alert_id=two, how="by_hand", by="bob"),
        AlertDispatched(at=START, destination="ops", message_id="ops-1", items=((one, "raised"), (three, "raised"))),
        AlertDelivered(at=START, destination="ops", message_id="ops-1"),
        AlertUndeliverable(at=START, destination="owner", items=((one, "raised"),), reason="no_room"),
        SnapshotFused(
            at=START,
            key=Key("feed-3"),
            location=THERE,
            source="3pl",
            as_of=START,
            rows=40,
            falling=13,
            share_max=0.3,
            rows_min=10,
            by="3pl",
            reference="night",
        ),
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


def _tell_catalogue() -> list[Event]:
    """One SKU with all that can be said of it, under its third name; one that became another; one that is retired."""
    cup, mug, old = Sku("C"), Sku("M"), Sku("O")
    details = Details(
        category="Cups",
        attributes=(("colour", "red"), ("note", "a;b\n=1")),
        barcodes=(Barcode("4006381333931"), Barcode("036000291452")),
        weight_grams=350,
        length_mm=90,
        width_mm=80,
        height_mm=100,
        cost=Money("2.50 EUR"),
        prices=((SHOP, Money("9.99 EUR")),),
        supplier="Potter & Sons",
        lead_days=14,
        images=("https://images.example/cup.jpg",),
    )
    return [
        *(SkuAdded(at=START, sku=sku, name=f"Item {sku}") for sku in (cup, mug, old)),
        ItemDescribed(at=START, sku=cup, details=details, by="ann"),
        ItemDescribed(at=START, sku=mug, details=Details(barcodes=(Barcode("96385074"),))),
        SkuRenamed(at=START, sku=cup, code=Sku("CUP"), was=cup, by="ann"),
        SkuRenamed(at=START, sku=cup, code=Sku("CUP-RED"), was=Sku("CUP")),
        SkuMerged(at=START, sku=mug, into=cup, by="ann"),
        SkuRetired(at=START, sku=old, by="ann"),
        SkuRevived(at=START, sku=old, by="bob"),
        SkuRetired(at=START, sku=old),
    ]


def _tell_recipes() -> list[Event]:
    """A bundle that was held, refused and sold under its first recipe; and one that is no bundle any more."""
    kit, box = Sku("K"), Sku("X")
    asked, wanted = ((A, 4), (B, 1)), ((kit, 1), (A, 2))
    sold = order(order_line("K", 2), order_line("A", 1, line="2"), order_id="kits")
    held = [
        UnitsHeld(
            at=START,
            sku=sku,
            hold_id=HoldId("kit"),
            parts=((THERE, units),),
            expires_at=None,
            account=SHOP,
            asked=asked,
            wanted=wanted,
        )
        for sku, units in asked
    ]
    return [
        SkuAdded(at=START, sku=kit, name="Kit"),
        SkuAdded(at=START, sku=box, name="Box"),
        RecipeSet(at=START, sku=kit, version=1, components=((A, 2), (B, 1)), together=True, by="ann"),
        RecipeSet(at=START, sku=box, version=1, components=((kit, 2),)),
        *held,
        HoldRefused(
            at=START,
            sku=B,
            hold_id=HoldId("kits"),
            requested=9,
            atp=1,
            account=SHOP,
            asked=((A, 18), (B, 9)),
            wanted=((kit, 9),),
            bundle=(kit, 9, 1),
        ),
        OrderRecorded(at=START, snapshot=sold, skus=(kit, A), components=(((A, 2), (B, 1)), ())),
        RecipeSet(at=START, sku=kit, version=2, components=((A, 1),)),
        RecipeSet(at=START, sku=box, version=2, components=()),
    ]


_FIRST_FIGURES = frozenset(
    ("committed", "in_transit", "incoming", "moved", "on_hand", "reserved", "safety_stock", "unavailable")
)
"""Those of the first recording, said even where they are nothing; younger ones are said where they are something."""


def _describe_records(records: Records) -> dict[str, Any]:
    """Say what a book keeps beside holds and demand, as far as it has any."""
    described: dict[str, Any] = {
        "purchases": {
            number: [line.ordered.location, line.ordered.quantity, line.received, line.expected]
            for number, line in sorted(records.purchases.items())
        },
        "transfers": {
            number: [line.sent.source, line.sent.target, line.sent.quantity, line.arrived, line.lost]
            for number, line in sorted(records.transfers.items())
        },
        "returns": {"/".join(key): units for key, units in sorted(records.returns.items())},
        "recounts": {location: count.key for location, count in sorted(records.recounts.items())},
        "settled": dict(sorted(records.settled.items())),
        "bound": dict(sorted(records.bound.items())),
    }
    return {name: said for name, said in described.items() if said}


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
                    location: {
                        name: getattr(position, name)
                        for name in Position.__slots__
                        if name in _FIRST_FIGURES or getattr(position, name)
                    }
                    for location, position in sorted(book.positions.items())
                },
                "held": sorted(book.holds),
                "ended": {hold: type(end).__name__ for hold, (_, end) in sorted(book.ended.items())},
                "refused": sorted(book.refused),
                "demand": {
                    "/".join(key): [demand.committed, demand.reserved, demand.shipped, demand.returned]
                    for key, demand in sorted(book.demand.items())
                },
                "movements": {
                    key: getattr(movement, "on_hand", None) for key, movement in sorted(book.movements.items())
                },
                "oversold": book.oversold,
                **_describe_records(book.records),
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
                *([known.components] if known.components else []),
            ]
            for key, known in sorted(node.desk.orders.items())
        },
        "incidents": [
            [each.recorded.sku, each.recorded.units, each.recorded.cause, each.cleared_at]
            for each in node.incidents.newest
        ],
        "watermark": account.intake.through_at,
        "unhandled": sorted(account.intake.arrivals.unhandled),
        **({"letters": sorted(account.intake.letters.open)} if account.intake.letters.open else {}),
        "listings": {
            listing: [account.pusher.sku_of(line), account.pusher.pack_units_of(line)]
            for listing, line in listings.items()
        },
        "versions": [offer.version for offer in account.pusher.offers_of(A)],
        "position": node.journal.position,
        **_describe_alerts(node),
        **_describe_recipes(node),
        **_describe_catalogue(node),
        **describe_laws(node),
        **describe_offers(node),
        **describe_imports(node),
    }


def _describe_catalogue(node: Node) -> dict[str, Any]:
    """Say what items are like and called, as far as anybody has said."""
    codes, catalogue = node.catalogue.codes, node.catalogue
    items = {
        item.sku: [codes.code_of(item.sku), codes.aliases_of(item.sku), item.retired, item.details]
        for item in catalogue.page(0, len(catalogue))[0]
        if item.retired or item.details != NO_DETAILS or codes.aliases_of(item.sku)
    }
    return {"items": items} | {"merged": codes.merged} if items else {}


def _describe_recipes(node: Node) -> dict[str, Any]:
    """Say what bundles are made of, if there are any."""
    assert node.fanout.recipes == node.recipes, "what is durable is what decisions go by"
    recipes = {
        sku: [event.version, event.components, event.together, node.recipes.made(sku).leaves]
        for sku, event in sorted(node.recipes.current.items())
    }
    return {"recipes": recipes} if recipes else {}


def _describe_alerts(node: Node) -> dict[str, Any]:
    """Say what an alerter keeps, as far as it has anything."""
    alerter = node.alerter
    described: dict[str, Any] = {
        "alerts": [
            [alert.raised.alert_id, *alert.key, alert.acknowledged.by if alert.acknowledged is not None else None]
            for alert in alerter.alerts.open.values()
        ],
        "alerts_resolved": [
            [alert.raised.alert_id, alert.resolved.how]
            for alert in alerter.alerts.history
            if alert.resolved is not None
        ],
        "alerts_owed": {
            name: sorted(queue.waiting) for name, queue in sorted(alerter.deliveries._queues.items()) if queue.waiting
        },
        "snapshots_refused": sorted(
            finding.subject for finding in alerter._conditions.holding() if is_of_snapshot(finding.key)
        ),
    }
    return {name: said for name, said in described.items() if said}


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
