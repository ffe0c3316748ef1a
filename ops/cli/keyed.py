"""What commands that enter movements share: a key that makes a repeat harmless, who enters them, and their answer."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

import click

from ops.cli.client import Map, as_map
from ops.cli.errors import Unreachable
from ops.cli.invocation import Invocation
from ops.cli.present import Column, print_facts, print_json, print_table, terminal
from ops.cli.session import connected

_NESTED: Final = ("lines", "rows", "locations")
"""Fields of an answer that are tables."""


def key_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--key`, a fresh one unless told; the answer shows it."""
    return click.option("--key", default=new_key, help="Makes a repeat harmless; a fresh one unless told.")(command)


def new_key() -> str:
    """Make a key that nobody has used."""
    return secrets.token_hex(8)


def sign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--ref` and `--by`, and hand the command the words they become as `signed`."""
    return by_option(
        click.option("--ref", expose_value=False, callback=_sign, help="The paper it belongs to.")(command)
    )


def by_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--by`, and hand the command the words it becomes as `signed`."""
    return click.option("--by", expose_value=False, callback=_sign, help="Who enters it; you unless told.")(command)


def _sign(ctx: click.Context, option: click.Parameter, value: str | None) -> None:
    words: tuple[str, ...] = ctx.params.get("signed", ())
    ctx.params["signed"] = (*words, *option_words(**{(option.name or "").upper(): value}))


def option_words(**options: str | None) -> list[str]:
    """Return the words of the options that have a value."""
    return [word for name, value in options.items() if value is not None for word in (name, value)]


def say_keyed(invocation: Invocation, key: str, *words: str) -> Map:
    """Send one command with a key and print its answer.

    Raises:
        Unreachable: whether it took effect is unknown; says how to repeat it harmlessly.
    """
    with connected(invocation) as client:
        try:
            answer = as_map(client.call(*words))
        except Unreachable as gone:
            if not gone.sent:
                raise
            raise Unreachable(f"{gone.message}\nThe same again with --key {key} counts once.", sent=True) from gone
    show(invocation, answer)
    return answer


def say(invocation: Invocation, *words: str) -> None:
    """Send one command and print its answer."""
    with connected(invocation) as client:
        answer = as_map(client.call(*words))
    show(invocation, answer)


def show(invocation: Invocation, answer: Map, tables: dict[str, Sequence[Column]] | None = None) -> None:
    """Print an answer: what is one value as a fact, what is a list as a table."""
    if invocation.as_json:
        print_json(answer)
        return
    console = terminal()
    facts = {name.replace("_", " "): value for name, value in answer.items() if name not in _NESTED}
    print_facts(console, facts)
    for name, columns in (tables or {}).items():
        console.print()
        print_table(console, columns, answer.get(name, []), empty=f"no {name}", optional="problem")
