"""What was answered is forgotten by age and for want of room, whoever tells it in whatever order."""

import random
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.stock.answered import Answered, Entry
from engine.domain.units import HoldId, Sku
from tests.fakes.clocks import START

SECONDS, ENTRIES_MAX = 10.0, 5
entries = st.tuples(st.sampled_from("abcdef").map(HoldId), st.sampled_from("AB").map(Sku), st.booleans())
stories = st.lists(st.tuples(st.integers(0, 4), st.lists(entries, unique=True, max_size=8)), max_size=12)


@given(stories, st.randoms(use_true_random=False), st.integers(0, 12))
def test_what_is_forgotten_depends_on_instants_and_names_alone(
    story: list[tuple[int, list[Entry]]], rng: random.Random, cut: int
) -> None:
    first, naive, at = Answered(SECONDS, ENTRIES_MAX), list[tuple[int, Entry]](), 0
    other: Answered | None = None
    for number, (seconds, told) in enumerate(story):
        at += seconds + 1  # a step of a shard is one instant, and the next one is later
        now = START + timedelta(seconds=at)
        for entry in told:
            first.add(now, entry)
            naive.append((at, entry))
            if other is not None:
                other.add(now, entry)
        naive.sort()
        expected = [(when, entry) for when, entry in naive[: max(0, len(naive) - ENTRIES_MAX)]]
        expected += [(when, entry) for when, entry in naive[len(expected) :] if when < at - SECONDS]
        if number == cut:  # told anew, what came at one instant in another order, instants too
            other, known = Answered(SECONDS, ENTRIES_MAX), list(naive)
            rng.shuffle(known)
            for when, entry in known:
                other.add(START + timedelta(seconds=when), entry)
            other.restored()
        would = list(first.forgettable(now))
        forgotten = first.forget(now)
        assert would == forgotten
        flat = [(when, entry) for when, group in forgotten for entry in sorted(group)]
        assert flat == [(START + timedelta(seconds=when), entry) for when, entry in expected]
        if other is not None:
            also = [(when, entry) for when, group in other.forget(now) for entry in sorted(group)]
            assert also == flat
            assert len(other) == len(first)
        naive = naive[len(expected) :]
        assert len(first) == len(naive) <= ENTRIES_MAX
