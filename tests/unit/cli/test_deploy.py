"""The files in deploy/ fit the command line and the settings. Docker and launchd do not run here, so they are read."""

import json
import plistlib
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs in the lock
from typer.testing import CliRunner

from pointsman.cli.commands import app
from pointsman.cli.readiness import key_variables
from pointsman.config import Settings, load

DEPLOY = Path(__file__).parents[3] / "deploy"
OTLP = "POINTSMAN__TELEMETRY__OTLP_ENDPOINT"
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


def test_compose_is_what_the_specification_allows() -> None:
    # The schema comes with check-jsonschema, so that this needs no network.
    command = ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]

    checked = subprocess.run(
        [Path(sys.executable).parent / command[0], *command[1:]], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout


def test_compose_starts_each_service_once(compose: dict[str, Any]) -> None:
    started = {name: service for name, service in compose["services"].items() if "profiles" not in service}

    assert {name: service["command"] for name, service in started.items()} == {room: ["serve", room] for room in ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_compose_waits_until_a_service_has_stopped(room: str, compose: dict[str, Any], reference: Settings) -> None:
    found = re.fullmatch(r"(\d+)s", compose["services"][room]["stop_grace_period"])

    assert found
    assert int(found[1]) > getattr(reference, room).grace_s


def test_only_the_executor_is_handed_keys_and_it_is_handed_all(compose: dict[str, Any], reference: Settings) -> None:
    environments = {name: set(service.get("environment", ())) for name, service in compose["services"].items()}

    variables = set(key_variables(reference).values())
    assert environments["executor"] & variables == variables
    assert [name for name, given in environments.items() if given & variables] == ["executor"]


def test_compose_holds_no_key(compose: dict[str, Any], reference: Settings) -> None:
    environment = compose["services"]["executor"]["environment"]

    assert [name for name in key_variables(reference).values() if environment[name] is not None] == []


def test_the_image_copies_only_what_is_there_and_runs_as_nobody_special() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()

    copies = [line.split()[1:-1] for line in lines if line.startswith("COPY ") and "--from" not in line]
    assert [source for sources in copies for source in sources if not (DEPLOY.parent / source).exists()] == []
    assert "USER pointsman" in lines


def test_compose_shows_the_metrics_of_each_service_where_prometheus_looks(compose: dict[str, Any]) -> None:
    environment = compose["services"]["router"]["environment"]
    overrides = {name: value for name, value in environment.items() if name.startswith("POINTSMAN__")}
    shown = load(DEPLOY / "pointsman.toml", environ=overrides | {OTLP: ""}).telemetry.metrics

    (job,) = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]

    assert job["static_configs"][0]["targets"] == [getattr(shown, room) for room in ROOMS]


def test_everything_that_compose_mounts_is_there(compose: dict[str, Any]) -> None:
    mounts = [volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())]

    files = [mount for mount in mounts if mount.startswith("./")]
    assert [mount for mount in files if not (DEPLOY / mount).exists()] == []
    assert {mount for mount in mounts if mount not in files} == set(compose["volumes"])


def test_every_image_of_an_observer_has_a_version_and_listens_on_this_machine_only(compose: dict[str, Any]) -> None:
    observers = {name: each for name, each in compose["services"].items() if each.get("profiles") == ["observe"]}

    assert set(observers) == {"collector", "jaeger", "prometheus", "grafana"}
    assert [name for name, each in observers.items() if not re.search(r":v?\d+\.\d+\.\d+$", each["image"])] == []
    said = json.dumps(observers) + (DEPLOY / "otel-collector.yaml").read_text()
    assert "0.0.0.0" not in said  # noqa: S104 - looked for, not bound


def test_the_collector_uses_all_that_it_defines_and_defines_all_that_it_uses() -> None:
    config = yaml.safe_load((DEPLOY / "otel-collector.yaml").read_text())

    for kind in ("receivers", "processors", "exporters"):
        used = {name for pipeline in config["service"]["pipelines"].values() for name in pipeline[kind]}
        assert used == set(config[kind])


def test_grafana_is_told_of_the_source_that_the_dashboards_name() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/datasources/pointsman.yaml").read_text())["datasources"]
    boards = [json.loads(path.read_text()) for path in (DEPLOY / "dashboards").glob("*.json")]

    named = {panel["datasource"]["uid"] for board in boards for panel in board["panels"]}
    assert named <= {source["uid"] for source in sources}
