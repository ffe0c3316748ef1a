"""docs/sql.md names every table and column that there is, of either target, and its questions are answered by both."""

import re
from contextlib import aclosing
from pathlib import Path
from typing import Final

import pytest
import trio

from adapters.store.reading_postgres_sql import columns_of, shown
from engine.domain.reading.reading import TABLES
from ops.reading import rebuild
from tests.fakes.reading import MemorySource
from tests.fakes.readingtables import FileTarget, Target, target_of
from tests.golden.recording import read_frames

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
QUESTIONS = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)
_COMPUTED: Final = {"unavailable", "atp", "verified_seconds"}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Target, Target]:
    """Tables of a recorded journal in which everything happens, in a file and at a server."""
    folder = tmp_path_factory.mktemp("reading")
    file, server = FileTarget(folder / "reading.sqlite3"), target_of("postgres", folder)

    async def make() -> None:
        for target in (file, server):
            async with aclosing(await target.open()) as tables:
                await rebuild(MemorySource(read_frames("journal-imports")), tables, lambda _what, _frames: None)

    trio.run(make)
    return file, server


def columns_by_table(target: Target) -> dict[str, list[str]]:
    if isinstance(target, FileTarget):
        names = [name for (name,) in target.rows("SELECT name FROM sqlite_master WHERE type <> 'index'")]
        return {name: [row[1] for row in target.rows(f"PRAGMA table_xinfo({name})")] for name in names}
    found: dict[str, list[str]] = {}
    query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
    for name, column in target.rows(f"{query} ORDER BY ordinal_position"):
        found.setdefault(name, []).append(column)
    return found


def documented() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for section in DOCUMENT.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        if cells:
            found[title] = re.findall(r"`([a-z_]+)`", " ".join(cells))
    return found


def test_every_table_and_column_is_documented(both: tuple[Target, Target]) -> None:
    """A reader at the server sees these and no others."""
    expected = {name: sorted(names) for name, names in documented().items()}
    for target in both:
        assert {name: sorted(names) for name, names in columns_by_table(target).items()} == expected


def test_rows_have_the_columns_of_their_tables(both: tuple[Target, Target]) -> None:
    file, server = map(columns_by_table, both)
    assert file == server
    for table in TABLES:
        there = [name for name in file[table.name] if name not in _COMPUTED or table.name == "holds"]
        assert there == [column.name for column in shown(table.name)]
        assert [*table.columns] == [column.name for column in columns_of(table.name)]


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_is_answered_by_both_alike(both: tuple[Target, Target], question: str) -> None:
    question = question.replace("2026-11-11 14:03:07", "2100-01-01")
    file, server = (target.rows(question) for target in both)
    assert file
    assert sorted(file, key=repr) == sorted(server, key=repr)


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10
