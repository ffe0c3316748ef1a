"""Clients that trade as fast as they can and remember every word: what they were told must be true after any crash."""

import random
import signal
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import hiredis
import trio

from tests.fakes.processes import Daemon
from tests.fakes.wire import Reply, Wire, Word, as_map, pack

PLENTY = {f"SKU-{number:02}": 100_000 for number in range(12)}
SCARCE = {"LAST-1": 3, "LAST-2": 40}
STOCK = PLENTY | SCARCE
"""On hand in Berlin at the start; the SKUs lie on all shards."""

_BATCH_COMMANDS_MAX = 24
_EXPECTED_ERRORS = ("OUTOFSTOCK ", "NOSUCHHOLD ", "RELEASED ", "COMMITTED ", "CONFLICT ", "NEGATIVE ")


class Said(NamedTuple):
    """One command and its answer; `answer` None: the daemon died first, nobody knows."""

    words: Sequence[Word]
    answer: Reply


class Hold:
    """What a client knows of one hold: the states it may be in."""

    def __init__(self, lines: Counter[str]) -> None:
        self.lines = lines
        self.states = {"none"}


class Move:
    """What a client knows of one adjustment or receipt."""

    def __init__(self, sku: str, delta: int) -> None:
        self.sku = sku
        self.delta = delta
        self.least, self.most = 0, 0
        """How often it may have happened."""


class Trader:
    """One client: its holds, its movements, and all that was said."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name = name
        self.holds: dict[str, Hold] = {}
        self.moves: dict[str, Move] = {}
        self.said: list[Said] = []
        self._rng = rng
        self._count = 0

    # -- trading

    async def trade(self, wire: Wire) -> None:
        """Send batches and note the answers until the daemon is gone."""
        while True:
            batch = self._draw_batch()
            noted = 0
            try:
                await wire.send_raw(b"".join(pack(*words) for words in batch))
                for words in batch:
                    answer = await wire.read()
                    if str(answer).startswith("SHUTTINGDOWN "):
                        raise trio.EndOfChannel  # noqa: TRY301  # it says so once and closes
                    self.note(Said(words, answer))
                    noted += 1
            except (trio.EndOfChannel, trio.BrokenResourceError):
                for words in batch[noted:]:
                    self.note(Said(words, None))
                return

    def _draw_batch(self) -> list[Sequence[Word]]:
        batch: list[Sequence[Word]] = []
        while len(batch) < self._rng.randint(1, _BATCH_COMMANDS_MAX):
            batch += self._draw()
        return batch

    def _draw(self) -> list[Sequence[Word]]:
        """Draw a hold with what may become of it, or a movement."""
        rng = self._rng
        self._count += 1
        name = f"{self.name}-{self._count}"
        if rng.random() < 0.2:
            return [self._draw_move(name)]
        lines = [(rng.choice(list(STOCK)), rng.randint(1, 3)) for _ in range(rng.choice((1, 1, 1, 2, 3, 5)))]
        hold: Sequence[Word] = (
            *("HOLD", name, rng.choice(("NEVER", 36_000))),
            *(word for line in lines for word in line),
        )
        self.holds[name] = Hold(Counter())
        for sku, units in lines:
            self.holds[name].lines[sku] += units
        ends: list[Sequence[Word]] = [
            ("COMMIT", name),
            ("COMMIT", name, "ORDER", f"order-{name}"),
            ("RELEASE", name),
            hold,
        ]
        return [hold, *rng.choices(ends, k=rng.choice((0, 1, 1, 2)))]

    def _draw_move(self, name: str) -> Sequence[Word]:
        sku = self._rng.choice(list(STOCK))
        place = self._rng.choice(("berlin", "hamburg"))
        if self._rng.random() < 0.5:
            units = self._rng.randint(1, 5)
            self.moves[name] = Move(sku, units)
            return ("RECEIVE", name, sku, place, units)
        delta = self._rng.choice((-2, -1, 1, 2))
        self.moves[name] = Move(sku, delta)
        return ("ADJUST", name, sku, place, delta, "other: storm")

    # -- remembering

    def note(self, said: Said) -> None:
        """Take one answer, or its absence, into account."""
        self.said.append(said)
        name, done = str(said.words[1]), isinstance(said.answer, dict)
        if isinstance(said.answer, hiredis.ReplyError):
            assert str(said.answer).startswith(_EXPECTED_ERRORS), said
        match said.words[0]:
            case "HOLD":
                self._note_hold(self.holds[name], said.answer)
            case "COMMIT" | "RELEASE" as verb:
                hold, end = self.holds[name], "committed" if verb == "COMMIT" else "released"
                if done:
                    hold.states = {end}
                elif said.answer is None and "held" in hold.states:
                    hold.states |= {end}
            case _:
                move = self.moves[name]
                move.most = max(move.most, int(done or said.answer is None))
                move.least = max(move.least, int(done))

    def _note_hold(self, hold: Hold, answer: Reply) -> None:
        if isinstance(answer, dict):
            granted: Counter[str] = Counter()
            for line in answer["lines"]:
                granted[line["sku"]] += line["quantity"]
            assert granted == hold.lines, (granted, hold.lines)
        if hold.states != {"none"}:
            return  # a repeat: the first one counts
        if answer is None:
            hold.states = {"none", "held", "refused"}
        else:
            hold.states = {"held"} if isinstance(answer, dict) else {"refused"}


class Tally(NamedTuple):
    """What an audit looked at."""

    answered: int
    unknown: int
    happened: int
    """Of the unknown holds, those that were there after all."""


async def storm(daemon: Daemon, traders: Sequence[Trader], answers: int, seconds: float) -> None:
    """Let all trade until they have so many answers and a moment longer, then kill the daemon under their hands."""
    async with trio.open_nursery() as nursery:
        await _start_trading(nursery, daemon, traders, answers)
        await trio.sleep(seconds)
        await daemon.kill()


async def stop_under_load(daemon: Daemon, traders: Sequence[Trader], answers: int) -> int:
    """Let all trade until they have so many answers, then ask it to stop; return the exit code."""
    async with trio.open_nursery() as nursery:
        await _start_trading(nursery, daemon, traders, answers)
        daemon.signal(signal.SIGTERM)
        return await daemon.wait_exit()


async def _start_trading(nursery: trio.Nursery, daemon: Daemon, traders: Sequence[Trader], answers: int) -> None:
    goal = sum(len(trader.said) for trader in traders) + answers
    for trader in traders:
        nursery.start_soon(_trade, trader, await daemon.connect())
    with trio.fail_after(60):
        while sum(len(trader.said) for trader in traders) < goal:  # noqa: ASYNC110  # a goal, not a moment
            await trio.sleep(0.001)


async def _trade(trader: Trader, wire: Wire) -> None:
    await trader.trade(wire)
    await wire.aclose()


async def audit(daemon: Daemon, traders: Sequence[Trader], since: Sequence[int], rng: random.Random) -> Tally:
    """Compare a restarted daemon with what its clients were told.

    Args:
        daemon: ready again.
        traders: everybody who ever traded with it.
        since: per trader, how much had been said before the last storm; of that, a sample is asked about again.
        rng: draws the sample.
    """
    wire = await daemon.connect()
    answered = unknown = happened = 0
    for trader, start in zip(traders, since, strict=True):
        asked = [*rng.sample(trader.said[:start], min(start, 50)), *trader.said[start:]]
        answered += await _repeat_what_was_answered(wire, asked)
        unknown += sum(said.answer is None for said in trader.said[start:])
        happened += await _settle_holds(wire, trader)
    stock = {sku: await wire.map("STOCK", sku) for sku in STOCK}
    for sku, figures in stock.items():
        moves = [move for trader in traders for move in trader.moves.values() if move.sku == sku]
        least = STOCK[sku] + sum(min(move.delta * move.least, move.delta * move.most) for move in moves)
        most = STOCK[sku] + sum(max(move.delta * move.least, move.delta * move.most) for move in moves)
        assert least <= figures["on_hand"] <= most, f"{sku}: {least} <= {figures['on_hand']} <= {most}"
        for state, figure in (("held", "reserved"), ("committed", "committed")):
            assert figures[figure] == _units(traders, sku, state), f"{sku}: {figure}"
    for trader in traders:
        await _settle_moves(wire, trader)
    for sku in STOCK:
        moves = [move for trader in traders for move in trader.moves.values() if move.sku == sku]
        expected = STOCK[sku] + sum(move.delta * move.least for move in moves)
        assert (await wire.map("STOCK", sku))["on_hand"] == expected, f"{sku}: counted twice or not at all"
    await wire.aclose()
    return Tally(answered, unknown, happened)


async def _repeat_what_was_answered(wire: Wire, asked: Iterable[Said]) -> int:
    """Say again what was answered; the answers are the same. NEGATIVE is not remembered, so it is not said."""
    known = [said for said in asked if said.answer is not None and not str(said.answer).startswith("NEGATIVE ")]
    last: dict[tuple[Word, Word], Said] = {}
    for said in known:
        last[said.words[0], said.words[1]] = said
    again = await wire.pipeline([said.words for said in last.values()])
    for said, answer in zip(last.values(), again, strict=True):
        if said.words[0] in {"COMMIT", "RELEASE"} and not isinstance(said.answer, dict):
            continue  # it was too early or too late then, and may be the other now
        assert _same(said.answer, answer), f"{said.words}: first {said.answer}, now {answer}"
    return len(last)


def _same(first: Reply, second: Reply) -> bool:
    if isinstance(first, hiredis.ReplyError):
        return isinstance(second, hiredis.ReplyError) and str(first) == str(second)
    return bool(first == second)


async def _settle_holds(wire: Wire, trader: Trader) -> int:
    """Look up every hold whose state is not certain; it must be in one that it may be in, with all lines or none."""
    names = [name for name, hold in trader.holds.items() if len(hold.states) > 1]
    happened = 0
    for name, found in zip(names, await wire.pipeline([("LOOKUP", name) for name in names]), strict=True):
        hold = trader.holds[name]
        state = "none" if isinstance(found, hiredis.ReplyError) else as_map(found)["state"]
        assert state in hold.states, f"{name} is {state}, may be {hold.states}"
        if state in {"held", "committed", "released"}:
            happened += 1
            lines: Counter[str] = Counter()
            for line in found["lines"]:
                lines[line["sku"]] += line["quantity"]
            assert lines == hold.lines, f"{name} is there in part: {lines} of {hold.lines}"
        hold.states = {state}
    return happened


async def _settle_moves(wire: Wire, trader: Trader) -> None:
    """Say again, under its key, every movement of which nobody knows whether it happened: now it has, and once."""
    words = {str(said.words[1]): said.words for said in trader.said if said.words[0] in {"ADJUST", "RECEIVE"}}
    names = [name for name, move in trader.moves.items() if move.least != move.most]
    for name, answer in zip(names, await wire.pipeline([words[name] for name in names]), strict=True):
        refused = isinstance(answer, hiredis.ReplyError)
        assert not refused or str(answer).startswith("NEGATIVE "), answer
        move = trader.moves[name]
        move.least = move.most = int(not refused)


def _units(traders: Iterable[Trader], sku: str, state: str) -> int:
    return sum(hold.lines[sku] for trader in traders for hold in trader.holds.values() if hold.states == {state})


def counts(tallies: Iterable[Tally]) -> dict[str, Any]:
    """Sum up for people."""
    rows = list(tallies)
    return {name: sum(getattr(row, name) for row in rows) for name in Tally._fields}
