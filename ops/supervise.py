"""The gateway as our child: started, restarted when it dies, stopped before we stop."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
import trio

log = structlog.get_logger(__name__)

_RESTART_SECONDS: Final = 0.5
_RESTART_SECONDS_MAX: Final = 30.0
_HEALTHY_SECONDS: Final = 60.0
"""One that ran this long before it died is restarted at once, as if it had never died."""
_STOP_SECONDS: Final = 10.0
_LISTEN_SECONDS: Final = 10.0
_PROBE_SECONDS: Final = 0.05
_UNUSABLE: Final = 2
"""Exit code of a gateway that cannot use its configuration: trying again would not help."""


def gateway_command(config_path: Path) -> Sequence[str]:
    """Return how to start the gateway with the same interpreter."""
    return (sys.executable, "-m", "ops.gateway", "--config", str(config_path))


async def run_gateway_process(
    command: Sequence[str],
    *,
    listen: str,
    environ: Mapping[str, str],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Keep a gateway running until cancelled, then let it finish its requests.

    Started when it listens, so that the first webhook of a new subscription finds somebody at home.
    Its standard input is a pipe that only we hold: should we be killed, it sees the end of it and stops.
    """
    listened = False
    wait_seconds = _RESTART_SECONDS
    while True:
        started = trio.current_time()
        process = await trio.lowlevel.open_process(list(command), stdin=subprocess.PIPE, env=environ)
        log.info("gateway.started", pid=process.pid)
        try:
            if not listened:
                await _wait_listening(process, listen)
                listened = True
                task_status.started()
            code = await process.wait()
        finally:
            await _stop(process)
        if code == _UNUSABLE:
            log.error("gateway.unusable", code=code)
            return
        if trio.current_time() - started > _HEALTHY_SECONDS:
            wait_seconds = _RESTART_SECONDS
        log.warning("gateway.died", code=code, restart_seconds=wait_seconds)
        await trio.sleep(wait_seconds)
        wait_seconds = min(2 * wait_seconds, _RESTART_SECONDS_MAX)


async def _wait_listening(process: trio.Process, listen: str) -> None:
    """Wait until somebody accepts connections there, or long enough: a broken gateway must not keep the daemon down."""
    host, _, port = listen.rpartition(":")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "::1"}.get(host, host).strip("[]")  # noqa: S104
    with trio.move_on_after(_LISTEN_SECONDS) as patience:
        while process.returncode is None:
            try:
                stream = await trio.open_tcp_stream(host, int(port))
            except OSError:
                await trio.sleep(_PROBE_SECONDS)
            else:
                await stream.aclose()
                return
    if patience.cancelled_caught:
        log.warning("gateway.slow", listen=listen, waited_seconds=_LISTEN_SECONDS)


async def _stop(process: trio.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with trio.move_on_after(_STOP_SECONDS, shield=True) as patience:
            await process.wait()
        if patience.cancelled_caught:
            log.error("gateway.killed", pid=process.pid, patience_seconds=_STOP_SECONDS)
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
    if process.stdin is not None:
        with trio.CancelScope(shield=True):
            await process.stdin.aclose()
