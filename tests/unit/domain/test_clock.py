"""The machine's own clock."""

from datetime import UTC, timedelta

import pytest

from pointsman.domain.clock import SystemClock


def test_now_is_aware_and_in_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_both_times_run_forward_together() -> None:
    clock = SystemClock()
    wall, monotonic = clock.now(), clock.monotonic()

    wall_s, monotonic_s = (clock.now() - wall) / timedelta(seconds=1), clock.monotonic() - monotonic

    assert monotonic_s >= 0
    assert abs(wall_s - monotonic_s) < 1


@pytest.mark.parametrize("seconds", [0.0, -5.0, 0.001])
async def test_a_sleep_ends(seconds: float) -> None:
    clock = SystemClock()
    before = clock.monotonic()

    await clock.sleep(seconds)

    assert clock.monotonic() - before >= seconds - 0.001
