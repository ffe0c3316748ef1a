"""Kinds of locations: what each allows, and what the configuration may not mix up."""

import random
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from adapters.store.memory import MemoryStore
from config.loader import ConfigProblems, load
from config.places import DIRECT_KINDS
from config.schema import Location, LocationKind, Settings
from engine.domain.stock.places import Kind, allowed_at
from engine.domain.units import DIRECT, LocationId
from ops.node import Node
from ops.socket.resp import ErrorReply
from tests.fakes.clocks import NoonClock
from tests.fakes.orders import order, order_line
from tests.fakes.running import SilentTelemetry

SHOP = """
[[accounts]]
channel = "woocommerce"
id = "{}"
locations = ["{}"]
url = "https://{}.example"
consumer_key = "env:KEY"
consumer_secret = "env:KEY"
"""


def place(name: str, kind: str) -> str:
    return f'[[locations]]\nid = "{name}"\nkind = "{kind}"\n'


def problems(folder: Path, text: str) -> list[str]:
    """Return what is wrong with a file, or else what is noted."""
    path = folder / "lastunit.toml"
    path.write_text(text)
    try:
        return [note.partition(": ")[2] for note in load(path, environ={"KEY": "k"}).notes]
    except ConfigProblems as error:
        return [problem.partition(": ")[2] for problem in error.problems]


def test_the_configuration_knows_the_kinds_that_the_engine_knows() -> None:
    assert get_args(LocationKind) == tuple(Kind)
    assert {kind for kind in Kind if allowed_at(kind).sold_directly} == DIRECT_KINDS


def test_what_is_sold_directly_may_be_sold_and_what_nobody_can_walk_to_is_not_counted() -> None:
    for kind in Kind:
        allowed = allowed_at(kind)
        assert allowed.sold >= allowed.sold_directly
        assert allowed.counted == allowed.sold_directly
    assert not allowed_at(Kind.IN_TRANSIT).sold


def test_nobody_sells_from_a_place_on_paper(tmp_path: Path) -> None:
    text = place("main", "own") + place("sea", "in_transit") + SHOP.format("shop", "sea", "a")
    assert problems(tmp_path, text) == [
        "accounts[0].locations[0]: 'sea': is of kind in_transit: its units are under way and cannot be sold"
    ]


@pytest.mark.parametrize("kind", sorted(set(Kind) - DIRECT_KINDS))
def test_the_seller_s_own_storefront_needs_a_place_to_sell_from(tmp_path: Path, kind: str) -> None:
    assert problems(tmp_path, place("fba", kind)) == [
        "locations: at least one must be of a kind that you sell from yourself: consignment, own, store, third_party"
    ]


def node_of(*kinds: LocationKind) -> Node:
    """Return a node with one location of each kind, called by it."""
    return Node(
        Settings(locations=tuple(Location(id=kind, kind=kind) for kind in kinds)),
        MemoryStore(),
        clock=NoonClock(),
        rng=random.Random(1),
        channels={},
        listener=SilentTelemetry(),
        version="test",
        metrics_text=lambda: "",
    )


async def test_your_own_storefront_sells_only_from_places_that_are_for_everybody() -> None:
    node = node_of(*get_args(LocationKind))
    assert [str(location) for location in node.locations] == [kind.value for kind in Kind]
    assert node.names.locations_of(DIRECT) == node.direct_locations == ("own", "store", "third_party", "consignment")


async def test_a_pickup_names_a_store_that_there_is() -> None:
    line = msgspec.structs.replace(order_line("A", 1), location=LocationId("nowhere"))
    with pytest.raises(ErrorReply, match="NOSUCHLOCATION location=nowhere"):
        node_of("own").names.check_identifiers(order(line))


def test_two_accounts_on_the_stock_of_one_marketplace_are_noted(tmp_path: Path) -> None:
    text = place("main", "own") + place("fba", "channel_fulfilled") + SHOP.format("one", "fba", "a")
    assert problems(tmp_path, text) == []
    assert problems(tmp_path, text + SHOP.format("two", "fba", "b")) == [
        (
            "accounts[1].locations: 'fba' is fulfilled by a channel and one sells from it too:"
            " right only if both accounts share one stock there"
        )
    ]
