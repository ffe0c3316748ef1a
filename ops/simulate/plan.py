"""What a run is made of: places, goods, accounts, listings, rules, people and faults, all drawn from one seed."""

import random
from typing import Any, Final, NamedTuple

from config.schema import (
    Account,
    Budget,
    Location,
    Node,
    Orders,
    Push,
    Scan,
    Secret,
    Settings,
    Socket,
    WooCommerceAccount,
)
from ops.simulate.faults import choose_faults, draw_faults

Json = dict[str, Any]


class Temper(NamedTuple):
    """What kind of marketplace it is."""

    name: str
    batch_rows: int
    page_rows: int
    latency_seconds: tuple[float, float]
    webhooks: str
    """`whole`: orders come with them; `refetch`: only that something happened; `none`."""
    compares: bool = False
    """Drops writes with an older version than it has."""
    answers_numbers: bool = False
    """Says what it shows now; else it says yes and no more."""
    whole_seconds: bool = False
    """Stamps orders with whole seconds."""
    skew_seconds: float = 0.0
    """How far its clock is ahead."""
    splits_batches: bool = False
    """Takes only some listings together in one call."""
    unpaid: bool = True
    """Whether orders may be placed and paid later."""


TEMPERS: Final = (
    Temper(
        name="prompt", batch_rows=20, page_rows=20, latency_seconds=(0.02, 0.15), webhooks="whole", answers_numbers=True
    ),
    Temper(
        name="strict",
        batch_rows=5,
        page_rows=10,
        latency_seconds=(0.1, 0.4),
        webhooks="refetch",
        compares=True,
        skew_seconds=-0.8,
    ),
    Temper(
        name="old",
        batch_rows=3,
        page_rows=5,
        latency_seconds=(0.2, 0.9),
        webhooks="none",
        whole_seconds=True,
        skew_seconds=0.7,
        splits_batches=True,
        unpaid=False,
    ),
    Temper(
        name="moody",
        batch_rows=10,
        page_rows=8,
        latency_seconds=(0.05, 0.6),
        webhooks="whole",
        whole_seconds=True,
        skew_seconds=1.2,
    ),
)


class Good(NamedTuple):
    """One SKU at the start."""

    sku: str
    opening: dict[str, int]
    """Units by location."""
    safety: dict[str, int]
    recipe: dict[str, int]
    """What it is made of; empty: it has stock."""
    together: bool = False


class Offered(NamedTuple):
    """One listing at the start."""

    account: str
    listing: str
    sku: str
    """What it sells, as we know; empty: nothing of ours."""
    typed: str | None
    """The SKU as typed into the marketplace."""
    pack_units: int = 1
    shown: int | None = None

    @property
    def mapped_by_hand(self) -> bool:
        """Whether an import has to say what it sells."""
        return bool(self.sku) and (self.typed != self.sku or self.pack_units > 1)


class Plan(NamedTuple):
    """A run."""

    seed: int
    seconds: float
    faults: tuple[str, ...]
    settings: Settings
    direct: tuple[str, ...]
    """Locations that the storefront sells from."""
    places: dict[str, tuple[str, ...]]
    """Locations of each account."""
    counters: dict[str, tuple[str, ...]]
    """Those of each account where buyers may come for what they bought; empty: everything is sent."""
    tempers: dict[str, Temper]
    goods: tuple[Good, ...]
    listings: tuple[Offered, ...]
    quick_disk: bool
    busy: float
    """How fast people act: 1 is usual."""


def draw_plan(seed: int, *, seconds: float, faults: str = "") -> Plan:
    """Draw a run. `faults`: what a user says of them (`ops.simulate.faults.choose_faults`)."""
    rng = random.Random(f"{seed}/plan")  # noqa: S311  # the seed is all the chance there is
    drawn = draw_faults(random.Random(f"{seed}/faults"))  # noqa: S311
    locations = [
        Location(id="main"),
        Location(id="store", kind="store"),
        Location(id="depot", kind="channel_fulfilled"),
    ]
    tempers = {f"{temper.name}": temper for temper in TEMPERS if temper.name != "strict" or rng.random() < 0.8}
    places = {name: _draw_places(name, rng) for name in tempers}
    goods = _draw_goods(rng)
    settings = Settings(
        node=Node(shards=rng.choice((1, 2, 4, 4))),
        socket=Socket(path=None),
        locations=tuple(locations),
        accounts=tuple(_draw_account(temper, places[name], rng) for name, temper in tempers.items()),
        scan=Scan(hours=0.05),
    )
    return Plan(
        seed=seed,
        seconds=seconds,
        faults=choose_faults(drawn, faults),
        settings=settings,
        direct=("main", "store"),
        places=places,
        counters={name: tuple(place for place in sold if rng.random() < 0.4) for name, sold in places.items()},
        tempers=tempers,
        goods=goods,
        listings=tuple(_draw_listings(tempers, goods, rng)),
        quick_disk=rng.random() < 0.5,
        busy=rng.choice((0.3, 0.5, 0.8)),
    )


def _draw_places(name: str, rng: random.Random) -> tuple[str, ...]:
    if name == "moody":
        return rng.choice((("depot", "main"), ("depot",), ("main", "depot", "store")))
    return rng.choice((("main",), ("main", "store"), ("store", "main")))


def _draw_account(temper: Temper, places: tuple[str, ...], rng: random.Random) -> Account:
    return WooCommerceAccount(
        id=temper.name,
        url="https://simulated.invalid",
        consumer_key=Secret("simulated"),
        consumer_secret=Secret("simulated"),
        locations=places,
        push=Push(
            settle_seconds=rng.choice((0.0, 0.5, 1.0)),
            staleness_seconds_max=2.0,
            verify_after_seconds=rng.choice((0.5, 2.0)),
            verify_tries_max=rng.choice((2, 4)),
            retry_seconds=0.5,
            retry_seconds_max=20.0,
            breaker_failures=rng.choice((2, 5)),
            breaker_seconds=5.0,
            call_seconds_max=10.0,
            resync_seconds=60.0,
        ),
        budget=Budget(
            calls_per_second=rng.choice((2.0, 5.0, 10.0)), burst=rng.choice((4, 8)), concurrency=rng.choice((1, 2, 4))
        ),
        orders=Orders(
            poll_seconds=rng.choice((8.0, 15.0)), overlap_seconds=15.0, lookback_hours=24.0, webhook_check_seconds=30.0
        ),
    )


def _draw_goods(rng: random.Random) -> tuple[Good, ...]:
    goods: list[Good] = []
    for number in range(1, rng.randint(9, 20)):
        most = rng.choice((2, 5, 12, 40))
        opening = {place: rng.randint(0, most) for place in ("main", "store", "depot")}
        safety = {"main": rng.randint(1, 2)} if rng.random() < 0.15 else {}
        goods.append(Good(f"SKU-{number:02}", opening, safety, {}))
    for number in range(1, rng.randint(1, 4)):
        made_of = {good.sku: rng.randint(1, 3) for good in rng.sample(goods[:8], rng.randint(1, 3))}
        goods.append(Good(f"KIT-{number}", {}, {}, made_of, rng.random() < 0.3))
    return tuple(goods)


def _draw_listings(tempers: dict[str, Temper], goods: tuple[Good, ...], rng: random.Random) -> list[Offered]:
    listings: list[Offered] = []
    for account in tempers:
        number = 0
        for good in goods:
            if rng.random() < 0.25:
                continue
            for _ in range(2 if rng.random() < 0.1 else 1):
                number += 1
                pack = rng.choice((1, 1, 1, 1, 1, 2, 3))
                typed = rng.choice((good.sku, good.sku, good.sku, None, f"{account}-{number:02}"))
                shown = rng.choice((None, 0, rng.randint(1, 4)))
                listings.append(Offered(account, f"{account}-{number:02}", good.sku, typed, pack, shown))
        listings.append(Offered(account, f"{account}-x1", "", "NOT-OURS", shown=3))
        listings.append(Offered(account, f"{account}-x2", "", None))
    return listings


def draw_rules(plan: Plan, rng: random.Random) -> Json:
    """Draw a book of rules. Categories and floors are left out: the one is like an account, the other oversells."""
    book: Json = {"default": _draw_terms(rng)}
    book["accounts"] = {name: _draw_terms(rng) for name in plan.tempers if rng.random() < 0.6}
    for name, terms in book["accounts"].items():
        draw = rng.random()
        if draw < 0.15:
            terms.update(view="regional", locations=[rng.choice(plan.places[name])])
        elif draw < 0.3:
            terms["view"] = "real_time"
    stocked = [good.sku for good in plan.goods]
    book["skus"] = {sku: _draw_terms(rng) for sku in rng.sample(stocked, min(3, len(stocked)))}
    if rng.random() < 0.25:  # of a SKU with stock: one of a bundle is a quota of its components
        claimed = rng.choice([book["default"], book["skus"].setdefault(plan.goods[0].sku, {})])
        claimed["quotas"] = {rng.choice(list(plan.tempers)): rng.randint(1, 5)}
    if rng.random() < 0.3:
        book["windows"] = [
            {
                "name": "sale",
                "starts_at": "2020-01-01T00:00:00Z",
                "ends_at": rng.choice(("2020-01-02T00:00:00Z", "2050-01-01T00:00:00Z")),
                "percent_least": 10.0,
                "percent_most": 30.0,
                "accounts": rng.choice(([], [rng.choice(list(plan.tempers))])),
            }
        ]
    return book


def _draw_terms(rng: random.Random) -> Json:
    terms: Json = {}
    if rng.random() < 0.3:
        terms["share"] = rng.choice((1.0, 0.5, 0.7))
    draw = rng.random()
    if draw < 0.25:
        terms["buffer"] = rng.randint(0, 2)
    elif draw < 0.4:
        terms["buffer_percent"] = rng.choice((10.0, 33.3, 50.0))
    elif draw < 0.5:
        terms["buffer_from"] = rng.choice(("tiers", "computed"))
    if rng.random() < 0.15:
        terms["last_units"] = True
    if rng.random() < 0.15:
        terms["count_error"] = 1
    elif rng.random() < 0.1:
        terms["count_error_percent"] = 12.5
    if rng.random() < 0.15:
        terms["cap"] = rng.randint(1, 6)
    if rng.random() < 0.15:
        terms["zero_below"] = rng.randint(1, 3)
    if rng.random() < 0.2:
        terms["severity"] = rng.choice((0.0, 0.25, 1.0))
    return terms
