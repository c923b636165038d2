"""A short run of the real thing, and what the command makes of a run."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos.course import Evidence, Plan, run
from tests.chaos.outage import Fault
from tests.chaos.report import judge, reproduction

SHORT = Plan(seed=23, seconds=15.0, rate=6.0, only=(Fault.KILL, Fault.REPLIES, Fault.RESET), pause_s=(1.0, 2.5))


@pytest.mark.needs_redis
@pytest.mark.timeout(300)
async def test_every_invariant_holds_over_a_short_run(tmp_path: Path) -> None:
    told = list[str]()

    seen = await run(SHORT, tell=told.append, folder=tmp_path / "run")

    assert {outage.fault for outage in seen.outages} == {*SHORT.only}
    assert len(seen.records) > 30
    assert [(each.name, each.worst, each.examples) for each in judge(seen) if not each.holds] == []
    assert sum("kill" in line or "re" in line for line in told) >= 3


def evidence(plan: Plan = SHORT) -> Evidence:
    plain: dict[str, Any] = {
        "plan": plan, "faults": (), "outages": (), "records": (), "calls": (), "attempts": (), "dropped": 0,
        "samples": (), "uses": (), "stalls": (), "spans": (), "lives": (), "cries": (), "lines": 0, "whole_s": 1.0,
        "why_not_whole": "",
    }  # fmt: skip
    return Evidence(**plain)


def test_the_command_fails_where_an_invariant_does_and_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ran(plan: Plan, **_: object) -> Evidence:
        return evidence(plan=plan)

    monkeypatch.setattr(chaos, "run", ran)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/redis-server")

    code = chaos.main(["--seed", "7", "--minutes", "0.5", "--only", "kill", "--json"])

    printed = capsys.readouterr()
    said = json.loads(printed.out)
    assert (code, said["ok"]) == (1, False)
    assert said["reproduce"] == 'make chaos ARGS="--seed 7 --minutes 0.5 --only kill"'
    assert "broken: one answer or one error" in printed.err
    assert said["reproduce"] in printed.err


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "some"])
def test_chaos_in_which_nothing_happens_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        chaos.main([f"--minutes={minutes}"])

    assert f"--minutes: it is {minutes}; give more than 0" in capsys.readouterr().err


def test_without_redis_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(SystemExit, match="redis-server is not on PATH"):
        chaos.main([])


def test_a_run_is_named_by_its_seed() -> None:
    again = reproduction(evidence(plan=Plan(seed=3, seconds=180.0, rate=6.0)))

    assert again == 'make chaos ARGS="--seed 3 --minutes 3"'
