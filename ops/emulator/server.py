"""The process around an emulated shop: listen, say where, stop when told."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta

import msgspec

from ops.emulator import control
from ops.emulator.clock import Clock
from ops.emulator.emulator import Emulator
from ops.emulator.httpd import Connection
from ops.emulator.messages import Reply, Request
from ops.emulator.oauth import Gate
from ops.emulator.wire import Site

HOST = "127.0.0.1"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. Port 0 picks a free one."""

    shop: str = "shop"
    port: int = 0
    seed: int = 0
    key: str = "ck_emulator"
    secret: str = "cs_emulator"  # noqa: S105  # for a shop that exists on loopback only
    behind_tls: bool = False
    utc_offset_hours: float = 7
    exit_with_stdin: bool = False


class Announcement(msgspec.Struct, kw_only=True):
    """The one line on stdout: where the shop is and how to get in."""

    shop: str
    url: str
    control_url: str
    consumer_key: str
    consumer_secret: str
    pid: int


async def run(settings: Settings, announce: Callable[[bytes], None]) -> None:
    """Serve one shop until SIGTERM, SIGINT or, if so set, the end of stdin."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if settings.exit_with_stdin:
        threading.Thread(target=_await_end_of_stdin, args=(loop, stopped), daemon=True).start()

    async def handle(request: Request) -> Reply:
        if request.path.startswith(control.PREFIX):
            return desk.serve(request)
        return await desk.emulator.serve(request)

    server = await loop.create_server(lambda: Connection(handle), HOST, settings.port, backlog=1024)
    url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    desk = control.Control(lambda: _fresh(settings, url))  # no checkpoint until here: nobody was served before
    desk.emulator.start()
    announce(
        msgspec.json.encode(
            Announcement(
                shop=settings.shop,
                url=url,
                control_url=url + control.PREFIX.rstrip("/"),
                consumer_key=settings.key,
                consumer_secret=settings.secret,
                pid=os.getpid(),
            )
        )
    )
    await stopped.wait()
    server.close()
    desk.emulator.stop()


def _fresh(settings: Settings, url: str) -> Emulator:
    home_url = url.replace("http://", "https://", 1) if settings.behind_tls else url
    site = Site(name=settings.shop, home_url=home_url, utc_offset=timedelta(hours=settings.utc_offset_hours))
    gate = Gate(key=settings.key, secret=settings.secret, home_url=home_url, behind_tls=settings.behind_tls)
    return Emulator(site, gate, Clock(), settings.seed)


def _await_end_of_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    # a thread and bare reads, because stdin may be a pipe, a terminal or a file, and no lock may outlive the process
    while os.read(0, 4096):
        pass
    loop.call_soon_threadsafe(stopped.set)
