"""docs/sql.md names every table and column that there is, and its questions are answered."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adapters.store.reading import open_reading
from engine.domain.reading.reading import TABLES
from ops.reading import rebuild
from tests.fakes.reading import MemorySource, rows
from tests.golden.recording import read_frames

DOCUMENT = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()
QUESTIONS = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


async def tables(folder: Path) -> Path:
    """Tables of a recorded journal in which everything happens."""
    with closing(open_reading(folder / "reading.sqlite3")) as file:
        await rebuild(MemorySource(read_frames("journal-imports")), file, lambda _what, _frames: None)
        return file.path


def columns_of(path: Path) -> dict[str, list[str]]:
    with closing(sqlite3.connect(path)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type <> 'index'")]
        return {name: [row[1] for row in connection.execute(f"PRAGMA table_xinfo({name})")] for name in names}


def documented() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for section in DOCUMENT.split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
        if cells:
            found[title] = re.findall(r"`([a-z_]+)`", " ".join(cells))
    return found


async def test_every_table_and_column_is_documented(tmp_path: Path) -> None:
    there = columns_of(await tables(tmp_path))
    assert {name: sorted(names) for name, names in documented().items()} == {
        name: sorted(names) for name, names in there.items()
    }


async def test_rows_have_the_columns_of_their_tables(tmp_path: Path) -> None:
    there = columns_of(await tables(tmp_path))
    for table in TABLES:
        assert [name for name in there[table.name] if name not in {"unavailable", "atp"} or table.name == "holds"] == [
            *table.columns
        ]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_every_question_has_an_answer(tmp_path: Path, question: str) -> None:
    assert rows(await tables(tmp_path), question.replace("2026-11-11 14:03:07", "2100-01-01"))


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10
