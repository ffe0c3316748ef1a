"""Starts that must not succeed, with real processes: one reason each, exit code 1, and nothing is harmed."""

import os
import socket as sockets
import sqlite3
from pathlib import Path

import pytest

from tests.fakes.processes import fill_shelves, run_daemon, running_daemon, write_config

pytestmark = [pytest.mark.process, pytest.mark.slow]


def journal(folder: Path) -> Path:
    return folder / "data" / "journal.sqlite3"


# -- starting


async def test_a_second_daemon_on_one_store_is_refused_by_the_pid_of_the_first(tmp_path: Path) -> None:
    """Lesson H4: exactly one owner. The first goes on, its socket too."""
    write_config(tmp_path)
    async with running_daemon(tmp_path) as first:
        code, second = await run_daemon(tmp_path)
        assert code == 1
        assert second.failure() == (
            f"{journal(tmp_path)} belongs to a running daemon (process {first.process.pid}); one store, one daemon"
        )
        wire = await first.connect()
        assert await wire.call("PING") == "PONG"
        await wire.aclose()


async def test_a_socket_left_behind_is_taken_over(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"A-1": 5})
        await daemon.kill()
        assert daemon.socket_path.is_socket()
    async with running_daemon(tmp_path) as daemon:
        assert await daemon.figures("A-1") == (5, 0, 0)
        await daemon.stop()
        assert not daemon.socket_path.exists()


async def test_what_is_no_socket_is_left_alone_where_the_socket_should_be(tmp_path: Path) -> None:
    write_config(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "s").write_text("somebody's work\n")
    code, daemon = await run_daemon(tmp_path)
    assert (code, daemon.failure()) == (1, f"{data / 's'} is there and is not a socket")
    assert (data / "s").read_text() == "somebody's work\n"
    (data / "s").unlink()
    (data / "s").mkdir()
    code, daemon = await run_daemon(tmp_path)
    assert (code, daemon.failure()) == (1, f"{data / 's'} is there and is not a socket")


async def test_an_address_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOCKET_PASSWORD", "open sesame")
    with sockets.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        write_config(tmp_path, socket=f'tcp = "{address}"\npassword = "env:SOCKET_PASSWORD"')
        code, daemon = await run_daemon(tmp_path)
    assert code == 1
    assert f"TCP socket {address}: " in daemon.failure()
    assert not daemon.socket_path.exists()


async def test_a_damaged_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {f"S-{number:04}": 1 for number in range(300)})
        await daemon.stop()
    good = journal(tmp_path).read_bytes()
    for bad in (
        b"\0" * 100 + good[100:],
        good.replace(b"S-0123", b"S-0124", 1),
        b"to do: order cable ties\n" * 100,
    ):
        journal(tmp_path).write_bytes(bad)
        code, daemon = await run_daemon(tmp_path)
        assert code == 1
        assert daemon.failure().startswith(f"{journal(tmp_path)}: ")
        assert journal(tmp_path).read_bytes() == bad
    journal(tmp_path).write_bytes(good)
    async with running_daemon(tmp_path) as daemon:
        assert await daemon.figures("S-0299") == (1, 0, 0)


async def test_a_database_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "data").mkdir()
    with sqlite3.connect(journal(tmp_path)) as theirs:
        theirs.execute("CREATE TABLE addresses (name TEXT)")
    theirs.close()
    before = journal(tmp_path).read_bytes()
    code, daemon = await run_daemon(tmp_path)
    assert code == 1
    assert daemon.failure() == f"{journal(tmp_path)} is a database of another program (application id 0)"
    assert journal(tmp_path).read_bytes() == before


async def test_a_locked_database_is_refused_at_the_start(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        await daemon.stop()
    other = sqlite3.connect(journal(tmp_path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    code, daemon = await run_daemon(tmp_path)
    other.close()
    assert (code, daemon.failure()) == (1, f"{journal(tmp_path)}: database is locked")


async def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "data").write_text("")
    code, daemon = await run_daemon(tmp_path)
    assert code == 1
    assert str(tmp_path / "data") in daemon.failure()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
async def test_a_data_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    write_config(tmp_path)
    (tmp_path / "data").mkdir(mode=0o500)
    code, daemon = await run_daemon(tmp_path)
    assert (code, daemon.failure()) == (1, f"{journal(tmp_path)}.lock: Permission denied")
