"""Many movements at once: sent in batches, each row's refusal told by its line; running the file again is harmless."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from ops.cli.client import Client, Map, as_map
from ops.cli.csvtext import BadRow
from ops.cli.errors import EXIT_REFUSED, Refusal, Unreachable, Unusable
from ops.cli.invocation import Invocation
from ops.cli.movementfile import Said
from ops.cli.present import print_json

BATCH_COMMANDS: Final = 128
BATCH_BYTES: Final = 16 << 10
"""A batch ends here: its replies must fit into the sockets' buffers, since none is read before all is sent."""
_SHOWN_MAX: Final = 1000
"""Rows printed for people; --json prints all."""


class Answered(msgspec.Struct):
    """What the daemon said to one command: its answer, or the refusals of its rows by line."""

    said: Said
    answer: Map | None
    refused: list[tuple[int, str]]


def send_all(client: Client, commands: Sequence[Said]) -> list[Answered]:
    """Send all commands; return what became of each, in order.

    Raises:
        Unreachable: says how many rows were answered before the connection broke.
    """
    answered: list[Answered] = []
    for batch in build_batches(commands):
        try:
            answers = client.pipeline([said.words for said in batch])
        except Unreachable as gone:
            rows, done = _count(commands), _count([each.said for each in answered])
            raise Unreachable(
                f"{gone.message}\n{done} of {rows} rows were answered; run the same file again: no row counts twice"
            ) from gone
        answered += [_judge(said, answer) for said, answer in zip(batch, answers, strict=True)]
    return answered


def build_batches(commands: Sequence[Said]) -> Iterator[list[Said]]:
    """Yield commands in batches that a connection takes at once; a large command ends its batch."""
    batch: list[Said] = []
    size = 0
    for said in commands:
        batch.append(said)
        size += sum(map(len, said.words))
        if len(batch) == BATCH_COMMANDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def refuse_file(ctx: click.Context, invocation: Invocation, bad: Sequence[BadRow]) -> None:
    """Print the bad rows of a file and end: nothing was sent."""
    if invocation.as_json:
        print_json({"bad_rows": msgspec.to_builtins(bad)})
        ctx.exit(Unusable.exit_code)
    raise Unusable([*_first(map(str, bad), len(bad)), f"{_plural(len(bad), 'problem')}; nothing was sent"])


def report(ctx: click.Context, invocation: Invocation, file: Path, answered: Sequence[Answered]) -> None:
    """Say what was applied and what was not; exit code 1 when a row was refused."""
    rows = _count([each.said for each in answered])
    refused = [refusal for each in answered for refusal in each.refused]
    if invocation.as_json:
        listed = [{"line": line, "problem": problem} for line, problem in refused]
        answers = [{"line": each.said.lines[0], **each.answer} for each in answered if each.answer is not None]
        print_json({"rows": rows, "applied": rows - len(refused), "refused": listed, "answers": answers})
    else:
        for line in _first((f"{file}:{line}: {problem}" for line, problem in refused), len(refused)):
            click.echo(line, err=True)
        click.echo(f"{rows - len(refused)} of {_plural(rows, 'row')} applied")
        if refused:
            click.echo(
                f"{_plural(len(refused), 'row')} refused, the others stay applied: mend these and run the same file"
                " again; what was applied is known by its key and counts once",
                err=True,
            )
    if refused:
        ctx.exit(EXIT_REFUSED)


def _judge(said: Said, answer: Any) -> Answered:  # noqa: ANN401 - any RESP value
    if isinstance(answer, Refusal):
        return Answered(said, None, [(line, f"{answer.code} {answer.text}".strip()) for line in said.lines])
    shown = as_map(answer)
    refused: list[tuple[int, str]] = []
    if said.words[0] == "SNAPSHOT":  # each of its rows has a verdict of its own
        verdicts = zip(said.lines, shown.get("rows", []), strict=True)
        refused = [(line, str(row.get("problem"))) for line, row in verdicts if row.get("outcome") != "applied"]
    return Answered(said, shown, refused)


def _count(commands: Sequence[Said]) -> int:
    return sum(len(said.lines) for said in commands)


def _first(lines: Iterable[str], count: int) -> list[str]:
    shown = list(islice(lines, _SHOWN_MAX))
    return shown if count <= _SHOWN_MAX else [*shown, f"... and {count - _SHOWN_MAX} more; --json prints all"]


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
