"""Waits grow, spread, and end."""

import random

from engine.machines.backoff import Backoff

BACKOFF = Backoff(seconds=1, seconds_max=60)


def test_waits_are_drawn_from_a_doubling_range_with_a_ceiling() -> None:
    rng = random.Random(0)
    longest = [max(BACKOFF.wait_seconds(tries, rng) for _ in range(500)) for tries in (1, 2, 3, 10, 10_000)]
    for seen, ceiling in zip(longest, (1, 2, 4, 60, 60), strict=True):
        assert 0.9 * ceiling < seen <= ceiling
    shortest = min(BACKOFF.wait_seconds(10, rng) for _ in range(500))
    assert shortest < 1  # full jitter: a wave of failures does not come back as a wave


def test_the_peer_is_heard_but_cannot_park_us_for_a_week() -> None:
    rng = random.Random(0)
    assert BACKOFF.wait_seconds(1, rng, retry_after_seconds=30) == 30
    assert BACKOFF.wait_seconds(1, rng, retry_after_seconds=7 * 86_400) == 3600
