"""`simulate`: the real daemon in a made-up world, on a virtual clock, judged by an oracle."""

import json
import sys
from importlib import import_module
from typing import Any

import click

from ops.cli.errors import EXIT_REFUSED


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="The first seed.")
@click.option(
    "--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="How many, one after the other."
)
@click.option(
    "--seconds", type=click.FloatRange(min=10), default=300.0, show_default=True, help="Virtual, of each run."
)
@click.option(
    "--faults", default="", metavar="NAMES", help="a,b: only these; -c: without that; all; none; drawn unless told."
)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--story", is_flag=True, help="Print all that happened, line by line; for one seed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs: a line per run, then the coverage.")
@click.pass_context
def simulate(
    ctx: click.Context, *, seed: int, seeds: int, seconds: float, faults: str, jobs: int, story: bool, as_json: bool
) -> None:
    """Try the daemon in a world where everything goes wrong; exit code 1 when anything is not as it must be."""
    if story and seeds > 1:
        raise click.UsageError("--story is for one seed")
    try:
        import_module("ops.simulate.faults").choose_faults((), faults)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--faults") from error
    if story:
        outcome, lines = import_module("ops.simulate.runner").simulate(seed, seconds=seconds, faults=faults)
        for line in lines:
            click.echo(line)
        outcomes = iter([outcome])
    else:
        report = import_module("ops.simulate.report")
        outcomes = report.run_seeds(range(seed, seed + seeds), seconds=seconds, faults=faults, jobs=jobs)
    ctx.exit(EXIT_REFUSED if _print(outcomes, faults, as_json=as_json) else 0)


def _print(outcomes: Any, faults: str, *, as_json: bool) -> int:  # noqa: ANN401  # of a module that is loaded late
    """Print every outcome as it comes, then the coverage; return how many failed."""
    report = import_module("ops.simulate.report")
    coverage, failed = report.Coverage(), 0
    for outcome in outcomes:
        coverage.add(outcome)
        failed += bool(outcome.problems)
        if as_json:
            click.echo(json.dumps(report.as_map(outcome)))
        elif outcome.problems:
            click.echo("\n".join(report.describe_failure(outcome, faults)))
        if not as_json and sys.stderr.isatty():
            click.echo(f"\r{coverage.runs} runs, {failed} failed", nl=False, err=True)
    if as_json:
        found = {"runs": coverage.runs, "failed": failed, "never_fired": coverage.never_fired(), **coverage.table()}
        click.echo(json.dumps(found))
    else:
        if sys.stderr.isatty():
            click.echo("", err=True)
        click.echo("\n".join(coverage.describe()))
        click.echo(f"{coverage.runs} runs, {failed} failed")
    return failed
