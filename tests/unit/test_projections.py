"""Who hears of which events, live and in replay."""

import pytest

from engine.actors.projections import Projections
from engine.domain.events import AccountPaused, AccountResumed, Event
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

PAUSED = AccountPaused(at=START, account=SHOP, reason="x")
RESUMED = AccountResumed(at=START, account=SHOP)


@pytest.mark.parametrize(
    ("live", "replayed", "heard"),
    [(True, True, [1, 2]), (True, False, [2]), (False, True, [1]), (False, False, [])],
)
def test_a_keeper_hears_of_its_kinds_when_it_wants_to(live: bool, replayed: bool, heard: list[int]) -> None:
    told: list[tuple[int, Event]] = []
    projections = Projections()
    projections.add((AccountPaused,), lambda *each: told.append(each), live=live, replayed=replayed)
    for event in (PAUSED, RESUMED):
        projections.replay(1, event)
    projections.committed(2, [RESUMED, PAUSED])
    assert told == [(position, PAUSED) for position in heard]


def test_keepers_of_a_kind_hear_in_the_order_they_asked() -> None:
    told: list[str] = []
    projections = Projections()
    projections.add((AccountPaused,), lambda *_: told.append("first"))
    projections.add((AccountPaused, AccountResumed), lambda *_: told.append("second"))
    projections.committed(1, [PAUSED, RESUMED])
    assert told == ["first", "second", "second"]
