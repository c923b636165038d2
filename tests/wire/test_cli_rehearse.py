"""`pointsman simulate` as a rehearsal: processes of their own, no sockets."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from pointsman.cli.rehearsal_parts import parts, rehearse_all, rehearse_part
from pointsman.cli.rehearsal_traffic import Invented
from pointsman.cli.rehearse import START
from pointsman.config import load
from tests.fakes.command import pointsman

REFERENCE = str(Path(__file__).parents[2] / "deploy/pointsman.toml")


async def test_days_of_traffic_are_rehearsed_told_to_scripts_and_drawn(tmp_path: Path) -> None:
    drawing = tmp_path / "day.svg"

    finished = await pointsman(
        "simulate", "-c", REFERENCE, "--days", "4", "--rps", "0.01", "--json", "--picture", str(drawing)
    )

    assert (finished.code, finished.err) == (0, "")
    told = finished.json()
    assert (told["ok"], told["simulated"], told["falls_short"]) == (True, True, [])
    assert told["figures"]["days"] == 4
    assert told["figures"]["requests"] == pytest.approx(4 * 864, rel=0.1)
    assert ET.fromstring(drawing.read_text(encoding="utf-8")).tag.endswith("svg")  # noqa: S314 - our own


async def test_people_read_that_the_providers_are_simulated() -> None:
    finished = await pointsman("simulate", "-c", REFERENCE, "--rps", "0.001", "--mix", "quick=3,coding=1")

    assert finished.code == 0
    assert finished.out.startswith("Rehearsed: the providers are SIMULATED and enforce the limits of your settings")
    assert "calls per request\t1.000" in finished.out


async def test_recorded_traffic_that_finds_nobody_falls_short(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    row = {"at": 0, "category": "quick", "input_tokens": 3_000_000, "output_tokens": 10}
    file.write_text(json.dumps(row), encoding="utf-8")

    finished = await pointsman("simulate", "-c", REFERENCE, "--traffic", str(file), "--json")

    assert finished.code == 1
    assert finished.json()["falls_short"] == ["1 of 1 requests found nobody to answer them"]
    assert finished.err == "pointsman: the rehearsal fell short: 1 of 1 requests found nobody to answer them\n"


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        pytest.param(("--mix", "poems=1"), "there is no pool 'poems'", id="no such pool"),
        pytest.param(("--days", "1", "--port", "0"), "--scenario and --fault are for serving", id="serving too"),
        pytest.param(("--picture", "/nowhere/day.svg"), "there is no folder /nowhere", id="nowhere to draw"),
    ],
)
async def test_what_cannot_be_rehearsed_is_said(arguments: tuple[str, ...], complaint: str) -> None:
    finished = await pointsman("simulate", "-c", REFERENCE, *arguments)

    assert finished.code == 2
    assert complaint in finished.err
    assert "Traceback" not in finished.err


def test_two_processes_give_the_figures_of_one() -> None:
    settings = load(Path(REFERENCE), environ={})
    traffic = Invented(rps=0.02, mix={"quick": 2, "coding": 1}, days=4, seed=1)
    halves = parts(settings, traffic, start=START, seed=1)
    told: list[float] = []

    one = rehearse_part(replace(halves[0], until_s=halves[-1].until_s), told.append)
    two = rehearse_all(halves, told.append)

    assert len(halves) == 2
    assert (two.requests, two.calls, two.days) == (one.requests, one.calls, one.days)
    assert {name: line.answered for name, line in two.lines.items()} == {
        name: line.answered for name, line in one.lines.items()
    }
    assert two.cost_usd == pytest.approx(one.cost_usd, rel=0.01)
    assert two.duration_s == pytest.approx(one.duration_s, rel=0.01)
