"""Instants with an offset, and nothing else."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.instants import read_instant

NOON = datetime(2026, 11, 11, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-11T12:00:00Z",
        "2026-11-11t12:00:00z",
        "2026-11-11 12:00:00Z",
        "2026-11-11T20:00:00+08:00",
        "2026-11-11T12:00:00.000000-00:00",
        "1794398400",
        "1794398400.0",
    ],
)
def test_one_instant_has_many_spellings(text: str) -> None:
    assert read_instant(text) == NOON
    assert read_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2026-11-11T12:00:00", "says no offset; must be an instant"),
        ("2026-11-11", "must be an instant with its offset, as 2026-11-11T12:00:00"),
        ("noon", "must be an instant"),
        ("", "must be an instant"),
        ("-1", "must be an instant"),
        ("1e9", "must be an instant"),
        ("\N{ARABIC-INDIC DIGIT ONE}", "must be an instant"),
        ("1794398400000", "are these milliseconds"),
        ("999999999999", "are these milliseconds"),
        ("0001-01-01T00:00:00+14:00", "from year 1 to 9999"),
    ],
)
def test_what_is_no_instant_is_refused_with_the_rule(text: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        read_instant(text)


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1),  # noqa: DTZ001  # Hypothesis wants naive bounds
        timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
    )
)
def test_what_python_writes_is_read_back(instant: datetime) -> None:
    try:
        expected = instant.astimezone(UTC)
    except OverflowError:
        return
    assert read_instant(instant.isoformat()) == expected
