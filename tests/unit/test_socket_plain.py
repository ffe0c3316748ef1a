"""The pieces of a plain hold: an id read the short way, a reply joined of what holds have in common."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.domain.commands import Granted
from engine.domain.stock.booking import apply
from engine.domain.units import EPOCH, ID_BYTES_MAX, HoldId, LocationId, Sku
from ops.socket import arguments as read
from ops.socket.resp import ErrorReply, encode, encode_instant
from ops.socket.views.stock import granted_frame, granted_part, render
from tests.fakes.books import A, Shelf

BYTES = st.one_of(st.binary(max_size=4), st.text("aZ09-_ \t\x00\x7fé ", max_size=8).map(str.encode))
ID = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=ID_BYTES_MAX)


def verdict(value: bytes, *, short: bool) -> str:
    """What is read of an id, or the error."""
    try:
        return read.hold_id(value) if short else read.identifier("hold-id", value)
    except ErrorReply as error:
        return str(error)


@given(value=BYTES, times=st.sampled_from((1, ID_BYTES_MAX, ID_BYTES_MAX + 1)))
@example(value=b"a", times=ID_BYTES_MAX)
@example(value=b"a", times=ID_BYTES_MAX + 1)
def test_a_hold_id_is_read_by_the_rule_of_all_identifiers(value: bytes, times: int) -> None:
    """The short way takes nothing that the rule refuses, and reads the same."""
    value *= times
    assert verdict(value, short=True) == verdict(value, short=False)


def test_no_single_byte_passes_the_short_way_alone() -> None:
    """Every byte there is, by itself and inside an id."""
    for code in range(256):
        for value in (bytes((code,)), b"a%cb" % code):
            assert verdict(value, short=True) == verdict(value, short=False), value


@given(hold=ID, sku=ID, place=ID, units=st.integers(1, 10**9), protocol=st.sampled_from((2, 3)), ends=st.booleans())
def test_the_joined_reply_is_the_one_that_the_general_road_gives(
    hold: str, sku: str, place: str, units: int, protocol: int, *, ends: bool
) -> None:
    """Byte by byte, in both protocols, for ids and SKUs of all sizes."""
    expires_at = EPOCH if ends else None
    frame = granted_frame(expires_at, protocol)
    part = granted_part(LocationId(place), units)
    joined = frame.heads[len(hold)] + hold.encode() + frame.after + frame.lines[len(sku)] + sku.encode() + part
    lines = ((Sku(sku), LocationId(place), units),)
    assert joined == render(Granted(hold_id=HoldId(hold), expires_at=expires_at, lines=lines), protocol)
    view = {
        "hold": hold,
        "expires_at": " @ ",
        "lines": [{"sku": sku, "location": place, "quantity": units}],
    }
    spelt = encode(None, protocol) if expires_at is None else encode_instant(expires_at)
    assert joined == encode(view, protocol).replace(encode(" @ ", protocol), spelt, 1)


def test_a_hold_is_never_put_into_a_book_twice() -> None:
    """Its first units would be reserved for ever: who decides has seen to it that the id is new."""
    shelf = Shelf(A=5)
    shelf.hold("h", (A, 1))
    again = msgspec.structs.replace(shelf.book().holds[HoldId("h")])
    with pytest.raises(AssertionError):
        apply(shelf.book(), again)
