"""The walk through all offers: every account, in slices, the newest rules last."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import trio
import trio.lowlevel
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actors.reoffer import DRIFT_SECONDS, Reoffer
from engine.actors.slices import Pace, in_slices
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines.listing import Listing
from tests.fakes.clocks import START, NoonClock

LISTINGS = tuple(Listing(ListingId(f"l/{number}"), Sku(f"S{number}"), 1, "") for number in range(100))


class FakeAccount:
    """Takes a moment for each listing, and keeps the order of what it was asked for."""

    def __init__(self, log: list[tuple[str, int]], name: str) -> None:
        self.asked: list[Listing] = []
        self.stirs = 0
        self._log, self._name = log, name

    @property
    def listing_count(self) -> int:
        return len(LISTINGS)

    def listings(self) -> Iterator[Listing]:
        self._log.append((self._name, len(self.asked)))
        return iter(LISTINGS)

    def offer_anew(self, listings: Sequence[Listing]) -> int:
        self.asked += listings
        return len(listings)

    def stir(self) -> None:
        self.stirs += 1


class Walker:
    """The task with two accounts, and what it reported."""

    def __init__(self, turns: Sequence[datetime] = (), *, drifts: bool = False) -> None:
        self.log: list[tuple[str, int]] = []
        self.accounts = {AccountId(name): FakeAccount(self.log, name) for name in ("one", "two")}
        self.told: list[tuple[str, int, int]] = []
        self.reoffer = Reoffer(
            self.accounts,
            clock=NoonClock(),
            next_turn_at=lambda after: min((turn for turn in turns if turn > after), default=None),
            drifts=lambda: drifts,
            listener=self,
        )

    def reoffered(self, reason: str, offers: int, changed: int, seconds: float) -> None:
        assert seconds >= 0
        self.told.append((reason, offers, changed))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.reoffer.run)
            yield
            nursery.cancel_scope.cancel()


async def test_a_request_walks_every_listing_of_every_account_once(autojump_clock: MockClock) -> None:
    walker = Walker()
    async with walker.running():
        walker.reoffer.request("rules")
        assert walker.reoffer.offers_left > 0
        await trio.sleep(10)
        assert [account.asked for account in walker.accounts.values()] == [list(LISTINGS)] * 2
        assert [account.stirs for account in walker.accounts.values()] == [1, 1]
        assert walker.told == [("rules", 200, 200)]
        assert (walker.reoffer.offers_left, walker.reoffer.walks) == (0, 1)
        await trio.sleep(2 * DRIFT_SECONDS)
        assert walker.reoffer.walks == 1


async def test_a_request_during_a_walk_walks_again_what_was_walked_and_starves_nobody(
    autojump_clock: MockClock,
) -> None:
    walker = Walker()
    again = iter(range(5))

    async def edit_after_each_account() -> None:
        for _ in again:
            walker.reoffer.request("rules")
            await trio.lowlevel.checkpoint()

    async with walker.running():
        walker.reoffer.request("rules")
        await edit_after_each_account()
        await trio.sleep(10)
        order = [name for name, _ in walker.log]
        assert order[:2] == ["one", "two"]  # the second account is not put off by edits during the first
        assert all(len(account.asked) >= len(LISTINGS) for account in walker.accounts.values())
        assert walker.reoffer.offers_left == 0


async def test_a_turn_of_the_rules_walks_at_that_instant(autojump_clock: MockClock) -> None:
    walker = Walker([START + timedelta(hours=1), START + timedelta(hours=2)])
    async with walker.running():
        await trio.sleep_until(3599)
        assert walker.told == []
        await trio.sleep_until(3605)
        assert walker.told == [("window", 200, 200)]
        await trio.sleep_until(7205)
        assert len(walker.told) == 2
        await trio.sleep_until(30_000)
        assert len(walker.told) == 2


async def test_offers_that_follow_demand_are_computed_once_an_hour(autojump_clock: MockClock) -> None:
    walker = Walker(drifts=True)
    async with walker.running():
        await trio.sleep(3 * DRIFT_SECONDS + 60)
        assert [reason for reason, _, _ in walker.told] == ["demand"] * 3


async def test_work_rests_when_its_slice_is_used_up_and_does_every_item_once(mock_clock: MockClock) -> None:
    done: list[int] = []

    def work(chunk: Sequence[int]) -> None:
        done.extend(chunk)
        mock_clock.jump(0.0006)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_slices, range(100), work, Pace(slice_seconds=0.001, rest_seconds=0.0005))
        seen = []
        for _ in range(4):
            await wait_all_tasks_blocked()  # it rests: whoever waits for an answer goes first
            seen.append(len(done))
            mock_clock.jump(0.0005)
    assert seen == [32, 64, 96, 100]  # two chunks of sixteen fill a slice
    assert done == list(range(100))
