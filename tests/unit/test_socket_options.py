"""Options of movements: what was said is read back, whatever SKUs and texts are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.states import State
from engine.domain.units import UNITS_MAX
from ops.socket import options
from ops.socket.resp import ErrorReply
from ops.socket.session import Session

KNOWN = {"BY": 1, "ORDER": 2, "FORCE": 0}
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=6) | st.sampled_from(
    ["LINES", "BY", "by", "FORCE", "ORDER"]
)
FOUND = st.fixed_dictionaries(
    {}, optional={name: st.lists(WORDS, min_size=count, max_size=count) for name, count in KNOWN.items()}
)
LINES = st.lists(st.tuples(WORDS, st.integers(0, UNITS_MAX)), min_size=1, max_size=5)


def spell(found: dict[str, list[str]]) -> list[bytes]:
    return [word.encode() for name, values in found.items() for word in (name.lower(), *values)]


@given(FOUND, LINES)
def test_options_and_lines_are_read_back_whatever_they_are_called(
    found: dict[str, list[str]], lines: list[tuple[str, int]]
) -> None:
    words = [b"PO", b"SET", *spell(found), b"LINES", *(str(each).encode() for line in lines for each in line)]
    read, rows = options.options_and_lines(words, 2, KNOWN, least=0, lines_max=5)
    assert {name: [value.decode() for value in values] for name, values in read.items()} == found
    assert rows == lines


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"BY", b"ORDER", b"FORCE", b"LINES"]), max_size=8))
def test_any_words_are_read_or_refused(words: list[bytes]) -> None:
    codes: list[str] = []
    for read in (
        lambda: options.options(words, 0, KNOWN),
        lambda: options.options_and_lines(words, 0, KNOWN, least=1, lines_max=2),
    ):
        try:
            read()
        except ErrorReply as refused:
            codes.append(refused.code)
    assert set(codes) <= {"BADARG"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([b"BY"], "option='BY': needs a value"),
        ([b"ORDER", b"shop"], "option='ORDER': needs two values"),
        ([b"FORCE", b"force"], "option='force': given twice"),
        ([b"\xff"], r"option='\\xff': expected BY, FORCE, ORDER"),
    ],
)
def test_a_wrong_option_is_named(words: list[bytes], text: str) -> None:
    with pytest.raises(ErrorReply) as refused:
        options.options(words, 0, KNOWN)
    assert refused.value.text == text


def test_more_lines_than_are_taken_are_refused() -> None:
    with pytest.raises(ErrorReply, match="3 lines: at most 2 in one command"):
        options.options_and_lines([b"LINES", *[b"A", b"1"] * 3], 0, KNOWN, least=1, lines_max=2)


@pytest.mark.parametrize("state", State)
def test_states_are_read_in_any_case(state: State) -> None:
    assert options.state("into", state.value.upper().encode()) is state


@pytest.mark.parametrize("value", [b"", b"limbo", b"\xff"])
def test_what_is_no_state_is_refused(value: bytes) -> None:
    with pytest.raises(ErrorReply, match="must be one of sellable, quality_hold, damaged, display, written_off"):
        options.state("into", value)


def test_who_asks_is_said_or_known_from_the_connection() -> None:
    session = Session(1, "unix:7", authenticated=True)
    session.user = "ada"
    assert options.who({}, session) == "ada"
    assert options.who({"BY": [b"grace"]}, session) == "grace"
