"""Read the configuration file: all of its problems at once, secrets resolved, paths absolute."""

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import msgspec.inspect as mi
from msgspec.structs import replace

from config import checks
from config.schema import Secret, Settings
from config.secrets import check_reference, resolve_secret
from config.walk import Problem, Walk

ALL_SECRETS: Final = frozenset(
    {
        "password",
        "secret",
        "webhook_secret",
        "consumer_key",
        "consumer_secret",
        "signing_secret",
        "hook_url",
        "smtp_password",
        "database_password",
        "reading_password",
        "journal_password",
    }
)
"""Every option that is a secret, by its name."""
DAEMON_SECRETS: Final = ALL_SECRETS - {"reading_password", "journal_password"}
"""Tables for reading are another process' work."""
GATEWAY_SECRETS: Final = frozenset({"password", "secret", "webhook_secret"})
"""What the HTTP front needs; it never holds the credentials of a channel."""
STORE_SECRETS: Final = frozenset({"database_password"})
"""What the tools of the store need."""
CLIENT_SECRETS: Final = frozenset({"password"})
READING_SECRETS: Final = frozenset({"database_password", "reading_password"})
"""What keeping tables of the journal for reading needs..."""
APART_SECRETS: Final = frozenset({"journal_password", "reading_password"})
"""...and with a role of its own for the journal."""
NO_SECRETS: Final[frozenset[str]] = frozenset()

_BYTES_MAX: Final = 64 << 20
_AT: Final = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)


class ConfigProblems(Exception):
    """The file cannot be used; the command line prints every problem and exits with 2."""

    def __init__(self, problems: Collection[str]) -> None:
        """Keep one sentence per problem: file, path in the file, value, rule."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Loaded(msgspec.Struct, frozen=True):
    """A usable file."""

    settings: Settings
    notes: tuple[str, ...]
    """What is allowed but probably not meant, worded like problems."""


def load_settings(
    path: Path, *, environ: Mapping[str, str] = os.environ, secrets: Collection[str] = ALL_SECRETS
) -> Settings:
    """Read the settings; see `load`."""
    return load(path, environ=environ, secrets=secrets).settings


def load(path: Path, *, environ: Mapping[str, str] = os.environ, secrets: Collection[str] = ALL_SECRETS) -> Loaded:
    """Read and check the whole file.

    Args:
        path: the TOML file; relative paths in it start at its folder.
        environ: where `env:NAME` is looked up.
        secrets: options whose secret this process needs; the others are checked in form only and stay empty, so that an
            administrator's shell or the gateway need not hold the credentials of every shop.

    Raises:
        ConfigProblems: with every problem that was found.
    """
    folder = path.absolute().parent

    def secret(option: str, reference: str) -> Secret:
        if option in secrets:
            return resolve_secret(reference, folder=folder, environ=environ)
        check_reference(reference)
        return Secret("")

    walk = Walk(secret)
    table = _parse(path)
    settings = _with_absolute_paths(cast("Settings", walk.read(mi.type_info(Settings), table, "")), folder)
    broken = [problem.path for problem in walk.problems]
    problems = walk.problems + [problem for problem in checks.check(settings) if not _follows(problem, broken)]
    if problems:
        raise ConfigProblems([f"{path}: {problem}" for problem in problems])
    return Loaded(settings, tuple(f"{path}: {note}" for note in checks.notes(settings)))


def _follows(problem: Problem, broken: list[str]) -> bool:
    """Whether this only repeats a problem of the same option or of the table around it."""
    return any(problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")) for path in broken)


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            content = file.read(_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ConfigProblems([f"{path}: no such file; `lastunit init` writes one"]) from error
    except (OSError, ValueError) as error:
        raise ConfigProblems([f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from error
    if len(content) > _BYTES_MAX:
        raise ConfigProblems([f"{path}: is larger than {_BYTES_MAX} bytes"])
    try:
        return tomllib.loads(content.decode("utf-8-sig"))  # Windows editors put a byte order mark first
    except UnicodeDecodeError as error:
        before = content[: error.start].split(b"\n")
        where = f"line {len(before)}, column {len(before[-1]) + 1}"
        raise ConfigProblems([f"{path}: {where}: not UTF-8: save the file as UTF-8"]) from error
    except RecursionError as error:
        raise ConfigProblems([f"{path}: is nested too deeply"]) from error
    except ValueError as error:  # TOMLDecodeError is one; so is an integer of thousands of digits
        raise ConfigProblems([f"{path}: {_syntax_problem(str(error))}"]) from error


def _syntax_problem(message: str) -> str:
    found = _AT.fullmatch(message)
    if not found:
        return f"not TOML: {message}"
    where = f"line {found['line']}, column {found['column']}" if found["line"] else "at the end of the file"
    return f"{where}: {found['what']}"


def _with_absolute_paths(settings: Settings, folder: Path) -> Settings:
    data = folder / settings.node.data
    socket, postgres, reading = settings.socket, settings.store.postgres, settings.reading.postgres
    return replace(
        settings,
        node=replace(settings.node, data=data),
        store=replace(
            settings.store,
            path=data / settings.store.path,
            archive=data / settings.store.archive,
            postgres=replace(postgres, ca_file=None if postgres.ca_file is None else folder / postgres.ca_file),
        ),
        reading=replace(
            settings.reading,
            postgres=replace(reading, ca_file=None if reading.ca_file is None else folder / reading.ca_file),
        ),
        socket=replace(socket, path=None if socket.path is None else data / socket.path),
    )


def without_channel_secrets(
    path: Path, environ: Mapping[str, str], *, needed: Collection[str] = GATEWAY_SECRETS
) -> dict[str, str]:
    """Return the environment for a process of the daemon's: without the variables that hold what it does not need."""
    kept: set[str] = set()
    withheld: set[str] = set()
    for option, reference in _references(_parse(path)):
        (kept if option in needed else withheld).add(reference)
    return {name: value for name, value in environ.items() if name not in withheld - kept}


def _references(value: object, option: str = "") -> Iterator[tuple[str, str]]:
    """Find every `env:NAME` that is the value of a secret: the option's name, and NAME."""
    match value:
        case dict():
            for name, item in value.items():
                yield from _references(item, name)
        case list():
            for item in value:
                yield from _references(item, option)
        case str() if option in ALL_SECRETS and value.startswith("env:"):
            yield option, value.removeprefix("env:")
