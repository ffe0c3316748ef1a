"""The house stays as DESIGN.md section 2 drew it: who may import whom, and how long a module may become."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDERS: Final = ("adapters", "config", "engine", "ops", "tests")
MAY_IMPORT: Final = {
    "engine": frozenset[str](),
    "engine.domain": frozenset({"msgspec", "engine.domain"}),
    "engine.machines": frozenset({"msgspec", "engine.domain", "engine.machines", "engine.ports"}),
    "engine.actors": frozenset({"msgspec", "structlog", "trio", "engine"}),
    "engine.ports": frozenset({"msgspec", "engine.domain"}),
    "adapters": frozenset({"msgspec", "structlog", "trio", "engine", "adapters"}),
    "adapters.store": frozenset({"asyncpg", "msgspec", "structlog", "trio", "engine", "adapters.store"}),
    "adapters.http": frozenset({"httpx", "msgspec", "structlog", "trio", "engine"}),
    "config": frozenset({"msgspec", "config"}),
    "ops.simulate.oracle": frozenset({"ops.simulate.oracle"}),
    "ops.emulator": frozenset({"click", "httptools", "msgspec", "uvloop", "ops.emulator"}),
}
"""By package or module, the narrowest that fits; the standard library is everybody's. `ops` and `tests`: everything."""

MAY_USE_ASYNCIO: Final = ("adapters.store.bridge", "ops.gateway", "ops.emulator", "tests")
"""The others run on trio."""

SQLITE_MODULES: Final = tuple(
    f"adapters.store.{name}"
    for name in ("sqlite", "sqlite_archive", "sqlite_file", "sqlite_reader", "checkpoints", "reading", "trimming")
)

LINES_MAX: Final = 400
LONGER: Final[dict[str, str]] = {}
"""Modules of the program that may exceed the limit, and why. Tests are lists, and lists may be long."""

_ABSOLUTE: Final = re.compile(r"""["'](/home/|/root/|/work/|/Users/|/tmp/|[A-Z]:\\\\)""")


class Module(NamedTuple):
    """One source file, parsed once."""

    path: Path
    name: str
    docstring: str | None
    imports: tuple[str, ...]
    """Whatever it imports, wherever in it, as dotted names."""


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    """Read every source of the house."""
    read: list[Module] = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            read.append(Module(path, name, ast.get_docstring(tree), tuple(imports_of(tree))))
    return read


def imports_of(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str() as module, names=names, level=0):
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.ImportFrom(level=level):
                yield f"relative import of level {level}"
            case _:
                pass


def rule_of(module: str) -> frozenset[str] | None:
    """Find the narrowest rule; None: everything is allowed."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        rule = MAY_IMPORT.get(".".join(parts[:length]))
        if rule is not None:
            return rule
    return None


def within(name: str, packages: tuple[str, ...] | frozenset[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_nobody_imports_what_is_not_theirs(modules: list[Module]) -> None:
    strangers = [
        f"{module.name} imports {name}"
        for module in modules
        if (allowed := rule_of(module.name)) is not None
        for name in module.imports
        if name.split(".")[0] not in sys.stdlib_module_names and not within(name, allowed)
    ]
    assert strangers == []


@pytest.mark.parametrize(
    ("library", "doors"),
    [
        ("asyncio", MAY_USE_ASYNCIO),
        ("httpx", ("adapters.http", "ops", "tests")),
        ("hiredis", ("ops", "tests")),
        ("sqlite3", (*SQLITE_MODULES, "tests")),
        ("asyncpg", ("adapters.store", "tests")),
        ("tests", ("tests",)),
    ],
)
def test_a_library_comes_in_by_its_door(modules: list[Module], library: str, doors: tuple[str, ...]) -> None:
    elsewhere = [
        module.name
        for module in modules
        if not within(module.name, doors) and any(within(name, (library,)) for name in module.imports)
    ]
    assert elsewhere == []


def test_the_core_has_no_clock_no_chance_and_no_log_of_its_own(modules: list[Module]) -> None:
    """DESIGN.md law 3: `now`, `rng` and ids come in as arguments. `random` names the type of a machine's `rng`."""
    impure = [
        f"{module.name} imports {name}"
        for module in modules
        if within(module.name, ("engine.domain", "engine.machines"))
        for name in module.imports
        if within(name, ("time", "logging", "uuid", "secrets", "os", "socket", "threading"))
        or (within(name, ("random",)) and within(module.name, ("engine.domain",)))
    ]
    assert impure == []


def test_no_module_is_longer_than_a_reader_s_patience(modules: list[Module]) -> None:
    lengths = {
        module.name: len(module.path.read_bytes().splitlines())
        for module in modules
        if not within(module.name, ("tests",))
    }
    assert {name: lines for name, lines in lengths.items() if lines > LINES_MAX and name not in LONGER} == {}
    assert [name for name in LONGER if lengths[name] <= LINES_MAX] == [], "these need no exception any more"


def test_every_module_says_what_it_is_for(modules: list[Module]) -> None:
    """Packages of tests are folders and no more."""
    silent = [
        module.name
        for module in modules
        if not module.docstring and not (module.path.name == "__init__.py" and within(module.name, ("tests",)))
    ]
    assert silent == []


def test_no_machine_and_no_promise_is_left_in_the_sources(modules: list[Module]) -> None:
    """A path of somebody's machine works there only; what is left to do stands in an issue, not in a comment."""
    promise = "TO" + "DO"
    found = [
        f"{module.name}:{number}: {line.strip()}"
        for module in modules
        for number, line in enumerate(module.path.read_text(encoding="utf-8").splitlines(), start=1)
        if promise in line or (_ABSOLUTE.search(line) and module.name != __name__)
    ]
    assert found == []
