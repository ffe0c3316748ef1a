"""`init`, `check-config`, `completion`: before there is a daemon."""

from importlib.resources import files
from pathlib import Path
from typing import Final

import click
from click.shell_completion import get_completion_class

from config.loader import ConfigProblems, Loaded, load
from ops.cli.errors import EXIT_USAGE, Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import print_json
from ops.cli.session import data_options
from ops.rulefile import check_offers

SAMPLES: Final = ("lastunit.toml", "catalogue.csv", "listings.csv", "stock.csv", "recipes.csv", "movements.csv")

_NEXT_STEPS: Final = """\
Next:{go}
  1. edit lastunit.toml: your locations, your shops
  2. lastunit check-config
  3. lastunit run
  4. lastunit import --catalogue catalogue.csv --stock stock.csv     (in another terminal)
  5. lastunit status
Once a shop is in lastunit.toml: lastunit import --listings listings.csv
Bundles, kits and packs: lastunit import --recipes recipes.csv
Deliveries, returns, counts: lastunit movements movements.csv"""


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option("--force", is_flag=True, help="Overwrite what is there.")
def init(folder: Path, *, force: bool) -> None:
    """Write a first configuration and sample files."""
    taken = [str(folder / name) for name in SAMPLES if (folder / name).exists()]
    if taken and not force:
        raise Unusable([f"{path}: is there already; --force overwrites it" for path in taken])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in SAMPLES:
            (folder / name).write_bytes((files("config") / "samples" / name).read_bytes())
            click.echo(f"wrote {folder / name}")
    except OSError as error:
        raise Unusable([f"{folder}: cannot be written: {error.strerror}"]) from error
    click.echo(_NEXT_STEPS.format(go="" if folder == Path() else f"\n  0. cd {folder}"))


@click.command("check-config")
@data_options
@click.pass_context
def check_config(ctx: click.Context, invocation: Invocation) -> None:
    """Name every problem of the configuration, and what is allowed but probably not meant."""
    try:
        loaded = _load_for_daemon(invocation)
    except ConfigProblems as found:
        if not invocation.as_json:
            raise Unusable(found.problems) from found
        print_json({"problems": found.problems, "notes": []})
        ctx.exit(EXIT_USAGE)
    if invocation.as_json:
        print_json({"problems": [], "notes": loaded.notes})
        return
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    settings = loaded.settings
    counts = ((len(settings.locations), "location"), (len(settings.accounts), "account"))
    have = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in counts)
    click.echo(f"{invocation.config}: no problems ({have})")


def _load_for_daemon(invocation: Invocation) -> Loaded:
    """Read the file as the daemon does: it judges rules of offers as a whole, too.

    Raises:
        ConfigProblems: with every problem that was found.
    """
    loaded = load(invocation.config)
    problems = check_offers(loaded.settings)
    if problems:
        raise ConfigProblems([f"{invocation.config}: {problem}" for problem in problems])
    return loaded


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    bash: lastunit completion bash > ~/.local/share/bash-completion/completions/lastunit
    zsh:  lastunit completion zsh > "${fpath[1]}/_lastunit"
    fish: lastunit completion fish > ~/.config/fish/completions/lastunit.fish
    """  # noqa: D301 - that backslash is a real control character: click's mark for "do not rewrap"
    complete = get_completion_class(shell)
    assert complete is not None  # click has all three
    root = click.get_current_context().find_root().command
    # click's bash class would start a bash here to look at its version; the script says so itself when it is too old
    script = complete.source_template % complete(root, {}, "lastunit", "_LASTUNIT_COMPLETE").source_vars()
    click.echo(script)
