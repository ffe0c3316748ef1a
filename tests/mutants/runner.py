"""Applies seeded bugs to a copy of the tree, one at a time, and sees whether the tests go red."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.mutants.seeded import Mutant

ROOT: Final = Path(__file__).parents[2]
_LEFT_OUT: Final = (".git", ".venv*", "__pycache__", ".*_cache", ".hypothesis")
SECONDS_MAX: Final = 600.0
"""A run that takes longer hangs; the longest selection takes a tenth of it."""

_OPTIONS: Final = ("-p", "no:cacheprovider", "--no-header", "--show-capture=no", "--hypothesis-seed=1")
"""One seed for all: a mutant must not survive by luck, nor be caught by a find that has nothing to do with it."""
_FAILED: Final = re.compile(r"^FAILED (.+?)(?: - .*)?$", re.MULTILINE)


class BadMutant(Exception):
    """A mutant that says nothing: its anchor is not there once, or its tests do not run."""


class Outcome(NamedTuple):
    """What became of one mutant."""

    mutant: Mutant
    caught_by: str
    """The first test that failed; empty: none did."""
    seconds: float


def mutate(source: str, mutant: Mutant) -> str:
    """Return the source with the bug in it.

    Raises:
        BadMutant: the anchor is not found exactly once.
    """
    found = source.count(mutant.old)
    if found != 1:
        raise BadMutant(f"{mutant.name}: its anchor is {found} times in {mutant.path}, must be once: {mutant.old!r}")
    return source.replace(mutant.old, mutant.new)


def copy_tree(target: Path) -> None:
    """Copy the tree into a folder that is there and empty."""
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(*_LEFT_OUT), dirs_exist_ok=True)


def check_green(tree: Path, mutants: Iterable[Mutant]) -> float:
    """Run all selections without a bug: a test that is always red catches nothing. Return the seconds it took.

    Raises:
        BadMutant: something fails.
    """
    selection = dict.fromkeys(path for mutant in mutants for path in mutant.tests)
    started = time.monotonic()
    code, output = _run_tests(tree, tuple(selection))
    if code != 0:
        raise BadMutant(f"without any mutant the tests do not pass:\n{output[-4000:]}")
    return time.monotonic() - started


def try_mutant(tree: Path, mutant: Mutant, *, whole_suite: bool = False) -> Outcome:
    """Apply one mutant, run its tests (all there are: `whole_suite`), and put the file back.

    Raises:
        BadMutant: the anchor is not found exactly once, or the tests end in another way than passing or failing.
    """
    path = tree / mutant.path
    source = path.read_text(encoding="utf-8")
    path.write_text(mutate(source, mutant), encoding="utf-8")
    started = time.monotonic()
    try:
        code, output = _run_tests(tree, () if whole_suite else mutant.tests)
    finally:
        path.write_text(source, encoding="utf-8")
    failed = _FAILED.search(output)
    if code not in {0, 1} or (code == 1 and failed is None):
        raise BadMutant(f"{mutant.name}: pytest ended with {code} and named no test that failed:\n{output[-4000:]}")
    return Outcome(mutant, failed[1] if failed is not None else "", time.monotonic() - started)


def _run_tests(tree: Path, selection: Sequence[str]) -> tuple[int, str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "--show-capture=no",
        "--hypothesis-seed=1",
        *selection,
    ]
    # -B: a file is changed and put back within a second, which its compiled copy would not notice
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree), "KILLS": "3"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
        )
    except subprocess.TimeoutExpired as error:
        raise BadMutant(f"{' '.join(selection)} took longer than {SECONDS_MAX:.0f} s") from error
    return done.returncode, done.stdout + done.stderr
