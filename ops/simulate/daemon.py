"""The daemon as the world sees it: one life after the other on the same disk, and the way to ask it something."""

import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import trio

from config.schema import Settings
from engine.domain.errors import JournalError
from engine.domain.units import AccountId
from engine.ports import Channel
from ops.bystander import Unheard, build_bystander
from ops.clock import SteadyClock
from ops.node import Node
from ops.recovery import catch_up, last_instant, recall, replay
from ops.simulate.album import Album, compare
from ops.simulate.answers import LOST, Answer, Words, parse_answer
from ops.simulate.clocks import WorldClock, seconds_of
from ops.simulate.disk import Disk, Platter
from ops.simulate.faults import Faults
from ops.simulate.story import Story
from ops.snapshots.taking import restore_newest
from ops.socket.dispatch import Dispatcher
from ops.socket.plain import PlainHolds
from ops.socket.session import Replies, Session

_FOLLOW_SECONDS: Final = 5.0
"""As the daemon does."""
_PROTOCOL: Final = 3


class Deaf(Unheard):
    """Telemetry that hears nothing but the end of a commit."""

    def __init__(self, committed: Callable[[], None]) -> None:
        """Call `committed` when a frame is durable and nobody was told yet."""
        self._committed = committed

    def frame_committed(self, _events: int, _payload_bytes: int, _seconds: float) -> None:
        """`engine.actors.journal.JournalListener`."""
        self._committed()


class Connection:
    """A client's state at one daemon."""

    def __init__(self, life: "Life", number: int) -> None:
        """Connect; rows that are staged for an import belong to it."""
        self.life = life
        self.session = Session(number, "simulated", authenticated=True)
        self.session.protocol = _PROTOCOL
        self.session.user = "simulated"


class Life:
    """One daemon process: from the claim of its store to its death."""

    def __init__(self, host: "Host", number: int) -> None:
        """Be about to start."""
        self.number = number
        self.alive = True
        self.serving = False
        self.gone = trio.Event()
        """Set when another one is to be started: it is dead, or given up for dead."""
        self.clock: SteadyClock = host.clock.steady()
        self.node: Node | None = None
        self._host = host
        self._awake = trio.Event()
        self._awake.set()
        self._scope = trio.CancelScope()
        self._pending: dict[trio.Event, None] = {}
        """Who waits for an answer."""
        self._answered = trio.Event()
        """Set when one of them has it; the next one is waited for anew."""
        self._nursery: trio.Nursery | None = None
        self._dispatcher: Dispatcher | None = None
        self._plain: PlainHolds | None = None

    def crash(self, why: str) -> None:
        """Die between two steps: whoever waits for an answer gets none."""
        if not self.alive:
            return
        self._host.story.tell("daemon", f"life {self.number} dies {why}")
        self._die()

    def cut_off(self) -> None:
        """Lose all clients and go on, as a daemon does whose machine was given up for dead."""
        self._host.story.tell("daemon", f"life {self.number} is cut off from its clients")
        self._hang_up()
        self.gone.set()

    @property
    def frozen(self) -> bool:
        """Whether it stands still: nothing reaches its disk or a marketplace, and nothing comes back."""
        return not self._awake.is_set()

    def freeze(self) -> None:
        """Stand still, and be given up for dead."""
        self._host.story.tell("daemon", f"life {self.number} is frozen")
        self._awake = trio.Event()
        self.gone.set()

    def thaw(self) -> None:
        """Go on where it was, as if nothing had happened."""
        if self.alive:
            self._host.story.tell("daemon", f"life {self.number} goes on")
        self._awake.set()

    async def go_on(self) -> None:
        """Return when it may go on: never, once it is dead; when it wakes, while it is frozen."""
        if not self._awake.is_set():
            await self._awake.wait()
        if not self.alive:
            await trio.sleep_forever()

    def _die(self) -> None:
        self.alive = False
        self._scope.cancel()
        self._hang_up()
        self.gone.set()

    def _hang_up(self) -> None:
        self.serving = False
        pending, self._pending = self._pending, {}
        for waiting in pending:
            waiting.set()

    async def run(self) -> None:
        """Replay, serve, die. Returns when nothing of it runs any more."""
        host = self._host
        store = Disk(host.platter, self)
        with self._scope:
            try:
                await self._serve(store)
            except* JournalError as failed:
                host.story.tell("daemon", f"life {self.number} ends: {_first(failed)}")
            except* Exception as failed:  # noqa: BLE001  # a bug of the daemon is what we look for
                host.broken(f"the daemon raised {_first(failed)!r}\n{''.join(traceback.format_exception(failed))}")
        self._die()

    async def _serve(self, store: Disk) -> None:
        host = self._host
        await store.claim(f"life {self.number}")
        node = await self._recover(store)
        self.node = node
        async with trio.open_nursery() as core:
            await core.start(node.run_journal)
            async with trio.open_nursery() as actors:
                await actors.start(node.run_actors)
                self._open(node, actors)
                async with trio.open_nursery() as outside:
                    outside.start_soon(self._follow_clock)
                    await outside.start(node.run_accounts)
                    host.story.tell("daemon", f"life {self.number} is ready at frame {node.journal.position}")
                    await node.shutdown_wanted.wait()
                    self.serving = False
                    outside.cancel_scope.cancel()
                while self._pending:
                    await self._answered.wait()
                actors.cancel_scope.cancel()
            node.journal.close()
        host.story.tell("daemon", f"life {self.number} stopped at frame {node.journal.position}")

    async def _recover(self, store: Disk) -> Node:
        """Bring a node to where the predecessor was, from a snapshot or from the whole journal; both are the same."""
        host = self._host
        use = host.faults.draw(0.7)
        node = await restore_newest(lambda: self._make(store), store, host.album) if use else self._make(store)
        restored = node.journal.position
        await replay(node, store)
        await recall(node, store)
        as_of = await last_instant(node, store)
        self.clock.never_before(as_of)
        if restored:
            host.story.tell("daemon", f"life {self.number} starts from the snapshot at frame {restored}")
            host.counts["snapshot used"] += 1
            if host.faults.draw(0.2):
                await self._compare(node, as_of)
        return node

    async def _compare(self, node: Node, as_of: datetime) -> None:
        """Replay the whole journal, too: whoever starts from a snapshot knows the same."""
        whole = build_bystander(self._host.settings, self.clock)
        await catch_up(whole, self._host.platter.opened(), until=node.journal.position)
        for name in compare(node, whole, as_of):
            self._host.broken(f"snapshot and tail know other {name} than the whole journal, at {node.journal.position}")

    def _make(self, store: Disk) -> Node:
        host = self._host
        return Node(
            host.settings,
            store,
            clock=self.clock,
            rng=random.Random(f"{host.seed}/jitter/{self.number}"),  # noqa: S311  # jitter, and the same every time
            channels=host.channels(self),
            listener=Deaf(self._committed),
            version="simulated",
            metrics_text=lambda: "",
        )

    def _open(self, node: Node, nursery: trio.Nursery) -> None:
        self._dispatcher = Dispatcher(
            node,
            version="simulated",
            password=None,
            listener=Unheard(),
        )
        self._plain = PlainHolds(node)
        self._nursery = nursery
        self.serving = True

    async def _follow_clock(self) -> None:
        while True:
            await trio.sleep(_FOLLOW_SECONDS)
            self.clock.follow()

    def _committed(self) -> None:
        if self._host.faults.strikes("crash_before_answer", 0.0012):
            self.crash("when a frame was durable, before it told anybody")

    # -- asked

    async def ask(self, connection: Connection, words: Words) -> Answer:
        """Bring one command as the socket does, and wait for its reply."""
        assert self.node is not None, "it is serving"
        replies, done = Replies(), trio.Event()
        self._pending[done] = None
        answer: list[bytes] = []

        def complete() -> None:
            if done in self._pending:  # nobody hears a daemon that died meanwhile
                answer.append(replies.joined())
                del self._pending[done]
                done.set()
                self._answered.set()
                self._answered = trio.Event()

        turn, session = self.node.router.turn, connection.session
        session.now = self.clock.now()
        turn.begin(session.now)
        waiting = self._begin(session, [word.encode() for word in words], replies)
        turn.end()
        if waiting is None:
            replies.then(complete)
        else:
            assert self._nursery is not None, "it is serving"
            self._nursery.start_soon(_walk, waiting, replies, complete)
        await done.wait()
        return parse_answer(answer[0]) if answer else LOST

    def _begin(self, session: Session, command: list[bytes], replies: Replies) -> Awaitable[None] | None:
        assert self.node is not None, "it is serving"
        assert self._plain is not None, "it is serving"
        assert self._dispatcher is not None, "it is serving"
        granted, reply = self._plain.grant((command,), _PROTOCOL)
        if granted:
            replies.add_granted(reply, self.node.router.turn)
            return None
        return self._dispatcher.begin(session, command, replies.expect(_PROTOCOL))


async def _walk(waiting: Awaitable[None], replies: Replies, complete: Callable[[], None]) -> None:
    await waiting
    replies.then(complete)


def _first(failed: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = failed
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Host:
    """The machine: starts the daemon again whenever it died, and takes commands to the one that lives."""

    def __init__(
        self,
        seed: int,
        settings: Settings,
        *,
        clock: WorldClock,
        platter: Platter,
        faults: Faults,
        story: Story,
        counts: Counter[str],
        channels: Callable[[Life], dict[AccountId, tuple[str, Channel]]],
    ) -> None:
        """Start with no daemon. `channels` opens every account for a daemon that starts."""
        self.counts = counts
        self.album = Album(random.Random(f"{seed}/album"), faults)  # noqa: S311
        self.seed = seed
        self.settings = settings
        self.clock = clock
        self.platter = platter
        self.faults = faults
        self.story = story
        self.channels = channels
        self.life: Life | None = None
        self.lives = 0
        self._all: list[Life] = []
        self.problems: list[str] = []
        """Of the daemon: what it raised."""
        self.given_up = trio.Event()
        """Set when there is one: no daemon is started any more."""
        self.ended = trio.Event()
        """Set when no daemon runs any more, after `end`."""
        self.rng = random.Random(f"{seed}/host")  # noqa: S311
        self._connections = 0
        self._ended = False

    def broken(self, problem: str) -> None:
        """Note that the daemon ended as it never should."""
        self.problems.append(problem)
        self.story.tell("daemon", problem.splitlines()[0])
        self.given_up.set()

    async def run(self) -> None:
        """Keep a daemon running until `end`."""
        async with trio.open_nursery() as nursery:
            while not self.problems:
                self.lives += 1
                life = self.life = Life(self, self.lives)
                self._all.append(life)
                nursery.start_soon(life.run)
                await life.gone.wait()
                if self._ended:
                    break
                if not life.alive:
                    await trio.sleep(self.rng.choice((0.2, 1.0, 5.0, 15.0)))
            for life in self._all:
                if life is not self.life:
                    life.crash("for good")
        self.ended.set()

    def bystander(self) -> Node:
        """Return a daemon that replays and never runs."""
        return build_bystander(self.settings, self.clock.steady())

    def stop(self) -> None:
        """Ask the daemon to stop in order; it is started again."""
        if self.life is not None and self.life.node is not None and self.life.serving:
            self.life.node.request_shutdown("SIGTERM")

    def end(self) -> None:
        """Stop it in order, for good."""
        self._ended = True
        self.stop()

    @property
    def now_seconds(self) -> float:
        """The daemon's time, for those who compute with it; 0: there is no daemon."""
        return 0.0 if self.life is None else seconds_of(self.life.clock.now())

    def connect(self) -> Connection | None:
        """Connect to the daemon; None: there is none."""
        if self.life is None or not self.life.serving:
            return None
        self._connections += 1
        return Connection(self.life, self._connections)

    async def ask(self, connection: Connection | None, words: Words) -> Answer:
        """Ask on a connection; lost when its daemon is gone."""
        if connection is None or not connection.life.serving:
            await trio.lowlevel.checkpoint()
            return LOST
        answer = await connection.life.ask(connection, words)
        if self.faults.strikes("answer_lost", 0.01):
            return LOST
        return answer
