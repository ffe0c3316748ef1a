"""A person hears of a disk before it is full: by what is left, and by how fast that goes."""

from datetime import timedelta

import pytest

from engine.domain.alerts import AlertKind
from engine.machines.alerts.findings import Findings
from engine.machines.alerts.storage import Room, Storage, StorageTerms
from tests.fakes.clocks import START

GB = 10**9
TERMS = StorageTerms(disk_free_bytes=2 * GB, disk_hours=24.0)


class Watch:
    """Looks every 15 seconds, as the alerter does."""

    def __init__(self) -> None:
        self.findings = Findings(ignored=(), is_known=lambda _: True)
        self.findings.live = True
        self.storage = Storage(self.findings, TERMS)
        self.second = 0.0

    def look(self, free_bytes: float, *, for_seconds: float = 0.0, used_per_hour: float = 0.0) -> str | None:
        """Return the text of the alert that holds after looking for so long."""
        until = self.second + for_seconds
        free = free_bytes
        while True:
            room = Room("/data", int(free))
            self.storage.look(room, START + timedelta(seconds=self.second))
            if self.second >= until:
                break
            self.second += 15
            free -= used_per_hour * 15 / 3600
        noticed = self.findings.take()[AlertKind.DISK, "/data"]
        return None if noticed.ended or noticed.finding is None else noticed.finding.text


def test_little_room_is_told_at_once_and_enough_ends_it() -> None:
    watch = Watch()
    assert watch.look(2 * GB) is None
    told = watch.look(1.9 * GB)
    assert told == "/data: 1.9 GB free; when it is full the daemon stalls: nothing is promised or pushed"
    assert watch.look(2 * GB) is None


@pytest.mark.parametrize(("used_per_hour", "hours"), [(5 * GB, 19), (3.9 * GB, None), (0, None), (-50 * GB, None)])
def test_room_that_will_not_last_a_day_is_told(used_per_hour: float, hours: int | None) -> None:
    told = Watch().look(100 * GB, for_seconds=3600, used_per_hour=used_per_hour)
    assert (told is not None and f"full in {hours} h" in told) if hours else told is None


def test_a_burst_of_a_minute_says_nothing_of_the_pace() -> None:
    watch = Watch()
    assert watch.look(100 * GB, for_seconds=60, used_per_hour=600 * GB) is None
    assert watch.look(90 * GB, for_seconds=3 * 3600) is None


def test_what_was_used_long_ago_is_forgotten() -> None:
    """An hour of samples: an import of last night is not the pace of today."""
    watch = Watch()
    assert watch.look(100 * GB, for_seconds=1800, used_per_hour=40 * GB) is not None
    assert watch.look(80 * GB, for_seconds=3660) is None
