"""Who asks one thing after another is waited for awake, for a moment and not for ever."""

from collections.abc import Sequence

from ops.socket.haste import AWAKE_SECONDS, TOGETHER_SECONDS, Haste


class Clients:
    """One client that asks again a while after each answer, and a clock that every look moves on."""

    def __init__(self, asks_after: float, look_seconds: float = AWAKE_SECONDS / 8) -> None:
        self.now = 100.0
        self.looks = 0
        self.asks_after = asks_after
        self._look_seconds = look_seconds
        self._asks_at = 0.0

    def clock(self) -> float:
        return self.now

    def look(self) -> Sequence[str]:
        self.looks += 1
        self.now += self._look_seconds
        return ["client"] if self.now >= self._asks_at else []

    def answer(self, seconds: float = 0.0) -> None:
        """Have a turn of this length."""
        self.now += seconds
        self._asks_at = self.now + self.asks_after

    def sleep(self) -> None:
        """Let the loop wait until it asks."""
        self.now = max(self.now, self._asks_at)


def be_hasty(clients: Clients, haste: Haste[str]) -> None:
    """Ask twice in haste, so that the second time is waited for."""
    for found in (False, True):
        clients.sleep()
        assert haste.wake()
        clients.answer()
        assert bool(haste.stay()) is found


def test_a_client_that_comes_back_at_once_is_waited_for_awake() -> None:
    clients = Clients(asks_after=AWAKE_SECONDS / 2)
    haste = Haste[str](clients.look, clients.clock)
    assert haste.wake()
    clients.answer()
    assert not haste.stay(), "it has not been in haste yet"
    clients.sleep()
    assert haste.wake()
    clients.answer()
    assert haste.stay()


def test_a_client_that_takes_its_time_costs_one_look() -> None:
    clients = Clients(asks_after=1.0)
    haste = Haste[str](clients.look, clients.clock)
    for _ in range(3):
        clients.sleep()
        assert haste.wake()
        clients.answer()
        assert not haste.stay()
    assert clients.looks == 3


def test_one_that_stays_away_for_once_is_waited_for_no_longer_than_it_may_take() -> None:
    clients = Clients(asks_after=AWAKE_SECONDS / 2)
    haste = Haste[str](clients.look, clients.clock)
    be_hasty(clients, haste)
    clients.asks_after = 1.0
    clients.answer()
    left_at = clients.now
    assert not haste.stay()
    assert AWAKE_SECONDS <= clients.now - left_at < 1.2 * AWAKE_SECONDS
    clients.sleep()
    assert haste.wake()
    looks = clients.looks
    assert not haste.stay()
    assert clients.looks == looks, "it took its time"


def test_others_run_after_a_few_turns_however_hasty_the_client() -> None:
    clients = Clients(asks_after=AWAKE_SECONDS / 2)
    haste = Haste[str](clients.look, clients.clock)
    be_hasty(clients, haste)
    turn_seconds, turns = TOGETHER_SECONDS / 10, 0
    woke_at = clients.now
    clients.answer(turn_seconds)
    while haste.stay():
        clients.answer(turn_seconds)
        turns += 1
    assert 5 <= turns <= 10
    assert clients.now - woke_at < TOGETHER_SECONDS + turn_seconds + AWAKE_SECONDS
