"""Many clients at a daemon that dies under their hands, and the audit of whoever comes after it."""

import os
import random
import statistics
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import trio

from tests.fakes.grounds import Ground
from tests.fakes.processes import Daemon, fill_shelves, running_daemon
from tests.fakes.shopper import SHELF, Shopper
from tests.fakes.trader import KITS, STOCK, Said, Trader, is_remembered, is_same, key_of
from tests.fakes.wire import Wire, Word

Ending = Callable[[Daemon], Awaitable[None]]
"""What happens to a daemon under load; when it returns the load ends. It may have ended the daemon or not."""

KILLS: Final = int(os.environ.get("KILLS", "3"))
"""With `kill -9`, per store."""
ROUNDS: Final = max(1, KILLS // 20)
"""Of every other kind of storm."""
CLIENTS: Final = 6
"""At once: new ones join in every round, and old ones come back."""
_ANSWERS_SECONDS_MAX: Final = 60.0
_SAMPLE: Final = 10
"""Of what was answered before the last round, so much per client is said again."""


class Tally(NamedTuple):
    """What one round looked at."""

    answered: int
    """Commands with an answer that were said again, and had it still."""
    unknown: int
    """Commands without an answer..."""
    happened: int
    """...and those of them, holds only, that had happened after all."""
    webhooks: int = 0
    """Orders that a shop delivered and was told that they are stored."""


class Report:
    """What the rounds of a storm came to."""

    def __init__(self) -> None:
        self.tallies: list[Tally] = []
        self.recoveries_seconds: list[float] = []
        """From the start of a process to its being ready."""

    def add(self, tally: Tally, recovery_seconds: float | None = None) -> None:
        """Note an audited round; None: nobody had to start again."""
        self.tallies.append(tally)
        if recovery_seconds is not None:
            self.recoveries_seconds.append(recovery_seconds)

    def total(self, name: str) -> int:
        """Sum one figure over all rounds."""
        return sum(getattr(tally, name) for tally in self.tallies)

    def __str__(self) -> str:
        figures = [f"{len(self.tallies)} rounds", *(f"{self.total(name)} {name}" for name in Tally._fields)]
        seconds = self.recoveries_seconds
        if seconds:
            p50, most = statistics.median(seconds), max(seconds)
            figures.append(f"{len(seconds)} recoveries: p50 {p50:.2f} s, max {most:.2f} s")
        return ", ".join(figures)


_reports: defaultdict[tuple[str, str], Report] = defaultdict(Report)


def report_of(what: str, store: str) -> Report:
    """Return the report of one kind of storm on one kind of store, over all of its runs."""
    return _reports[what, store]


def list_reports() -> list[str]:
    """Return a line per kind of storm and store."""
    return [f"{what}, on {store}: {report}" for (what, store), report in sorted(_reports.items())]


class Storm:
    """The clients of one journal, from its first daemon to its last."""

    def __init__(self, rng: random.Random, *, shopper: Shopper | None = None) -> None:
        """Begin with no clients; `shopper` delivers orders beside them."""
        self.traders: list[Trader] = []
        self._shopper = shopper
        self._rng = rng
        self._trading = trio.CancelScope()
        self._rounds = 0
        self._before: list[int] = []
        """Per trader, how much had been said before the last round."""

    async def outlive(self, ground: Ground, ending: Ending, report: Report, rounds: int) -> None:
        """Let one daemon after the other come to an end under load, and audit whoever is there afterwards."""
        for number in range(rounds + 1):
            # small frames: an end may fall between any two commands
            ground.configure(limits=f"commit_entries_max = {self._rng.choice((3, 20_000))}")
            started = trio.current_time()
            async with running_daemon(ground.folder, "--no-gateway") as daemon:
                recovery_seconds = trio.current_time() - started
                if number == 0:
                    await self.open(daemon)
                elif number == rounds:
                    report.add(await self.audit(daemon, deep=True), recovery_seconds)
                    await daemon.stop()
                    return
                else:
                    report.add(await self.audit(daemon), recovery_seconds)
                await self.rage(daemon, self._rng.randint(50, 1500), ending)
                if daemon.process.returncode is None:
                    report.add(await self.audit(daemon, successor=False))

    async def open(self, daemon: Daemon) -> None:
        """Fill the shelves of an empty journal."""
        await fill_shelves(daemon, STOCK | SHELF | dict.fromkeys(KITS, 0))
        wire = await daemon.connect()
        for kit, lines in KITS.items():
            await wire.map("RECIPE", "SET", kit, "LINES", *(word for line in lines for word in line))
        await wire.aclose()

    async def rage(self, daemon: Daemon, answers: int, ending: Ending) -> None:
        """Let all trade until they have so many answers and then through an ending."""
        self._rounds += 1
        self.traders += [
            Trader(f"{self._rounds}-{number}", random.Random(self._rng.random())) for number in range(CLIENTS)
        ]
        self._before = [len(trader.said) for trader in self.traders]
        active = self._rng.sample(self.traders, CLIENTS)
        goal = sum(len(trader.said) for trader in active) + answers
        async with trio.open_nursery() as nursery:
            self._trading = nursery.cancel_scope
            for trader in active:
                nursery.start_soon(trader.trade, await daemon.connect())
            if self._shopper is not None:
                nursery.start_soon(self._shopper.sell)
            with trio.fail_after(_ANSWERS_SECONDS_MAX):
                while sum(len(trader.said) for trader in active) < goal:  # noqa: ASYNC110  # a goal, not a moment
                    await trio.sleep(0.001)
            with trio.CancelScope(shield=True):  # it may hang up on the clients, and has more to do then
                await ending(daemon)
            self.hang_up()

    def hang_up(self) -> None:
        """Let every client close its connection at once, whatever it waits for."""
        self._trading.cancel()

    async def audit(self, daemon: Daemon, *, successor: bool = True, deep: bool = False) -> Tally:
        """Compare a daemon with what its clients were told, and bring to an end what they were not told of.

        Args:
            daemon: ready.
            successor: whether nothing is under way in it. Then figures are looked at before anything is said again:
                what was lost and is said again would be there again.
            deep: look at every hold and order there ever was, and let the journal be added up by plain sums, too.
        """
        if self._shopper is not None:
            await self._shopper.wait_ready()
        wire = await daemon.connect()
        happened = 0
        if successor:
            for trader, before in zip(self.traders, self._before, strict=True):
                happened += await trader.look(wire, 0 if deep else before)
            await self._compare_figures(wire, STOCK)
        answered = unknown = 0
        for trader, before in zip(self.traders, self._before, strict=True):
            sample = self._rng.sample(trader.said[:before], min(before, _SAMPLE))
            answered += await _repeat_what_was_answered(wire, [*sample, *trader.said[before:]])
            unknown += await trader.retry(wire)
            if not successor:  # what was under way is over by now: each was waited for under its own id
                happened += await trader.look(wire, before)
        self._before = [len(trader.said) for trader in self.traders]
        webhooks = 0
        if self._shopper is not None:
            await self._shopper.retry()
            await self._shopper.wait_handled(wire)
            webhooks, self._shopper.taken = self._shopper.taken, 0
        await self._compare_figures(wire, STOCK | SHELF)
        scanned = await wire.map("SCAN", *(["DEEP"] if deep else []))
        assert scanned["found"] == 0, scanned
        await wire.aclose()
        return Tally(answered, unknown, happened, webhooks)

    async def _compare_figures(self, wire: Wire, stock: Mapping[str, int]) -> None:
        """Nothing is lost and nothing is there twice: every figure is the sum of what the clients know."""
        for sku, opening in stock.items():
            least, most = Counter({"on_hand": opening}), Counter({"on_hand": opening})
            for trader in self.traders:
                for total, bound in zip((least, most), trader.bounds(sku), strict=True):
                    total.update(bound)
            if self._shopper is not None and sku in SHELF:
                for total in (least, most):
                    total.update(self._shopper.count(sku))
            found = await wire.map("STOCK", sku)
            for figure in ("on_hand", "committed", "reserved", "in_transit"):
                fits = least[figure] <= found[figure] <= most[figure]
                assert fits, f"{sku} {figure}: {found[figure]}, not {least[figure]}..{most[figure]}"


async def _repeat_what_was_answered(wire: Wire, asked: Iterable[Said]) -> int:
    """Say again what was answered; the answers are the same."""
    last: dict[tuple[Word, ...], Said] = {}
    for said in asked:
        if is_remembered(said):
            last[_subject(said.words)] = said
    again = await wire.pipeline([said.words for said in last.values()])
    for said, answer in zip(last.values(), again, strict=True):
        assert is_same(said, answer), f"{said.words}: first {said.answer}, now {answer}"
    return len(last)


def _subject(words: Sequence[Word]) -> tuple[Word, ...]:
    """What a command is about: of several about one thing the last answer counts."""
    match words[0]:
        case "TRANSFER":
            return (*words[:2], key_of(words))
        case "RECORD":
            return tuple(words)
        case verb:
            return (verb, words[1])
