"""What befalls the daemon's machine: crashes, takeovers, standstills of the daemon; and snapshots, taken beside it."""

from typing import Final

import trio

from ops.simulate.daemon import Host

_FROZEN_SECONDS: Final = (0.0, 6.0)
"""From before its successor has claimed the store until after that one is at work."""


async def run_crashes(host: Host, mean_seconds: float) -> None:
    """Kill the daemon at instants that have nothing to do with what it does."""
    while True:
        await trio.sleep(host.faults.pause_seconds("crash_any_time", mean_seconds))
        if host.life is not None and host.life.alive and host.faults.happens("crash_any_time"):
            host.faults.note("crash_any_time")
            host.life.crash("just so")


async def run_takeovers(host: Host, mean_seconds: float) -> None:
    """Give the daemon up for dead while it runs."""
    while True:
        await trio.sleep(host.faults.pause_seconds("takeover", mean_seconds))
        if host.life is not None and host.life.serving and host.faults.happens("takeover"):
            host.faults.note("takeover")
            host.life.cut_off()


async def run_snapshots(host: Host, mean_seconds: float) -> None:
    """Take a snapshot now and then, whatever the daemon does meanwhile."""
    while True:
        await trio.sleep(host.rng.expovariate(1 / mean_seconds))
        kept = await host.album.take_one(host.bystander, host.platter.opened())
        host.counts["snapshot kept" if kept else "snapshot cut short"] += 1
        host.story.tell("snapshots", "one is kept" if kept else "one is cut short")


async def run_freezes(host: Host, mean_seconds: float) -> None:
    """Let the daemon stand still until another one has taken over, and wake it up beside that one."""
    while True:
        await trio.sleep(host.faults.pause_seconds("frozen", mean_seconds))
        life = host.life
        if life is None or not life.serving or not host.faults.happens("frozen"):
            continue
        host.faults.note("frozen")
        life.freeze()
        try:
            await trio.sleep(host.rng.uniform(*_FROZEN_SECONDS))
        finally:
            life.thaw()
