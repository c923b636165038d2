"""The files in deploy/ fit the command line and the settings. Docker and launchd do not run here, so they are read."""

import plistlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs in the lock
from typer.testing import CliRunner

from pointsman.cli.commands import app
from pointsman.cli.readiness import key_places
from pointsman.config import Settings, load

DEPLOY = Path(__file__).parents[3] / "deploy"
ROOMS = ("router", "classifier", "executor")


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(DEPLOY / "pointsman.toml", environ={})


@pytest.fixture(scope="module")
def job() -> dict[str, Any]:
    document: dict[str, Any] = plistlib.loads((DEPLOY / "launchd/dev.pointsman.up.plist").read_bytes())
    return document


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return document


def test_the_launchd_job_runs_a_command_that_exists(job: dict[str, Any]) -> None:
    *_, command = job["ProgramArguments"][-1].split("exec ")

    program, *arguments = shlex.split(command)

    assert program == ".venv/bin/pointsman"
    assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


def test_launchd_waits_until_all_three_services_have_stopped(job: dict[str, Any], reference: Settings) -> None:
    assert job["ExitTimeOut"] > sum(getattr(reference, room).grace_s for room in ROOMS)


def test_no_key_stands_in_the_launchd_job(job: dict[str, Any]) -> None:
    assert "EnvironmentVariables" not in job


def test_compose_starts_each_service_once(compose: dict[str, Any]) -> None:
    assert {name: service["command"] for name, service in compose["services"].items()} == {
        room: ["serve", room] for room in ROOMS
    }


@pytest.mark.parametrize("room", ROOMS)
def test_compose_waits_until_a_service_has_stopped(room: str, compose: dict[str, Any], reference: Settings) -> None:
    found = re.fullmatch(r"(\d+)s", compose["services"][room]["stop_grace_period"])

    assert found
    assert int(found[1]) > getattr(reference, room).grace_s


def test_only_the_executor_is_handed_keys_and_it_is_handed_all(compose: dict[str, Any], reference: Settings) -> None:
    environments = {name: set(service["environment"]) for name, service in compose["services"].items()}

    variables = set(key_places(reference).values())
    assert environments["executor"] == variables | {"POINTSMAN_CONFIG"}
    assert environments["router"] == environments["classifier"] == {"POINTSMAN_CONFIG"}


def test_compose_holds_no_key(compose: dict[str, Any], reference: Settings) -> None:
    environment = compose["services"]["executor"]["environment"]

    assert [name for name in key_places(reference).values() if environment[name] is not None] == []


def test_the_image_copies_only_what_is_there_and_runs_as_nobody_special() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()

    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert [source for sources in copies for source in sources if not (DEPLOY.parent / source).exists()] == []
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert not any(line.startswith(("VOLUME", "EXPOSE")) for line in lines)
