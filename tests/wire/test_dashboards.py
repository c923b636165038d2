"""Dashboards and alerts against a real stack: every query parses, and names only what a scrape under traffic shows."""

import asyncio
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs in the lock

from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.simulator.simulation import Simulation
from pointsman.telemetry import instruments
from pointsman.telemetry.metrics import REGISTER, one_hot
from pointsman.telemetry.page import serving
from pointsman.telemetry.process import observed
from pointsman.v1 import types_pb2 as pb
from pointsman_client import Client
from tests import metrics_table
from tests.dashboards import BOARDS, FOLDER, written
from tests.fakes.hops import running

ALERTS = FOLDER.parent / "alerts"
OF_PROMETHEUS = {"up"}
FUNCTIONS = {
    "sum", "min", "rate", "increase", "histogram_quantile", "by", "on", "group_left", "or",
}  # fmt: skip

NAME = re.compile(r"\b[a-z_][a-z0-9_]*\b")


def queries_of_boards() -> Iterator[tuple[str, str]]:
    for path in sorted(FOLDER.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def queries_of_alerts() -> Iterator[tuple[str, str]]:
    document: dict[str, Any] = yaml.safe_load((ALERTS / "pointsman.yaml").read_text())
    for group in document["groups"]:
        for rule in group["rules"]:
            yield f"alert: {rule['alert']}", rule["expr"]


QUERIES = [*queries_of_boards(), *queries_of_alerts()]


def named(query: str) -> set[str]:
    """Return the metrics that a query names: what is left without labels, ranges, words of the language."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on|group_left) \([^)]*\)", " ", query)
    return set(NAME.findall(bare)) - FUNCTIONS


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    assert found
    return found


@pytest.fixture
async def page(settings: Settings, simulation: Simulation) -> str:
    """Return what a real stack shows after a little of everything: answers, a stream, a limit that was hit."""
    clock = SystemClock()
    with REGISTER.recording(), serving("127.0.0.1:0", "telemetry.metrics.up", REGISTER) as url:
        # What this stack does not have, or does not meet: a small model, lost lines and spans, a price nobody knows.
        REGISTER.observe(lambda: one_hot(instruments.MODEL_HOP_STATE, ("ready",), "ready"))
        REGISTER.observe(lambda: [instruments.LOG_LINES_LOST.at(0)])
        instruments.SPANS_DROPPED.add(0)
        instruments.UNPRICED.add(0, "openai/gpt-4")
        instruments.LOOP_LAG.record(0.0)
        async with observed(settings_hash=lambda: "abc", clock=clock), running(settings, clock=clock) as stack:
            async with Client(stack.addresses["router"]) as client:
                for text in ("2+2는?", "Write a bash loop", "2+2는?"):
                    await client.route(text)
                simulation.down("gemini")
                simulation.down("anthropic")
                await client.route("What is the capital of France?", category="quick")
                await client.route("Keep this here", options=pb.Options(local_only=True))
                async with client.stream("Tell me a story") as stream:
                    async for _ in stream:
                        pass
            return await asyncio.to_thread(read, url)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own page
        text: str = answer.read().decode()
    return text


def shown(page: str) -> set[str]:
    return {re.split(r"[{ ]", line)[0] for line in page.splitlines() if not line.startswith("#")}


def test_the_table_of_metrics_is_what_the_instruments_say() -> None:
    assert metrics_table.FILE.read_text() == metrics_table.written(), "run `python -m tests.metrics_table`"


@pytest.mark.parametrize("name", BOARDS)
def test_the_files_are_what_the_table_of_panels_writes(name: str) -> None:
    assert (FOLDER / f"{name}.json").read_text() == written(name), "run `python -m tests.dashboards`"


def test_every_query_names_what_a_stack_shows(page: str) -> None:
    known = shown(page) | OF_PROMETHEUS

    unknown = {place: sorted(named(query) - known) for place, query in QUERIES if named(query) - known}

    assert unknown == {}


@pytest.mark.needs_promtool
def test_promtool_finds_nothing_wrong_with_the_page_of_a_stack(page: str, promtool: str) -> None:
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.needs_promtool
def test_every_query_of_a_dashboard_parses(promtool: str, tmp_path: Path) -> None:
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "1m").replace("$__range", "1h")}
        for number, (_, query) in enumerate(queries_of_boards())
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    checked = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


@pytest.mark.needs_promtool
def test_each_alert_fires_when_it_must_and_not_in_calm_traffic(promtool: str) -> None:
    checked = subprocess.run(
        [promtool, "test", "rules", "pointsman.test.yaml"], cwd=ALERTS, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load((ALERTS / "pointsman.test.yaml").read_text())["tests"]

    alerts = {place.removeprefix("alert: ") for place, _ in queries_of_alerts()}
    assert {test["name"] for test in tests} == alerts | {f"{alert} in calm traffic" for alert in alerts}
