"""A node with its socket, in this process: real actors and server on a store and channels of the test's."""

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from config.schema import Location, Settings, Socket
from config.schema import Node as NodeSettings
from engine.domain.units import AccountId
from engine.ports import Channel, Clock, Notifier, Store
from ops.clock import SteadyClock
from ops.node import Node
from ops.recovery import replay
from ops.socket.server import CommandServer


class SilentTelemetry:
    """Hears everything, says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_args, **_more: None


def settings_for(path: Path | None, **changes: Any) -> Settings:
    """Two locations and nothing else, unless told."""
    base: dict[str, Any] = {
        "node": NodeSettings(shards=3),
        "socket": Socket(path=path),
        "locations": (Location(id="berlin"), Location(id="hamburg")),
    }
    return Settings(**(base | changes))


@asynccontextmanager
async def running_node(
    settings: Settings,
    store: Store,
    *,
    channels: Mapping[AccountId, tuple[str, Channel]] | None = None,
    clock: Clock | None = None,
    listener: Any = None,
    notifiers: Mapping[str, Notifier] | None = None,
    serve: bool = True,
) -> AsyncIterator[Node]:
    """Replay the store, run the actors and, with `serve`, the socket; stop in order at the end."""
    listener = listener or SilentTelemetry()
    node = Node(
        settings,
        store,
        clock=clock or SteadyClock(),
        rng=random.Random(1),
        channels=channels or {},
        listener=listener,
        version="test",
        metrics_text=lambda: "",
        notifiers=notifiers,
    )
    await replay(node, store)
    async with trio.open_nursery() as core:
        await core.start(node.run_journal)
        async with trio.open_nursery() as actors:
            await actors.start(node.run_actors)
            await actors.start(node.run_accounts)
            if serve:
                server = CommandServer(node, settings.socket, version="test", listener=listener)
                await actors.start(server.run)
            try:
                yield node
            finally:
                actors.cancel_scope.cancel()
        node.journal.close()
