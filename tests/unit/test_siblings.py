"""Who may show the last units: the one account that is still open, and nobody while a sibling may sell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.units import AccountId, Sku
from engine.machines.siblings import Siblings
from tests.fakes.rules import MARKET, SHOP, A, B

THIRD = AccountId("third")
ACCOUNTS = (SHOP, MARKET, THIRD)


class Board:
    """The siblings of three accounts, and who was told to look again."""

    def __init__(self, *allowed: AccountId) -> None:
        self.siblings = Siblings(ACCOUNTS, lambda _sku, account: account in allowed)
        self.told: list[tuple[Sku, AccountId]] = []
        self.siblings.retouch = lambda sku, account: self.told.append((sku, account))

    def note(self, account: AccountId, state: str) -> None:
        self.siblings.note(A, account, selling=state != "none", dark=state == "dark")

    @property
    def last(self) -> list[AccountId]:
        return [account for account in ACCOUNTS if self.siblings.last_open(A, account)]


def test_the_one_still_open_gets_the_last_units_when_all_others_are_verified_at_zero() -> None:
    board = Board(*ACCOUNTS)
    for account in ACCOUNTS:
        board.note(account, "lit")
    board.note(SHOP, "dark")
    assert board.last == []
    board.note(MARKET, "dark")
    assert board.last == [THIRD]
    assert board.told == [(A, THIRD)]
    board.note(SHOP, "lit")  # its offer rose, or it drifted: from now on it may sell
    assert board.last == []
    assert board.told == [(A, THIRD), (A, THIRD)]
    assert not board.siblings.last_open(B, THIRD)


def test_when_all_are_at_zero_the_first_whose_rule_allows_it_opens_and_stays_open() -> None:
    board = Board(MARKET, THIRD)
    for account in ACCOUNTS:
        board.note(account, "dark")
    assert board.last == [MARKET]
    board.note(MARKET, "lit")
    assert board.last == [MARKET]
    board.note(MARKET, "dark")
    assert board.last == [MARKET]
    assert board.told == [(A, MARKET)]  # never back and forth


def test_a_sku_that_one_account_sells_keeps_its_buffer() -> None:
    """It is there for the direct account: nobody said that nobody else sells."""
    board = Board(*ACCOUNTS)
    board.note(SHOP, "dark")
    assert board.last == []
    board.note(MARKET, "dark")
    assert board.last == [SHOP]
    board.note(MARKET, "none")
    assert board.last == []


def test_a_rule_that_does_not_allow_it_keeps_the_buffer_until_it_is_edited() -> None:
    allowed: set[AccountId] = set()
    siblings = Siblings(ACCOUNTS, lambda _sku, account: account in allowed)
    siblings.note(A, SHOP, selling=True, dark=True)
    siblings.note(A, MARKET, selling=True, dark=False)
    assert not siblings.last_open(A, MARKET)
    allowed.add(MARKET)
    siblings.review(A)
    assert siblings.last_open(A, MARKET)


@given(
    steps=st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(["none", "lit", "dark"])), max_size=25),
    allowed=st.sets(st.sampled_from(ACCOUNTS)),
)
@pytest.mark.parametrize("account", ACCOUNTS)
def test_nobody_shows_the_last_units_while_another_may_sell(
    account: AccountId, steps: list[tuple[AccountId, str]], allowed: set[AccountId]
) -> None:
    board = Board(*sorted(allowed))
    states = dict.fromkeys(ACCOUNTS, "none")
    for who, state in steps:
        board.note(who, state)
        states[who] = state
        if account in board.last:
            others = [state for other, state in states.items() if other != account]
            assert "lit" not in others
            assert "dark" in others
            assert account in allowed
        assert len(board.last) <= 1
