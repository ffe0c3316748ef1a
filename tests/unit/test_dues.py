"""What runs out by the clock: many at once are the same as one after another."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.events import UnitsHeld
from engine.domain.stock.dues import Dues
from engine.domain.units import DIRECT, HoldId
from tests.fakes.books import HERE, A
from tests.fakes.clocks import START


def held(number: int, seconds: int | None) -> UnitsHeld:
    """A hold that runs out so many seconds after the start; None: never."""
    expires_at = None if seconds is None else START + timedelta(seconds=seconds)
    return UnitsHeld(
        at=START, sku=A, hold_id=HoldId(f"h{number}"), parts=((HERE, 1),), expires_at=expires_at, account=DIRECT
    )


@given(steps=st.lists(st.lists(st.one_of(st.none(), st.integers(1, 3)), max_size=6), max_size=4))
def test_dues_added_together_are_those_added_one_by_one(steps: list[list[int | None]]) -> None:
    together, apart = Dues(), Dues()
    number = 0
    for step in steps:
        added = [held(number := number + 1, seconds) for seconds in step]
        together.extend(added)
        for each in added:
            if each.expires_at is not None:
                apart.add(each.expires_at, each)
        assert (together.next_at, len(together)) == (apart.next_at, len(apart))
    while together.next_at is not None:
        assert together.next_at == apart.next_at
        assert together.take_next() == apart.take_next()
        assert len(together) == len(apart)
    assert apart.next_at is None
