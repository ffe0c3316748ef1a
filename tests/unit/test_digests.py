"""A frame that is not what was written, or not where and when, does not fit its digest."""

import zlib
from datetime import timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from adapters.store.digests import digest_of, is_intact
from engine.ports import Frame
from tests.fakes.clocks import START

FRAME: Final = Frame(position=7, written_at=START, payload=b"seven")


def test_a_frame_fits_its_digest() -> None:
    assert is_intact(FRAME, digest_of(FRAME))


@pytest.mark.parametrize(
    "other",
    [
        replace(FRAME, payload=b"Seven"),
        replace(FRAME, payload=b""),
        replace(FRAME, position=8),
        replace(FRAME, written_at=START + timedelta(microseconds=1)),
        replace(FRAME, written_at=START + timedelta(days=36_525)),
    ],
)
def test_any_other_frame_does_not(other: Frame) -> None:
    assert not is_intact(other, digest_of(FRAME))


@pytest.mark.parametrize("bit", range(33))
def test_a_digest_with_a_flipped_bit_fits_nothing(bit: int) -> None:
    assert not is_intact(FRAME, digest_of(FRAME) ^ 1 << bit)


def test_a_frame_of_an_earlier_version_is_judged_by_its_payload() -> None:
    digest = zlib.crc32(FRAME.payload)
    assert is_intact(FRAME, digest)
    assert not is_intact(replace(FRAME, payload=b"Seven"), digest)
