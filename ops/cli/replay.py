"""`replay`: the journal once more, beside the daemon: what it comes to, whether it is true, what might have been."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.text import Text

from config.schema import Settings
from engine.domain.offers.rules import RuleBook, check_book
from engine.domain.units import EPOCH
from ops.cli.errors import EXIT_REFUSED, Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_facts, print_json, print_table, terminal
from ops.cli.rules import read_rules
from ops.cli.session import data_options
from ops.cli.storework import run_on_store, show_progress, store_settings
from ops.clock import SteadyClock
from ops.replay.run import Asked, Report, replay_now
from ops.replay.walk import Until
from ops.rulefile import places_of
from ops.socket.options import instant
from ops.socket.resp import ErrorReply

_NEWEST: Final = "newest"
_POSITION: Final = re.compile(r"\d{1,15}")
_KINDS: Final = (Column("kind", "kind"), Column("events", "events", right=True))
_SECTIONS: Final = (Column("section", "section"), Column("sha256", "sha256"))
_OFFERS: Final = (
    Column("frame", "position", right=True),
    Column("at (UTC)", "at"),
    Column("account", "account"),
    Column("listing", "listing"),
    Column("sku", "sku"),
    Column("version", "version", right=True),
    Column("pushed", "quantity", right=True),
    Column("differs in", "term"),
    Column("recorded", "pushed", wrap=True),
    Column("the journal says", "replayed", wrap=True),
)
_STATE: Final = (
    Column("frame", "position", right=True),
    Column("section", "section"),
    Column("written down", "said", wrap=True),
    Column("the journal says", "replayed", wrap=True),
)
_SENT: Final = (
    Column("account", "account"),
    Column("pushes", "pushes", right=True),
    Column("other number", "different", right=True),
    Column("not sent", "not_sent", right=True),
    Column("added", "added", right=True),
    Column("unit hours less", "less_unit_hours", right=True),
    Column("more", "more_unit_hours", right=True),
)
_BOUGHT: Final = (
    Column("account", "account"),
    Column("oversells", "oversells", right=True),
    Column("prevented", "prevented", right=True),
    Column("smaller", "smaller", right=True),
    Column("same", "same", right=True),
    Column("units", "oversold_units", right=True),
    Column("prevented", "prevented_units", right=True),
    Column("order lines", "order_lines", right=True),
    Column("at risk", "lines_at_risk", right=True),
    Column("units at risk", "units_at_risk", right=True),
)
_BECAUSE: Final = (Column("pushes", "pushes", right=True), Column("because of", "rule", wrap=True))


@click.command()
@data_options
@click.option("--until", metavar="FRAME|TIME", help="Stop behind this frame, or at this time (as for --since).")
@click.option(
    "--from-snapshot",
    "snapshot",
    metavar="FRAME",
    is_flag=False,
    flag_value=_NEWEST,
    help="Begin with the newest snapshot at or before a frame, or with the newest of all, not with the first frame.",
)
@click.option("--verify", is_flag=True, help="Prove state and offers; exit code 1 when anything differs.")
@click.option("--rules", "file", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Say what these rules would have changed: a file as for `lastunit rules preview`.")  # fmt: skip
@click.option("--since", metavar="TIME", help="With --rules: from then on, as 2026-11-11T12:00:00+08:00 or -7d.")
@click.pass_context
def replay(
    ctx: click.Context,
    invocation: Invocation,
    *,
    until: str | None,
    snapshot: str | None,
    verify: bool,
    file: Path | None,
    since: str | None,
) -> None:
    """Replay the journal: prove it, or try other rules on the past.

    It reads beside the daemon and writes nothing; alone it says what the journal comes to, in figures and digests.

    --verify compares that with every snapshot on the way and with what daemons noted of their books (`lastunit scan
    --deep`), and computes every push anew. --rules says what would have been shown, sent and sold by other rules.

    The tables for SQL are made anew by `lastunit reading rebuild`: replay keeps nothing of what it finds.
    """
    settings = store_settings(invocation)
    import_module("ops.telemetry.logs").configure_logging(settings.node, process="replay")
    if since is not None and file is None:
        raise click.UsageError("--since goes with --rules")
    asked = Asked(
        until=_until(until),
        snapshot=_snapshot(snapshot),
        verify=verify,
        rules=None if file is None else _rules(file, settings),
        since=EPOCH if since is None else _instant("--since", since),
    )
    report = run_on_store(partial(replay_now, settings, asked, show_progress(invocation)))
    if invocation.as_json:
        print_json(msgspec.to_builtins(report))
    else:
        _print(terminal(), report)
    ctx.exit(EXIT_REFUSED if report.different else 0)


def _until(text: str | None) -> Until:
    if text is None:
        return None
    return int(text) if _POSITION.fullmatch(text) else _instant("--until", text)


def _snapshot(text: str | None) -> int | None:
    if text is None or text == _NEWEST:
        return None if text is None else 0
    if not _POSITION.fullmatch(text) or not int(text):
        raise click.UsageError(f"--from-snapshot {text}: must be the number of a frame, from 1 on")
    return int(text)


def _instant(option: str, text: str) -> datetime:
    try:
        return instant(option.removeprefix("--"), text.encode(), SteadyClock().now())
    except ErrorReply as error:
        raise click.UsageError(f"{option} {text}: {error}") from error


def _rules(file: Path, settings: Settings) -> RuleBook:
    """Read rules and refuse them with everything that is wrong with them."""
    try:
        book = msgspec.json.decode(read_rules(file), type=RuleBook)
    except msgspec.ValidationError as error:
        raise Unusable([f"{file}: {error}"]) from error
    problems = check_book(book, places_of(settings))
    if problems:
        raise Unusable([f"{file}: {problem}" for problem in problems])
    return book


def _print(console: Console, report: Report) -> None:
    began = f"from the snapshot of frame {report.began} " if report.began else ""
    _say(
        console,
        f"{report.place}: replayed {began}to frame {report.position},"
        f" {plain(None if report.last_at is None else msgspec.to_builtins(report.last_at))} UTC:"
        f" {report.frames} frames, {report.events} events in {report.seconds:.1f} s"
        f" ({report.events_per_cpu_second} per second of processor time).",
    )
    if report.what_if is None and report.state is None:
        console.print()
        kinds = [{"kind": kind, "events": count} for kind, count in report.kinds.items()]
        print_table(console, _KINDS, kinds, empty="The journal is empty.")
        console.print()
        sections = [{"section": name, "sha256": sha256} for name, sha256 in report.sections.items()]
        print_table(console, _SECTIONS, sections, empty="")
    if report.state is not None and report.offers is not None:
        _print_proof(console, report)
    if report.what_if is not None:
        _print_what_if(console, msgspec.to_builtins(report.what_if))


def _print_proof(console: Console, report: Report) -> None:
    state, offers = report.state, report.offers
    assert state is not None, "it was asked for"
    assert offers is not None, "both are proved or neither"
    facts: dict[str, object] = {}
    for each in state.snapshots:
        same = f"{each.sections - each.different} of {each.sections} sections are the same"
        facts[f"snapshot of frame {each.position}, {each.origin}"] = same
    facts |= {f"snapshot {name}": f"not compared: {reason}" for name, reason in state.refused.items()}
    facts["books noted by daemons"] = f"{state.books} at {state.marks} places"
    facts["pushes"] = offers.pushes
    facts["pushes proved"] = offers.proved
    facts |= {f"  {reason}": count for reason, count in offers.trusted.items()}
    facts |= {f"not proved: {reason}": count for reason, count in offers.unproved.items()}
    console.print()
    print_facts(console, facts)
    console.print()
    if not state.live:
        _say(
            console, "No daemon has said anything of itself on the way: stop one in order, or run lastunit scan --deep."
        )
    if not report.different:
        _say(console, "Nothing differs.", "green")
        return
    _say(console, f"{state.different} differences of state, {offers.different} of pushes:\n", "bold red")
    rows: list[Mapping[str, Any]] = [msgspec.to_builtins(each) for each in state.differences]
    if rows:
        print_table(console, _STATE, rows, empty="")
    rows = [msgspec.to_builtins(each) for each in offers.differences]
    if rows:
        print_table(console, _OFFERS, rows, empty="")
    more = report.different - len(state.differences) - len(offers.differences)
    if more:
        _say(console, f"and {more} more")


def _print_what_if(console: Console, found: dict[str, Any]) -> None:
    rows = [{"account": account, **sums} for account, sums in found["accounts"].items()]
    console.print()
    _say(console, f"With the other rules, {plain(found['since'])} to {plain(found['until'])} UTC:\n")
    print_table(console, _SENT, rows, empty="Nothing was to be shown.")
    if rows:
        console.print()
        print_table(console, _BOUGHT, rows, empty="")
    untold = sum(row["untold"] for row in rows)
    if untold:
        _say(console, f"\nOf {untold} pushes nobody can tell what they were computed from.")
    rules = [{"pushes": count, "rule": rule} for rule, count in found["rules"].items()]
    if rules:
        console.print()
        print_table(console, _BECAUSE, rows=rules, empty="")
    console.print()
    _say(console, f"What this cannot know: {found['cannot']}")


def _say(console: Console, sentence: str, style: str = "") -> None:
    console.print(Text(sentence, style=style), soft_wrap=True)
