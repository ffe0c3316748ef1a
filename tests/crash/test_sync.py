"""What kill -9 alone cannot show: that an answer leaves after the disk has synced what it tells.

A killed process leaves its writes in the page cache, so they are there afterwards whether they were synced or not. Only
the power decides that. Here the system calls are listened to instead.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.fakes.processes import fill_shelves, start_daemon, write_config

pytestmark = [pytest.mark.process, pytest.mark.slow]

_CALLS: Final = "trace=pwrite64,fsync,fdatasync,sendto,sendmsg"
_HOLDS: Final = 30
_LOGGED: Final = re.compile(r"pwrite64\(\d+<[^>]*-wal>")
_SYNCED: Final = re.compile(r"f(data)?sync(\(\d+<[^>]*-wal>| resumed>)\)\s+= 0")
_GRANTED: Final = re.compile(r"send(to|msg)\(\d+<[^>]*>.*hold-\d+.*expires_at")


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace command")
@pytest.mark.parametrize("inline_commit_ms_max", [0, 1000], ids=["in a thread", "inline"])
async def test_no_answer_leaves_before_the_log_is_synced(tmp_path: Path, inline_commit_ms_max: float) -> None:
    write_config(tmp_path, store=f"inline_commit_ms_max = {inline_commit_ms_max}")
    heard = tmp_path / "calls"
    # -D: the daemon stays our child, to be signalled as ever
    strace = ["strace", "-D", "-f", "-qq", "-y", "-s", "200", "-o", str(heard), "-e", _CALLS]
    daemon = await start_daemon(tmp_path, runner=strace)
    await daemon.wait_ready()
    await fill_shelves(daemon, {"A-1": 1000})
    wire = await daemon.connect()
    for number in range(_HOLDS):
        await wire.map("HOLD", f"hold-{number}", "NEVER", "A-1", "1")
    await wire.aclose()
    await daemon.stop()
    answers = list(synced_before_answers(heard.read_text()))
    assert len(answers) == _HOLDS
    assert all(answers)


def synced_before_answers(calls: str) -> Iterator[bool]:
    """Say for each grant that was sent whether what was in the log by then had been synced; none may wait for it."""
    synced = False
    for line in calls.splitlines():
        if _LOGGED.search(line):
            synced = False
        elif _SYNCED.search(line):
            synced = True
        elif _GRANTED.search(line):
            yield synced
