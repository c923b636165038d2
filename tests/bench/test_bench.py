import json
import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from rich.table import Table

from tests.bench import __main__ as bench
from tests.bench import growth, ledger, start, telemetry, waiting
from tests.bench import verdict as verdicts
from tests.bench.findings import Effort, Findings, verdict
from tests.bench.journal_rows import written_us

HELD = {
    "ledger_cpu_us_worst": 29.9,
    "ledger_redis_round_trips_a_reserve": 1.0,
    "ledger_redis_round_trips_a_settle": 1.0,
}


def found(*short: str, skipped: tuple[str, ...] = ()) -> Findings:
    return Findings(tables=(Table("what"),), figures={"figure": 1.23456}, falls_short=short, skipped=skipped)


@pytest.mark.needs_redis
def test_the_ledger_is_measured_in_memory_and_on_the_wire() -> None:
    measured = ledger.measure(Effort(rounds=1, calls=16, tokens=1, seconds=1))

    assert measured.skipped == ()
    assert measured.figures["ledger_redis_calls"] == 16
    assert measured.figures["ledger_redis_round_trips_a_reserve"] == 1
    assert measured.figures["ledger_redis_round_trips_a_settle"] == 1
    assert min(measured.figures.values()) > 0


def test_without_a_redis_server_its_part_is_left_out_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    measured = ledger.measure(Effort(rounds=1, calls=16, tokens=1, seconds=1))

    assert "redis-server is not on PATH" in measured.skipped[0]
    assert not any("redis" in name for name in measured.figures)


def test_figures_within_their_bounds_fall_short_of_nothing() -> None:
    assert ledger.falls_short(HELD) == []


@pytest.mark.parametrize(
    "figure, value, sentence",
    [
        ("ledger_cpu_us_worst", 30.2, "a reserve and its settle in memory take 30.2 µs of CPU, promised 30"),
        (
            "ledger_redis_round_trips_a_reserve",
            1.004,
            "a reserve takes 1.004 round trips with Redis, promised exactly one",
        ),
        (
            "ledger_redis_round_trips_a_settle",
            0.5,
            "a settle takes 0.500 round trips with Redis, promised exactly one",
        ),
    ],
)
def test_a_bound_that_does_not_hold_is_named(figure: str, value: float, sentence: str) -> None:
    assert ledger.falls_short(HELD | {figure: value}) == [sentence]


def test_what_was_not_measured_is_not_judged() -> None:
    assert ledger.falls_short({"ledger_cpu_us_worst": 10.0}) == []


@pytest.mark.parametrize(
    "slower, more_cpu, short",
    [(0.05, 0.30, 0), (0.051, 0.0, 1), (0.0, 0.31, 1), (0.1, 0.4, 2)],
)
def test_telemetry_that_costs_more_than_promised_falls_short(slower: float, more_cpu: float, short: int) -> None:
    figures = {"telemetry_scraped_slower": slower, "telemetry_sampled_more_cpu": more_cpu}

    assert len(telemetry.falls_short(figures)) == short


def test_a_verdict_within_its_bounds_falls_short_of_nothing() -> None:
    assert verdicts.falls_short({"verdict_all_p50_ms": 0.3, "verdict_all_p99_ms": 2.0}) == []


@pytest.mark.parametrize(
    "figure, value, sentence",
    [
        ("verdict_all_p50_ms", 0.31, "a verdict takes 0.310 ms at p50, promised 0.3"),
        ("verdict_all_p99_ms", 2.5, "a verdict takes 2.500 ms at p99, promised 2.0"),
    ],
)
def test_a_verdict_that_takes_too_long_is_named(figure: str, value: float, sentence: str) -> None:
    held = {"verdict_all_p50_ms": 0.1, "verdict_all_p99_ms": 1.0}

    assert verdicts.falls_short(held | {figure: value}) == [sentence]


def test_verdicts_are_measured_in_this_process_and_over_the_wire() -> None:
    measured = verdicts.measure(Effort(rounds=1, calls=16, tokens=1, seconds=1))

    assert min(measured.figures.values()) > 0
    assert {"verdict_rpc_p99_ms", "verdict_ko_long_cpu_us"} <= measured.figures.keys()


@pytest.mark.parametrize(
    "figure, value, sentence",
    [
        ("start_help_s", 0.31, "pointsman --help takes 0.31 s, promised 0.3"),
        ("start_one_s", 1.6, "pointsman up answers after 1.60 s, promised 1.5"),
        ("start_one_loaded_rss_mib", 151.0, "the whole stack holds 151 MiB after load, promised 150"),
    ],
)
def test_a_start_beyond_its_bound_is_named(figure: str, value: float, sentence: str) -> None:
    held = {"start_help_s": 0.3, "start_one_s": 1.5, "start_one_loaded_rss_mib": 150.0}

    assert start.falls_short(held) == []
    assert start.falls_short(held | {figure: value}) == [sentence]


@pytest.mark.parametrize(
    "figure, value, sentence",
    [
        ("p50_ms_64", 111.0, "up: 64 callers wait 111 ms at p50, promised 110"),
        ("rate_256", 530.0, "up: 256 callers get 88% of what 64 get a second, promised 90%"),
        ("errors", 3.0, "up: 3 calls were not answered rightly"),
    ],
)
def test_callers_that_wait_too_long_are_named(figure: str, value: float, sentence: str) -> None:
    held = {"p50_ms_64": 105.0, "rate_64": 600.0, "rate_256": 600.0, "errors": 0.0}

    assert [*waiting.falls_short({"up": held})] == []
    assert [*waiting.falls_short({"up": held | {figure: value}})] == [sentence]


def test_what_grows_too_much_is_named() -> None:
    line = growth.Line(name="pools", unit="an Execute", sizes=(5, 50, 500), costs_us=(100, 110, 121), most=1.3)

    assert line.exponent == pytest.approx(math.log10(1.1))
    assert [*growth.falls_short([line])] == []
    assert [*growth.falls_short([replace(line, most=1.2)])] == ["pools: 500 cost 1.21 × what 5 do, promised 1.2 ×"]


def test_a_journal_with_many_rows_is_measured(tmp_path: Path) -> None:
    file = tmp_path / "journal.sqlite"

    assert written_us(file, 1_000, rounds=2) > 0

    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM requests").fetchone() == (1 + 1_000 + 2 * 100,)
        assert connection.execute("SELECT COUNT(*) FROM attempts").fetchone() == (2 * (1 + 1_000 + 2 * 100),)


def test_the_figures_go_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SECTIONS", {"one": lambda effort: found()})

    bench.main(["--only", "one", "--out", str(tmp_path / "new" / "bench.json")])

    assert json.loads((tmp_path / "new" / "bench.json").read_text()) == verdict([found()])


def test_the_verdict_is_that_of_all_sections() -> None:
    said = verdict([found(), found("a bound", skipped=("a part",))])

    assert said == {"ok": False, "figures": {"figure": 1.235}, "falls_short": ["a bound"], "skipped": ["a part"]}


@pytest.mark.parametrize("short, code", [((), 0), (("a bound",), 1)])
def test_the_command_runs_the_chosen_sections_and_fails_when_a_bound_does(
    short: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "SECTIONS", {"one": lambda effort: found(*short), "other": lambda effort: found("b")})

    assert bench.main(["--only", "one", "--json"]) == code

    printed = capsys.readouterr()
    assert json.loads(printed.out) == verdict([found(*short)])
    assert "what" in printed.err
