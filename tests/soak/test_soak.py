import asyncio
import json
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest

from tests.bench.processes import SERVICES
from tests.soak import __main__ as command
from tests.soak.course import Look, Soak, Timed, soak
from tests.soak.picture import picture
from tests.soak.trend import line, trend
from tests.soak.verdict import HOUR_S, MIB, judge

MINUTE = 60.0


def noise(count: int, seed: int = 1) -> list[float]:
    """Return what wanders: each value is mostly the one before, as memory is."""
    random, values, level = Random(seed), list[float](), 0.0
    for _ in range(count):
        level = 0.8 * level + random.gauss(0.0, 0.05)
        values.append(level)
    return values


def soaked(*, mib_an_hour: float = 0.0, more_descriptors: int = 0, slower_ms: float = 0.0, minutes: int = 10) -> Soak:
    """Return a soak of one service whose memory, descriptors and p99 go on as the test says."""
    seconds = int(minutes * MINUTE)
    looks = [
        Look(
            at_s=float(second),
            service="router",
            rss_bytes=round((100 + mib_an_hour * second / HOUR_S + other) * MIB),
            descriptors=20 + more_descriptors * (second >= 0.75 * seconds),
        )
        for second, other in enumerate(noise(seconds))
    ]
    calls = [
        Timed(at_s=float(second), took_s=(10 + slower_ms * (second // 60) + Random(second).random()) / 1e3)
        for second in range(seconds)
    ]
    return Soak(seconds=float(seconds), looks=looks, calls=calls)


def test_a_line_is_found_through_points_that_lie_on_it() -> None:
    assert line([0, 1, 2, 3], [5, 7, 9, 11]) == pytest.approx((5.0, 2.0))


def test_points_at_one_time_have_no_slope() -> None:
    assert line([2, 2], [1, 3]) == (2.0, 0.0)


def test_the_interval_holds_the_true_slope_of_what_wanders_mostly() -> None:
    times = [float(number) for number in range(120)]
    held = 0
    for seed in range(30):
        found = trend(
            times, [0.01 * time + other for time, other in zip(times, noise(120, seed), strict=True)], Random(1)
        )
        assert found
        held += found.low <= 0.01 <= found.high

    assert held >= 24  # 95 % of many; a bootstrap of ten blocks is a little too sure


def test_the_same_seed_finds_the_same_interval_and_few_samples_none() -> None:
    times, values = [float(number) for number in range(60)], noise(60)

    assert trend(times, values, Random(1)) == trend(times, values, Random(1))
    assert trend(times[:7], values[:7], Random(1)) is None


def test_a_soak_that_stays_flat_falls_short_of_nothing() -> None:
    assert judge(soaked(), Random(1)).falls_short == []


@pytest.mark.parametrize(
    "seen, sentence",
    [
        (soaked(mib_an_hour=60.0), "memory grows by"),
        (soaked(more_descriptors=9), "9 descriptors more"),
        (soaked(slower_ms=5.0), "p99 grows by"),
        (Soak(seconds=600.0, looks=soaked().looks, calls=soaked().calls, failed=2), "2 of 602 calls were not answered"),
        (Soak(seconds=5.0, looks=soaked().looks[:5], calls=soaked().calls[:5]), "too few looks"),
    ],
    ids=["memory", "descriptors", "p99", "failures", "too short"],
)
def test_what_does_not_stay_flat_is_named(seen: Soak, sentence: str) -> None:
    (said,) = judge(seen, Random(1)).falls_short

    assert sentence in said


def test_a_slope_under_the_bound_is_no_leak() -> None:
    (kept,) = judge(soaked(mib_an_hour=4.0), Random(1)).kept

    assert kept.memory
    assert kept.memory.low > 0
    assert [*kept.falls_short] == []


def test_minutes_are_those_in_which_calls_began() -> None:
    seen = soaked(slower_ms=5.0, minutes=5)

    minutes = judge(seen, Random(1)).minutes

    assert [minute.number for minute in minutes] == [1, 2, 3, 4, 5]
    assert [minute.calls for minute in minutes] == [60] * 5
    assert [round(minute.p50_ms / 5) for minute in minutes] == [2, 3, 4, 5, 6]


def test_the_picture_is_xml_and_says_the_slope() -> None:
    seen = soaked(mib_an_hour=60.0)

    drawn = picture(seen, judge(seen, Random(1)))

    assert "MiB an hour" in "".join(ET.fromstring(drawn).itertext())  # noqa: S314 - our own


@pytest.mark.timeout(180)
def test_ten_seconds_of_it_look_at_all_three_services_and_lose_no_call() -> None:
    seen = asyncio.run(soak(seconds=10, rate=5, tell=lambda _: None))

    assert {look.service for look in seen.looks} == {*SERVICES}
    assert len(seen.looks) == 30
    assert (len(seen.calls), seen.failed) == (50, 0)
    assert {kept.service for kept in judge(seen, Random(1)).kept} == {*SERVICES}


@pytest.mark.parametrize("minutes", ["0", "-1", "0.5", "nan", "inf", "some"])
def test_a_soak_that_watches_nothing_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main([f"--minutes={minutes}"])

    assert f"--minutes: it is {minutes}; give 1 or more" in capsys.readouterr().err


@pytest.mark.parametrize("mib_an_hour, code", [(0.0, 0), (60.0, 1)])
def test_the_command_fails_where_something_is_not_flat(
    mib_an_hour: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def soaked_at_once(**_: object) -> Soak:
        return soaked(mib_an_hour=mib_an_hour)

    monkeypatch.setattr(command, "soak", soaked_at_once)

    assert command.main(["--minutes", "10", "--json", "--picture", str(tmp_path / "soak.svg")]) == code

    said = json.loads(capsys.readouterr().out)
    assert said["ok"] is (code == 0)
    assert len(said["minutes"]) == 10
    assert (tmp_path / "soak.svg").exists()
