"""A client that trades as fast as it can and remembers every word: what it was told must be true after any crash."""

import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import hiredis
import trio

from tests.fakes.clocks import START
from tests.fakes.wire import Reply, Wire, Word, as_map, pack

PLENTY: Final = {f"SKU-{number:02}": 100_000 for number in range(12)}
SCARCE: Final = {"LAST-1": 3, "LAST-2": 40}
STOCK: Final = PLENTY | SCARCE
"""On hand in Berlin at the start; the SKUs lie on all shards."""
KITS: Final = {"KIT": (("SKU-00", 1), ("SKU-01", 2))}
"""Bundles, and what one unit of each is made of."""

_BATCH_COMMANDS_MAX: Final = 24
_EXPECTED: Final = (
    *("OUTOFSTOCK ", "NOSUCHHOLD ", "RELEASED ", "COMMITTED ", "CONFLICT ", "NEGATIVE ", "NOSUCHTRANSFER "),
    "EXCEEDS ",
)
_ASK_AGAIN: Final = ("STALLED ", "BUSY ", "SHUTTINGDOWN ")
"""Nothing was done, and the same may be asked later."""
_PLACES: Final = ("berlin", "hamburg")
_GOES_ON: Final = frozenset({"state", "changed_at", "units_arrived", "units_lost", "units_open", "lines"})
"""What the answer to a repeated TRANSFER SEND tells of the transfer as it stands."""


class Said(NamedTuple):
    """One command and its answer; `answer` None: nobody knows."""

    words: Sequence[Word]
    answer: Reply


class Hold:
    """What a client knows of one hold: the states it may be in."""

    def __init__(self, lines: Counter[str]) -> None:
        self.lines = lines
        """Units of each SKU with stock."""
        self.states = {"none"}

    def narrow(self, name: str, found: Reply) -> bool:
        """Take in what LOOKUP says; return whether it is there though nobody was told."""
        state = "none" if isinstance(found, hiredis.ReplyError) else str(as_map(found)["state"])
        assert state in self.states, f"{name} is {state}, may be {self.states}"
        is_there = state in {"held", "committed", "released"}
        if is_there:
            lines = sum_lines(found["lines"])
            assert lines == self.lines, f"{name} is there in part: {lines} of {self.lines}"
        was_unknown, self.states = "none" in self.states, {state}
        return is_there and was_unknown


class Move:
    """What a client knows of one movement."""

    def __init__(self, on_hand: Mapping[str, int], in_transit: Mapping[str, int]) -> None:
        self.on_hand = on_hand
        """What it changes, by SKU, if it happens."""
        self.in_transit = in_transit
        self.happened = False


class Version(NamedTuple):
    """One state of an order: what is open and what has left, by SKU with stock."""

    open: Counter[str]
    shipped: Counter[str]


class Order:
    """What a client knows of one order: its versions as they were told, counted from 1, and which of them it has."""

    def __init__(self) -> None:
        self.versions: list[Version] = []
        self.least = 0
        """It stands at this version or a later one..."""
        self.most = 0
        """...and at none after this one."""


class Trader:
    """One client: its holds, its movements, its orders, and all that was said."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self.holds: dict[str, Hold] = {}
        self.moves: dict[str, Move] = {}
        self.orders: dict[str, Order] = {}
        self.said: list[Said] = []
        self.unanswered: list[Sequence[Word]] = []
        """In the order in which they were sent."""
        self._rng = rng
        self._count = 0

    # -- trading

    async def trade(self, wire: Wire) -> None:
        """Send batches and note the answers until the daemon is gone or wants no more, or the caller gives up."""
        try:
            while await self._send(self._draw_batch(), wire):
                pass
        finally:
            await trio.aclose_forcefully(wire.stream)

    async def retry(self, wire: Wire) -> int:
        """Say again, under its old id, whatever was not answered; return how much that was."""
        again, self.unanswered = self.unanswered, []
        for words, answer in zip(again, await wire.pipeline(again), strict=True):
            assert answer is not None
            self.note(Said(words, answer))
        return len(again)

    async def _send(self, batch: Sequence[Sequence[Word]], wire: Wire) -> bool:
        noted = 0
        try:
            await wire.send_raw(b"".join(pack(*words) for words in batch))
            for words in batch:
                answer = await wire.read()
                if isinstance(answer, hiredis.ReplyError) and str(answer).startswith(_ASK_AGAIN):
                    return False
                self.note(Said(words, answer))
                noted += 1
        except (trio.EndOfChannel, trio.BrokenResourceError):
            return False
        finally:  # also when the caller's patience has ended
            for words in batch[noted:]:
                self.note(Said(words, None))
        return True

    # -- what to say

    def _draw_batch(self) -> list[Sequence[Word]]:
        batch: list[Sequence[Word]] = []
        while len(batch) < self._rng.randint(1, _BATCH_COMMANDS_MAX):
            batch += self._draw()
        return batch

    def _draw(self) -> list[Sequence[Word]]:
        self._count += 1
        name = f"{self.name}-{self._count}"
        chance = self._rng.random()
        if chance < 0.15:
            return [self._draw_move(name)]
        if chance < 0.25:
            return self._draw_transfer(name)
        if chance < 0.4:
            return self._draw_order()
        return self._draw_hold(name)

    def _draw_hold(self, name: str) -> list[Sequence[Word]]:
        """Draw a hold and what may become of it."""
        rng = self._rng
        lines = [(rng.choice([*STOCK, *KITS]), rng.randint(1, 3)) for _ in range(rng.choice((1, 1, 1, 2, 3, 5)))]
        hold: Sequence[Word] = (
            *("HOLD", name, rng.choice(("NEVER", 36_000))),
            *(word for line in lines for word in line),
        )
        self.holds[name] = Hold(units_with_stock(lines))
        ends: list[Sequence[Word]] = [
            ("COMMIT", name),
            ("COMMIT", name, "ORDER", f"order-{name}"),
            ("RELEASE", name),
            hold,
        ]
        return [hold, *rng.choices(ends, k=rng.choice((0, 1, 1, 2)))]

    def _draw_move(self, name: str) -> Sequence[Word]:
        sku, place = self._rng.choice(list(STOCK)), self._rng.choice(_PLACES)
        if self._rng.random() < 0.5:
            units = self._rng.randint(1, 5)
            self.moves[name] = Move({sku: units}, {})
            return ("RECEIVE", name, sku, place, units)
        delta = self._rng.choice((-2, -1, 1, 2))
        self.moves[name] = Move({sku: delta}, {})
        return ("ADJUST", name, sku, place, delta, "other: storm")

    def _draw_transfer(self, name: str) -> list[Sequence[Word]]:
        """Draw a transfer of one or two SKUs, and perhaps the arrival of the first."""
        rng = self._rng
        lines = {sku: rng.randint(1, 3) for sku in rng.sample(list(STOCK), rng.choice((1, 2)))}
        self.moves[name] = Move({sku: -units for sku, units in lines.items()}, lines)
        send: Sequence[Word] = (
            *("TRANSFER", "SEND", name, *rng.sample(_PLACES, 2), "LINES"),
            *(word for line in lines.items() for word in line),
        )
        if rng.random() < 0.3:
            return [send]
        sku = next(iter(lines))
        units = rng.randint(1, lines[sku])
        key = f"{name}-arrived"
        self.moves[key] = Move({sku: units}, {sku: -units})
        return [send, ("TRANSFER", "RECEIVE", key, name, sku, units)]

    def _draw_order(self) -> list[Sequence[Word]]:
        """Draw the next version of an order, a new one or one that was told before."""
        known = list(self.orders)[-5:]
        name = self._rng.choice(known) if known and self._rng.random() < 0.5 else f"{self.name}-o{self._count}"
        order = self.orders.setdefault(name, Order())
        lines = {sku: self._rng.randint(1, 3) for sku in self._rng.sample([*PLENTY, *KITS], self._rng.choice((1, 2)))}
        status = self._rng.choice(("accepted", "accepted", "shipped", "cancelled"))
        order.versions.append(version_of(lines.items(), status))
        return [("RECORD", build_snapshot(name, len(order.versions), lines, status))]

    # -- remembering

    def note(self, said: Said) -> None:
        """Take one answer, or its absence, into account."""
        if said.answer is None:
            self.unanswered.append(said.words)
        else:
            self.said.append(said)
        done = isinstance(said.answer, dict)
        if isinstance(said.answer, hiredis.ReplyError):
            assert str(said.answer).startswith(_EXPECTED), said
        match said.words[0]:
            case "HOLD":
                self._note_hold(self.holds[str(said.words[1])], said.answer)
            case "COMMIT" | "RELEASE" as verb:
                hold, end = self.holds[str(said.words[1])], "committed" if verb == "COMMIT" else "released"
                if done:
                    hold.states = {end}
                elif said.answer is None and "held" in hold.states:
                    hold.states |= {end}
            case "RECORD":
                self._note_order(said)
            case _:
                move = self.moves[key_of(said.words)]
                move.happened = move.happened or done

    def _note_hold(self, hold: Hold, answer: Reply) -> None:
        if isinstance(answer, dict):
            granted = sum_lines(answer["lines"])
            assert granted == hold.lines, (granted, hold.lines)
        if answer is None:
            if hold.states == {"none"}:
                hold.states = {"none", "held", "refused"}
        elif hold.states <= {"none", "held", "refused"}:
            hold.states = {"held"} if isinstance(answer, dict) else {"refused"}

    def _note_order(self, said: Said) -> None:
        told = json.loads(str(said.words[1]))
        order, version = self.orders[told["order_id"]], int(told["channel_status"])
        order.most = max(order.most, version)
        if said.answer is not None:
            assert isinstance(said.answer, dict), said
            order.least = max(order.least, version)

    # -- what must be so

    async def look(self, wire: Wire, since: int) -> int:
        """Look at the holds and orders spoken of `since` so many answers: each must stand where it may stand.

        Returns:
            How many holds were there of those that nobody was told of. From here on all is certain but movements.
        """
        spoken = [*(said.words for said in self.said[since:]), *self.unanswered]
        names = list(dict.fromkeys(str(words[1]) for words in spoken if str(words[1]) in self.holds))
        happened = 0
        for name, found in zip(names, await wire.pipeline([("LOOKUP", name) for name in names]), strict=True):
            happened += self.holds[name].narrow(name, found)
        ids = list(dict.fromkeys(json.loads(str(words[1]))["order_id"] for words in spoken if words[0] == "RECORD"))
        for name, found in zip(ids, await wire.pipeline([("ORDER", "direct", name) for name in ids]), strict=True):
            order = self.orders[name]
            version = 0 if isinstance(found, hiredis.ReplyError) else int(as_map(found)["channel_status"])
            assert order.least <= version <= order.most, f"{name} stands at {version}, not {order.least}..{order.most}"
            order.least = order.most = version
        return happened

    def bounds(self, sku: str) -> tuple[Counter[str], Counter[str]]:
        """Return the least and the most that this client has done to the figures of one SKU.

        Equal but for movements without an answer; holds and orders are certain (`look`, or `retry`).
        """
        certain: Counter[str] = Counter()
        for hold in self.holds.values():
            (state,) = hold.states
            certain["reserved" if state == "held" else state] += hold.lines[sku]
        for order in self.orders.values():
            assert order.least == order.most
            if order.least:
                newest = order.versions[order.least - 1]
                certain["committed"] += newest.open[sku]
                certain["on_hand"] -= newest.shipped[sku]
        least, most = certain, certain.copy()
        unanswered = {key_of(words) for words in self.unanswered}
        for key, move in self.moves.items():
            for figure, changes in (("on_hand", move.on_hand), ("in_transit", move.in_transit)):
                change = changes.get(sku, 0)
                if move.happened or (key in unanswered and change < 0):
                    least[figure] += change
                if move.happened or (key in unanswered and change > 0):
                    most[figure] += change
        return least, most


def units_with_stock(lines: Iterable[tuple[str, int]]) -> Counter[str]:
    """Sum lines per SKU with stock; bundles count as what they are made of."""
    total: Counter[str] = Counter()
    for sku, units in lines:
        for leaf, each in KITS.get(sku, ((sku, 1),)):
            total[leaf] += units * each
    return total


def sum_lines(lines: Iterable[Mapping[str, object]]) -> Counter[str]:
    """Sum the lines of an answer per SKU."""
    total: Counter[str] = Counter()
    for line in lines:
        total[str(line["sku"])] += int(str(line["quantity"]))
    return total


def version_of(lines: Iterable[tuple[str, int]], status: str) -> Version:
    """Say what an order of these lines owes and has sent in a status."""
    units = units_with_stock(lines)
    nothing: Counter[str] = Counter()
    return Version(units if status == "accepted" else nothing, units if status == "shipped" else nothing)


def build_snapshot(name: str, version: int, lines: Mapping[str, int], status: str) -> str:
    """Build RECORD's argument; the channel's own word for the status is the version."""
    gone = {"shipped": "shipped", "cancelled": "cancelled"}.get(status)
    rows = [
        {"line_id": f"{version}-{sku}", "sku": sku, "ordered": units} | ({gone: units} if gone else {})
        for sku, units in lines.items()
    ]
    told = {"account": "direct", "order_id": name, "status": status, "channel_status": str(version)}
    placed, modified = START, START + timedelta(seconds=version)
    return json.dumps(told | {"placed_at": placed.isoformat(), "modified_at": modified.isoformat(), "lines": rows})


def key_of(words: Sequence[Word]) -> str:
    """Return what names a movement."""
    return str(words[2] if words[0] == "TRANSFER" else words[1])


def is_remembered(said: Said) -> bool:
    """Whether the same command is answered by what was decided then; what moved nothing is decided anew."""
    if said.words[0] in {"HOLD", "RECORD"}:
        return True
    return isinstance(said.answer, dict)


def is_same(said: Said, again: Reply) -> bool:
    """Whether a command that was answered before gets that answer again."""
    first = said.answer
    if isinstance(first, hiredis.ReplyError) or isinstance(again, hiredis.ReplyError):
        return isinstance(again, type(first)) and str(first) == str(again)
    if said.words[0] == "RECORD":
        return as_map(again)["outcome"] in {"repeat", "stale"}
    if said.words[:2] == ("TRANSFER", "SEND"):
        first = {name: value for name, value in as_map(first).items() if name not in _GOES_ON}
        again = {name: value for name, value in as_map(again).items() if name not in _GOES_ON}
    return bool(first == again)
