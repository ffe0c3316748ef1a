"""Orders that nothing is owed of are packed, and nobody notices."""

from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.catalogue.known_orders import KnownOrders, OrderKey
from engine.domain.catalogue.sold import UNKNOWN, Order
from engine.domain.orders import OrderLine, OrderSnapshot, OrderStatus
from engine.domain.stated import OrderStated, SettledStated, Statement
from engine.domain.units import AccountId, LineId, ListingId, LocationId, OrderId, Sku

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCOUNTS = (AccountId("shop"), AccountId("other"))
ENCODER = msgspec.msgpack.Encoder()
READ = msgspec.msgpack.Decoder(Statement)

texts = st.sampled_from(["a", "b", "ä"])
instants = st.builds(
    lambda hours, zone: (NOON + timedelta(hours=hours)).astimezone(timezone(timedelta(hours=zone))),
    st.integers(-72, 72),
    st.sampled_from([-11, 0, 13]),
)


@st.composite
def lines(draw: st.DrawFn, number: int) -> OrderLine:
    """Draw a line; mostly one of which nothing is open."""
    ordered = draw(st.integers(0, 3))
    cancelled = draw(st.integers(0, ordered))
    shipped = draw(st.sampled_from([ordered - cancelled, 0]))
    return OrderLine(
        line_id=LineId(str(number)),
        sku=draw(st.none() | texts.map(Sku)),
        listing_id=draw(st.none() | texts.map(ListingId)),
        ordered=ordered,
        cancelled=cancelled,
        shipped=shipped,
        returned=draw(st.integers(0, shipped)),
        location=draw(st.none() | texts.map(LocationId)),
    )


@st.composite
def orders(draw: st.DrawFn, key: OrderKey) -> Order:
    """Draw what may be known of an order."""
    holds = tuple((LineId(f"hold:{name}"), Sku("A")) for name in draw(st.permutations(["x", "y"])))
    if draw(st.booleans()) and draw(st.booleans()):
        return Order(None, (), holds)
    made = tuple(draw(lines(number)) for number in range(draw(st.integers(0, 3))))
    skus = tuple(draw(st.sampled_from([Sku("A"), Sku("A"), Sku("B"), None])) for _ in made)
    snapshot = OrderSnapshot(
        account=key[0],
        order_id=key[1],
        status=draw(st.sampled_from(OrderStatus)),
        channel_status=draw(texts),
        placed_at=draw(instants),
        modified_at=draw(instants),
        read_at=draw(st.none() | instants),
        held_until=draw(st.none() | instants),
        lines=made,
        notes=draw(st.sampled_from([(), ("odd",)])),
    )
    packs = draw(st.sampled_from([(), (2,) * len(made)]))
    components = draw(st.sampled_from([(), (((Sku("A"), 2),),) * len(made)]))
    return Order(snapshot, skus, draw(st.sampled_from([(), holds])), packs, components)


keys = st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from("1234567").map(OrderId))
changes = st.lists(keys.flatmap(lambda key: st.tuples(st.just(key), st.none() | orders(key))), max_size=25)


def sort_holds(order: Order) -> Order:
    """Return it with its holds in their own order, which is all that may change."""
    return order._replace(hold_lines=tuple(sorted(order.hold_lines)))


def say(known: KnownOrders) -> list[bytes]:
    """Return what it says of itself, encoded."""
    return [ENCODER.encode(each) for each in known.state(NOON)]


@given(changes, st.sampled_from([None, *ACCOUNTS]), st.integers(1, 8))
def test_it_is_a_table_of_orders(
    told: list[tuple[OrderKey, Order | None]], account: AccountId | None, limit: int
) -> None:
    known, naive = KnownOrders(), dict[OrderKey, Order]()
    for key, order in told:
        if order is None:
            assert (known.pop(key, None) is None) == (naive.pop(key, None) is None)
        else:
            known[key] = naive[key] = order
    assert len(known) == len(naive)
    assert {key: sort_holds(order) for key, order in known.items()} == {k: sort_holds(o) for k, o in naive.items()}
    assert known.unmatched == {key for key, order in naive.items() if None in order.skus}
    newest = sorted(
        (
            (order.snapshot.modified_at, key)
            for key, order in naive.items()
            if order.snapshot is not None and account in {None, key[0]}
        ),
        reverse=True,
    )
    listed = [key for key, order in known.newest(account, limit) if order.snapshot is not None]
    assert listed == [key for _, key in newest[:limit]]


@given(changes)
def test_what_it_says_depends_on_the_orders_alone(told: list[tuple[OrderKey, Order | None]]) -> None:
    known = KnownOrders()
    for key, order in told:
        if order is None:
            known.pop(key, None)
        else:
            known[key] = order
    other = KnownOrders()
    for key in sorted(known, reverse=True):
        order = known[key]
        other[key] = order._replace(hold_lines=tuple(reversed(order.hold_lines)))
    restored = KnownOrders()
    for statement in say(known):
        restored.restore(READ.decode(statement))
    assert say(known) == say(other) == say(restored)
    assert (restored, restored.unmatched) == (known, known.unmatched)


def settled(number: int, at: datetime = NOON) -> Order:
    """Make an order of which nothing is owed."""
    line = OrderLine(line_id=LineId("1"), sku=Sku("A"), ordered=1, shipped=1)
    snapshot = OrderSnapshot(
        account=ACCOUNTS[0],
        order_id=OrderId(f"{number:05}"),
        status=OrderStatus.SHIPPED,
        placed_at=at,
        modified_at=at,
        lines=(line,),
    )
    return Order(snapshot, (Sku("A"),), ())


def test_settled_orders_are_stated_in_pieces_and_open_ones_one_by_one() -> None:
    known = KnownOrders()
    for number in range(600):
        known[ACCOUNTS[0], OrderId(f"{number:05}")] = settled(number)
    waiting = Order(None, (), ((LineId("hold:x"), Sku("A")),))
    known[ACCOUNTS[1], OrderId("1")] = waiting
    first, *rest = known.state(NOON)
    assert isinstance(first, OrderStated)
    assert [len(each.orders) for each in rest if isinstance(each, SettledStated)] == [256, 256, 88]


def test_the_newest_are_found_without_unpacking_older_days(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownOrders()
    for number in range(100):
        known[ACCOUNTS[0], OrderId(f"{number:05}")] = settled(number, NOON - timedelta(days=number // 10))
    unpacked = 0

    class Counting:
        def decode(self, packed: bytes) -> Order:
            nonlocal unpacked
            unpacked += 1
            return msgspec.msgpack.decode(packed, type=Order)

    monkeypatch.setattr("engine.domain.catalogue.known_orders._DECODER", Counting())
    assert len(known.newest(None, 12)) == 12
    assert unpacked == 20


def test_an_order_that_is_not_there_is_a_key_error() -> None:
    known = KnownOrders()
    key = (ACCOUNTS[0], OrderId("1"))
    assert known.get(key, UNKNOWN) is UNKNOWN
    with pytest.raises(KeyError):
        del known[key]
    known[key] = settled(1)
    with pytest.raises(KeyError):
        known[ACCOUNTS[0], OrderId("2")]
