"""Today's program reads yesterday's snapshots and makes of them what yesterday's made.

`tests/golden/recording_statements.py` says how statements are recorded.
"""

from typing import get_args

import msgspec
import pytest
from trio.testing import MockClock

from engine.domain.events import Event
from engine.domain.stated import Statement
from tests.golden.recording_statements import SNAPSHOTS, describe_all, listen, read_description, read_statements

RECORDED = sorted(path.stem for path in SNAPSHOTS.glob("*.jsonl"))


@pytest.mark.parametrize("name", RECORDED)
async def test_a_node_that_is_told_recorded_statements_knows_what_is_recorded(
    autojump_clock: MockClock, name: str
) -> None:
    described = describe_all(await listen(read_statements(name)))
    assert msgspec.json.decode(msgspec.json.encode(described)) == read_description(name)


def test_every_kind_of_statement_is_on_record() -> None:
    recorded = {type(line.read()) for name in RECORDED for line in read_statements(name)}
    stated = set(get_args(Statement)) - set(get_args(Event))
    assert recorded - set(get_args(Event)) == stated, (
        "bring the new kind about in the story and record another snapshot"
    )


def test_no_two_kinds_share_a_tag() -> None:
    tags = [kind.__struct_config__.tag for kind in get_args(Statement)]
    assert len(set(tags)) == len(tags)
