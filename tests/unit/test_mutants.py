"""The seeded bugs of `make mutants` are still there to be seeded, and one of them for real."""

from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.runner import ROOT, BadMutant, copy_tree, mutate, try_mutant
from tests.mutants.seeded import MUTANTS, Mutant

BY_NAME = {mutant.name: mutant for mutant in MUTANTS}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_finds_its_place_and_is_a_program(mutant: Mutant) -> None:
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    mutated = mutate(source, mutant)
    assert mutated != source
    compile(mutated, mutant.path, "exec")
    for test in mutant.tests:
        path, _, name = test.partition("::")
        assert f"def {name or 'test_'}" in (ROOT / path).read_text(encoding="utf-8"), test


def test_every_mutant_has_a_name_of_its_own() -> None:
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []


def test_a_place_that_is_not_there_once_is_said() -> None:
    mutant = Mutant("m", "", "a.py", "x = 1\n", "x = 2\n", ())
    for source, times in (("y = 1\n", 0), ("x = 1\nx = 1\n", 2)):
        with pytest.raises(BadMutant, match=rf"m: its anchor is {times} times in a.py, must be once: 'x = 1\\n'"):
            mutate(source, mutant)


@pytest.mark.slow
@pytest.mark.process
def test_the_last_unit_sold_twice_is_caught(tmp_path: Path) -> None:
    """One of them for real; the others with `make mutants`. The file is put back."""
    mutant = BY_NAME["grant-off-by-one"]
    copy_tree(tmp_path)
    before = (tmp_path / mutant.path).read_bytes()
    outcome = try_mutant(tmp_path, mutant)
    assert outcome.caught_by.startswith(mutant.tests[0] + "::")
    assert (tmp_path / mutant.path).read_bytes() == before
