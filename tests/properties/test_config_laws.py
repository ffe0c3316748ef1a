"""Laws of the loader: whatever a file holds, it is used or refused with reasons, and secrets stay unsaid."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.loader import ConfigProblems, load
from config.reference import sections

VALUES = st.sampled_from(
    [
        "1",
        "-1",
        "0.5",
        "nan",
        "true",
        '""',
        '"x"',
        '"env:A"',
        "[]",
        "[1]",
        '["x"]',
        "{}",
        "{ a = 1 }",
        "1979-05-27",
        "9" * 30,
    ]
)
HEADERS = st.sampled_from([section.header.replace("<", "").replace(">", "") for section in sections()])
NAMES = st.sampled_from(sorted({option.name for section in sections() for option in section.options}))
TABLES = st.tuples(HEADERS, st.dictionaries(NAMES, VALUES, max_size=6))
SECRET = "cs_7f3a"


def load_bytes(content: bytes) -> str:
    """Return what was said about the file; empty when it may be used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lastunit.toml"
        path.write_bytes(content)
        try:
            load(path, environ={"A": SECRET})
        except ConfigProblems as refused:
            return "\n".join(refused.problems) or "refused without a reason"
        return ""


@given(st.binary(max_size=100) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_used_or_refused(content: bytes) -> None:
    assert load_bytes(content) != "refused without a reason"


@given(st.lists(TABLES, max_size=5, unique_by=lambda table: table[0]))
def test_any_values_are_used_or_refused_without_saying_a_secret(tables: list[tuple[str, dict[str, str]]]) -> None:
    lines = [
        line for header, options in tables for line in (header, *(f"{key} = {value}" for key, value in options.items()))
    ]
    assert SECRET not in load_bytes("\n".join(lines).encode())


@pytest.mark.parametrize(
    "name", ["consumer_key", "consumer_secret", "webhook_secret", "consumer_kee", "mode", "locations"]
)
def test_a_secret_in_the_file_is_not_repeated_when_it_stands_where_secrets_belong(name: str) -> None:
    said = load_bytes(f'[[locations]]\nid = "a"\n[[accounts]]\nchannel = "woocommerce"\n{name} = "{SECRET}"\n'.encode())
    assert said
    assert (SECRET in said) == (name == "mode")  # an option that is no secret is quoted
