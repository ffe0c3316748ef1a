"""Disks that are small, full, or not to be written: for tests that may mount, and skipped where they may not."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """Mount a file system of its own at a place that is made for it."""
    place.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place))
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def make_read_only(place: Path) -> None:
    """Let nobody write to a small disk any more; nobody has it open for writing."""
    _run("mount", "-o", "remount,ro", str(place))


def make_writable(place: Path) -> None:
    """Undo `make_read_only`."""
    _run("mount", "-o", "remount,rw", str(place))


@contextmanager
def immutable(*files: Path) -> Iterator[None]:
    """Let nobody write to files, whoever has them open: what a file system does that turned read-only after a fault."""
    _run("chattr", "+i", *map(str, files))
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *map(str, files)], check=True)


def fill_up(ballast: Path) -> None:
    """Leave no room on the disk."""
    with ballast.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass


def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} command")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"not allowed here: {' '.join(command)}: {done.stderr.strip()}")
