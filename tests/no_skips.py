"""Pytest plugin: a test whose tool is missing is skipped with advice; POINTSMAN_NO_SKIP=1 turns skips into failures."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

BACKEND_PYTHON = Path(__file__).parents[1] / ".venv-backend/bin/python"

TOOLS = {
    "needs_backend": ((str(BACKEND_PYTHON),), "make backend"),
    "needs_chromium": (("chromium", "chromium-browser", "google-chrome"), "apt-get install chromium"),
    "needs_grpcurl": (
        ("grpcurl",),
        "brew install grpcurl, or go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3",
    ),
    "needs_postgres": (("postgres", "pg_ctlcluster"), "apt-get install postgresql, or brew install postgresql"),
    "needs_promtool": (("promtool",), "apt-get install prometheus, or brew install prometheus"),
    "needs_redis": (("redis-server",), "apt-get install redis-server, or brew install redis"),
}
"""Marker -> the commands of which one must be on PATH, or there, and how to get it."""

NO_SKIP = os.environ.get("POINTSMAN_NO_SKIP", "") not in {"", "0"}  # noqa: TID251 - a switch of the test run, no setting


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose marker names a tool that this machine lacks, before any fixture is built."""
    for marker, (commands, advice) in TOOLS.items():
        if item.get_closest_marker(marker) and not any(map(shutil.which, commands)):
            pytest.skip(f"{commands[0]} is not there; get it with: {advice}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure. An expected failure, which pytest reports as a skip too, stays one."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole file into a failure."""
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIP and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"POINTSMAN_NO_SKIP=1 allows no skips: {_reason(report.longrepr)}"


def _reason(longrepr: object) -> str:
    match longrepr:
        case (_, _, str(reason)):
            return reason
        case _:
            return str(longrepr)
