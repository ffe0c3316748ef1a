"""`python -m tests.mutants`: every seeded bug must be caught. Exit code 1: one survived, or says nothing."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.mutants.runner import BadMutant, Outcome, check_green, copy_tree, try_mutant
from tests.mutants.seeded import MUTANTS, Mutant


def main() -> int:
    """Try the mutants that were asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants", description="Seeded bugs that the suite must catch."
    )
    parser.add_argument("names", nargs="*", help="mutants to try (default: all)")
    parser.add_argument("--list", action="store_true", help="say what there is and what each would do to a seller")
    parser.add_argument("--suite", action="store_true", help="give what its own tests miss to the whole suite")
    options = parser.parse_args()
    wanted = _choose(options.names, parser)
    if options.list:
        for mutant in wanted:
            print(f"{mutant.name:<36} {mutant.harm}\n{'':<36} {mutant.path}")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        try:
            return _try_all(tree, wanted, whole_suite=options.suite)
        except BadMutant as bad:
            print(bad, file=sys.stderr)
            return 1


def _choose(names: Sequence[str], parser: argparse.ArgumentParser) -> list[Mutant]:
    unknown = set(names) - {mutant.name for mutant in MUTANTS}
    if unknown:
        parser.error(f"no such mutant: {', '.join(sorted(unknown))}")
    return [mutant for mutant in MUTANTS if not names or mutant.name in names]


def _try_all(tree: Path, wanted: Sequence[Mutant], *, whole_suite: bool) -> int:
    print(f"without a mutant: green in {check_green(tree, wanted):.0f} s", flush=True)
    survivors = 0
    for mutant in wanted:
        outcome = try_mutant(tree, mutant)
        if not outcome.caught_by and whole_suite:
            outcome = try_mutant(tree, mutant, whole_suite=True)
        survivors += not outcome.caught_by
        _show(outcome)
    print(f"{len(wanted) - survivors} of {len(wanted)} caught")
    return int(survivors > 0)


def _show(outcome: Outcome) -> None:
    print(f"{outcome.mutant.name:<36} {outcome.seconds:5.1f} s  {outcome.caught_by or 'SURVIVED'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
