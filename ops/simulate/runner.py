"""One run from its seed to its verdict."""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import structlog
import trio
from trio.testing import MockClock

from ops.node import Node
from ops.recovery import catch_up
from ops.replay.run import Asked, run
from ops.simulate.album import compare
from ops.simulate.audit import Audit, repeat_all
from ops.simulate.campaigns import run_campaigner
from ops.simulate.crowds import Post, run_crowd, run_weather
from ops.simulate.merging import run_merger
from ops.simulate.mishaps import run_crashes, run_freezes, run_snapshots, run_takeovers
from ops.simulate.opening import open_shop
from ops.simulate.operators import Operator, run_auditor, run_clock_setter
from ops.simulate.oracle.oracle import Problem
from ops.simulate.partner import Partner
from ops.simulate.plan import Plan, draw_plan
from ops.simulate.shoppers import run_latecomer, run_shopper
from ops.simulate.staff import Staff
from ops.simulate.standstill import Standstill
from ops.simulate.story import Line
from ops.simulate.world import World
from ops.snapshots.taking import restore_newest

_CALM_SECONDS_MAX: Final = 900.0
"""Longer than any wait of the daemon that a test of patience may meet: its listings are read anew every minute."""
_LOOK_SECONDS: Final = 5.0
_ROUNDS_MAX: Final = 20_000
"""Of trio's loop from one look at the clock to the next; a busy instant takes some dozens."""
_TAIL_LINES: Final = 40


class _Kind(msgspec.Struct):
    kind: str


_KINDS: Final = msgspec.msgpack.Decoder(list[_Kind])
"""All that is counted of a frame."""


class Outcome(NamedTuple):
    """What one run came to."""

    seed: int
    seconds: float
    """Virtual."""
    faults: tuple[str, ...]
    problems: tuple[str, ...]
    tail: tuple[str, ...]
    """The end of the story, as far as it concerns the first problem."""
    story: str
    """Digest of all lines."""
    journal: str
    """Digest of all frames."""
    frames: int
    counts: dict[str, int]
    """`fault ...`, `command ...`, `answer ...`, `event ...` and how often."""


def simulate(seed: int, *, seconds: float = 300.0, faults: str = "") -> tuple[Outcome, list[Line]]:
    """Run one seed; the same arguments give the same outcome, byte for byte, in any process.

    Raises:
        ValueError: `faults` names none.
    """
    plan = draw_plan(seed, seconds=seconds, faults=faults)
    clock = MockClock(autojump_threshold=0)
    watch = _Watch(clock)
    with _scheduled_by(seed), _silent():
        try:
            return trio.run(_run, plan, watch, clock, clock=clock, instruments=[watch])
        except Exception as error:
            error.add_note(f"in the run of seed {seed}: lastunit simulate --seed {seed} --seconds {seconds:g}")
            raise


class _Watch(trio.abc.Instrument):
    """Ends a run in which time stands still: somebody works, never waits, and would for ever."""

    def __init__(self, clock: MockClock) -> None:
        self.scope = trio.CancelScope()
        self.fired = False
        self._clock = clock
        self._since = 0.0
        self._rounds = 0

    def before_io_wait(self, _timeout: float) -> None:
        """Count rounds of the loop; look at the clock now and then: it must have moved."""
        self._rounds += 1
        if self._rounds < _ROUNDS_MAX:
            return
        now = self._clock.current_time()
        if now == self._since:
            self.fired = True
            self.scope.cancel()
        self._since, self._rounds = now, 0


@contextmanager
def _scheduled_by(seed: int) -> Iterator[None]:
    """Let trio choose by the seed who goes next, and not by addresses of objects; the switch is Hypothesis' own."""
    run = trio._core._run  # noqa: SLF001  # there is no public way
    before, state = run._ALLOW_DETERMINISTIC_SCHEDULING, run._r.getstate()  # noqa: SLF001
    run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001
    run._r.seed(seed)  # noqa: SLF001
    try:
        yield
    finally:
        run._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]  # noqa: SLF001
        run._r.setstate(state)  # noqa: SLF001


@contextmanager
def _silent() -> Iterator[None]:
    """Write no logs: the story tells what happened."""
    known, before = structlog.is_configured(), structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.reset_defaults()
        if known:
            structlog.configure(**before)


async def _run(plan: Plan, watch: _Watch, clock: MockClock) -> tuple[Outcome, list[Line]]:
    async with trio.open_nursery() as nature:
        world = World(plan, nature)
        if "standstill" in plan.faults:
            trio.lowlevel.add_instrument(Standstill(clock, world, world.rng("standstill")))
        problems = [Problem("the run does not end: somebody waits for ever", ())]
        with watch.scope:
            watch.scope.deadline = plan.seconds + 3 * _CALM_SECONDS_MAX
            problems = await _live(world)
        if watch.fired:
            problems = [Problem("time stands still: somebody works and never waits", ())]
        nature.cancel_scope.cancel()
    return _conclude(world, problems), world.story.lines


async def _live(world: World) -> list[Problem]:
    """Live through the run; return what is wrong at its end."""
    host, problems = world.host, list[Problem]()
    async with trio.open_nursery() as machine:
        machine.start_soon(host.run)
        machine.start_soon(_give_up, world, machine.cancel_scope)
        await open_shop(world)
        async with trio.open_nursery() as trouble:
            _start_trouble(world, trouble)
            async with trio.open_nursery() as people:
                _start_people(world, people)
                await trio.sleep(world.plan.seconds)
                _heal(world)
            trouble.cancel_scope.cancel()
        kept = await host.album.take_one(world.host.bystander, world.platter.opened())
        assert kept, "nothing goes wrong any more"
        problems = await _wait_calm(world)
        life = host.life
        host.end()
        await host.ended.wait()
        if not problems and life is not None and life.node is not None and not host.problems:
            problems = await _compare_with_successors(world, life.node, life.clock.now())
        machine.cancel_scope.cancel()
    return problems


async def _give_up(world: World, scope: trio.CancelScope) -> None:
    """End a run whose daemon has ended as it never should: nobody would be answered any more."""
    await world.host.given_up.wait()
    scope.cancel()


def _heal(world: World) -> None:
    """End all faults, and let people begin nothing new."""
    world.story.tell("world", "everything is healed")
    world.closing.set()
    world.faults.heal()
    world.platter.heal()
    for market in world.markets.values():
        market.heal()


def _start_people(world: World, people: trio.Nursery) -> None:
    for number in range(3):
        people.start_soon(run_shopper, world, number)
    for number in range(3):
        people.start_soon(run_latecomer, world, number)
    for number in range(2):
        people.start_soon(Staff(world, number).run)
    people.start_soon(Partner(world).run)
    people.start_soon(run_campaigner, world)
    people.start_soon(Operator(world).run)
    people.start_soon(run_merger, world)
    people.start_soon(run_auditor, world)
    for market in world.markets.values():
        Post(world, market)
        people.start_soon(run_crowd, world, market)


def _start_trouble(world: World, trouble: trio.Nursery) -> None:
    world.faults.begin()
    trouble.start_soon(run_crashes, world.host, 90.0)
    trouble.start_soon(run_takeovers, world.host, 150.0)
    trouble.start_soon(run_snapshots, world.host, 60.0)
    trouble.start_soon(run_freezes, world.host, 120.0)
    trouble.start_soon(run_clock_setter, world)
    for market in world.markets.values():
        trouble.start_soon(run_weather, world, market)


async def _wait_calm(world: World) -> list[Problem]:
    """Wait until all is as it must be; return what still is not when it had time enough."""
    till = world.till("oracle")
    deadline, wait = trio.current_time() + _CALM_SECONDS_MAX, _LOOK_SECONDS
    while True:
        await trio.sleep(wait)
        if world.oracle.problems or world.host.problems:
            return []
        audit = Audit(world, till)
        late = trio.current_time() >= deadline
        if await audit.is_calm() or late:
            problems = await audit.run()
            if not problems:
                return await repeat_all(world, till)
            if late:
                return problems
            wait *= 2  # a look at everything costs as much as minutes of the run


async def _compare_with_successors(world: World, node: Node, as_of: datetime) -> list[Problem]:
    """Replay the journal into new daemons, whole and from a snapshot: they must know what the old one knew."""
    journal = world.platter.opened()
    whole = world.host.bystander()
    await catch_up(whole, journal)
    partly = await restore_newest(world.host.bystander, journal, world.host.album)
    await catch_up(partly, journal)
    proved = await run(world.host.bystander, journal, world.host.album, Asked(verify=True))
    problems = [] if proved.different == 0 else [Problem(f"replay --verify: {proved.state} {proved.offers}"[:2000], ())]
    return problems + [
        Problem(f"{how} knows other {name} than the daemon that ran", ())
        for how, successor in (("the whole journal", whole), ("a snapshot and the tail", partly))
        for name in compare(node, successor, as_of)
    ]


def _conclude(world: World, problems: list[Problem]) -> Outcome:
    found = [*(Problem(text, ()) for text in world.host.problems), *world.oracle.problems, *problems]
    counts = Counter({f"fault {name}": count for name, count in world.faults.fired.items()}) + world.counts
    for frame in world.platter.frames:
        counts.update(f"event {event.kind}" for event in _KINDS.decode(frame.payload))
    tail = world.story.tail(set(found[0].subjects), _TAIL_LINES) if found else []
    return Outcome(
        seed=world.plan.seed,
        seconds=world.plan.seconds,
        faults=world.plan.faults,
        problems=tuple(problem.text for problem in found),
        tail=tuple(map(str, tail)),
        story=world.story.digest(),
        journal=world.platter.digest(),
        frames=len(world.platter.frames),
        counts=dict(sorted(counts.items())),
    )
