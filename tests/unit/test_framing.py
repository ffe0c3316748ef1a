"""The look at a read before hiredis gets it: what is passed over unseen, and what is cut where."""

import re

import hiredis
from hypothesis import event, example, given
from hypothesis import strategies as st

from ops.socket.framing import cut, is_unsuspected, refusal_of

READS = st.lists(
    st.sampled_from(
        (b"*", b"1", b"00000", b"123456", b"\r\n", b"%", b"|", b"~", b">", b"$1", b"a", b"*100000\r\n", b"\0")
    ),
    min_size=1,
    max_size=12,
).map(b"".join)
COMMANDS = st.lists(st.binary(max_size=8), min_size=1, max_size=4)


@given(data=READS)
@example(data=b"*")
@example(data=b"*12345")
@example(data=b"x*12345")
@example(data=b"*123456")
@example(data=b"*12345\r\n")
def test_what_is_not_suspected_is_fed_as_it_came(data: bytes) -> None:
    pieces, held = cut(data)
    assert b"".join(pieces) + held == data
    assert all(pieces)
    unsuspected = is_unsuspected(data)
    event(f"suspected: {not unsuspected}")
    if unsuspected:
        assert (pieces, held) == ([data], b"")
        assert refusal_of(data) is None
        assert re.search(rb"\*\d{6}|[%|~>]|\*\d{0,5}\Z", data) is None


@given(words=COMMANDS.filter(lambda words: not any(set(b"*%|~>") & set(word) for word in words)))
def test_a_command_of_plain_words_is_not_suspected(words: list[bytes]) -> None:
    """Else every command would take the long way."""
    data = hiredis.pack_command(tuple(words))  # type: ignore[arg-type]  # its stub means tuples of one
    assert is_unsuspected(data)
