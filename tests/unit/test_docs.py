"""Documents name only what there is: files, commands, options, targets, metrics, events."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import msgspec.inspect as mi
import pytest

from config.schema import Settings
from engine.domain.events import Event
from ops.cli.main import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    (ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "ops").rglob("*.md"))
)
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[\s/;])lastunit((?:\s+(?:-c|--config)\s+\S+)?)\s+([a-z][a-z-]*)([^#|&;\n]*)")
TARGET = re.compile(r"\bmake ([a-z]+)")
METRIC = re.compile(r"\blastunit_[a-z_]+")
NO_METRICS = {"lastunit_version", "lastunit_reading"}
"""A field of INFO, and the role and schema of the tables for reading."""
LOG_EVENT = re.compile(r"\blog\.\w+\(\s*\"([a-z_]+\.[a-z_]+)\"")
HEADINGS = ["Context", "Options and costs", "Decision", "Consequences", "Signs that it was wrong"]

each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
each_decision = pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)


def prose(text: str) -> str:
    return FENCE.sub("", text)


def code(text: str) -> Iterator[str]:
    """Return what is set as code: lines of fences without their comments, and spans in sentences."""
    for fence in FENCE.findall(text):
        yield from (re.sub(r"(^|\s)#.*", "", line) for line in fence.splitlines()[1:-1])
    yield from re.findall(r"`([^`\n]+)`", prose(text))


def slugs(text: str) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_document
def test_relative_links_lead_somewhere(path: Path) -> None:
    broken = []
    for link in LINK.findall(prose(path.read_text())):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in slugs(target.read_text())):
            broken.append(link)
    assert broken == []


@each_document
def test_commands_and_their_options_exist(path: Path) -> None:
    context = click.Context(main)
    unknown = []
    for line in code(path.read_text()):
        for _, name, rest in COMMAND.findall(line):
            command = main.get_command(context, name) if name != "lastunit" else None
            words = rest.split()
            if name == "lastunit" and words:  # a container of that name, then the command
                command, words = main.get_command(context, words[0]), words[1:]
            if isinstance(command, click.Group) and words and re.fullmatch(r"[a-z]+", words[0]):
                command = command.get_command(context, words[0])
            options = {option for known in getattr(command, "params", ()) for option in known.opts} | {"--help"}
            wrong = [word for word in words if re.fullmatch(r"--[a-z-]+", word) and word not in options]
            if command is None or wrong:
                unknown.append((line, wrong))
    assert unknown == []


@each_document
def test_make_targets_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for line in code(path.read_text()) for target in TARGET.findall(line)}
    assert named <= targets


def options_of(kind: mi.Type, path: str) -> Iterator[str]:
    match kind:
        case mi.StructType(fields=fields):
            for field in fields:
                name = f"{path}.{field.encode_name}" if path else field.encode_name
                yield name
                yield from options_of(field.type, name)
        case mi.VarTupleType(item_type=item):
            yield from options_of(item, path)
        case mi.UnionType(types=types):
            for each in types:
                yield from options_of(each, path)
        case mi.DictType(value_type=value):
            yield from options_of(value, path)
        case _:
            pass


@each_document
def test_options_exist(path: Path) -> None:
    options = set(options_of(mi.type_info(Settings), ""))
    sections = {option for option in options if "." not in option}
    events = {event for file in ROOT.glob("[eo]*/**/*.py") for event in LOG_EVENT.findall(file.read_text())}
    named = {span for span in code(path.read_text()) if re.fullmatch(r"[a-z]+(\.[a-z_]+)+", span)}
    wanted = {span for span in named - events if span.partition(".")[0] in sections}
    files = {span for span in wanted if span.endswith((".py", ".toml", ".csv", ".md", ".yml"))}
    assert wanted - files <= options


@each_document
def test_metrics_are_in_the_table_of_metrics(path: Path) -> None:
    known = set(METRIC.findall((ROOT / "docs" / "telemetry.md").read_text()))
    named = {name for line in code(path.read_text()) for name in METRIC.findall(line) if not name.endswith("_")}
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in named} - known <= NO_METRICS


@each_decision
def test_a_decision_has_its_five_parts_on_one_page(path: Path) -> None:
    text = path.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert text.startswith(f"# {path.stem[:4]}. ")
    assert len(text.splitlines()) <= 60
    assert all(part.strip() for part in re.split(r"^## .+$", text, flags=re.MULTILINE))


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_glossary_says_each_word_once() -> None:
    words = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert words
    assert [word for word, count in Counter(words).items() if count > 1] == []


def test_architecture_names_every_kind_of_event_once() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = text.partition("| kinds |")[2].partition("\n\n")[0].splitlines()[2:]
    kinds = [kind for row in rows for kind in re.findall(r"`([a-z_]+)`", row.split("|")[1])]
    assert sorted(kinds) == sorted(kind.__struct_config__.tag for kind in get_args(Event))
