"""What is installed, and what happens when it is imported."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements/dev.lock").read_text(encoding="utf-8")
HEAVY = {"aiohttp", "httpx", "ollama", "opentelemetry.sdk", "orjson", "redis", "rich", "structlog", "typer", "uvloop"}

PROBE = """
import sys
seen = []
WRITES = 0o3 | 0o100  # O_WRONLY, O_RDWR, O_CREAT
def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.fork", "os.exec")):
        seen.append(event)
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
        seen.append(f"open for writing {arguments[0]}")
sys.addaudithook(watch)
import MODULE
import json, threading
print(json.dumps({
    "events": seen,
    "threads": threading.active_count(),
    "modules": sorted(sys.modules),
}))
"""


def imported(module: str) -> dict[str, Any]:
    """Return what happens in a fresh process that imports a module."""
    probe = PROBE.replace("MODULE", module)
    finished = subprocess.run(
        [sys.executable, "-B", "-c", probe], check=True, capture_output=True, text=True, cwd=ROOT, timeout=30
    )
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


@pytest.mark.parametrize("module", ["pointsman", "pointsman_client"])
def test_an_import_reaches_nobody_and_loads_nothing_heavy(module: str) -> None:
    found = imported(module)

    assert found["events"] == []
    assert found["threads"] == 1
    assert HEAVY & set(found["modules"]) == set()


@pytest.mark.parametrize(
    "module", ["pointsman.router.app", "pointsman.classifier.app", "pointsman.executor.app", "pointsman.cli.commands"]
)
def test_an_import_of_a_service_writes_nothing_and_connects_to_nobody(module: str) -> None:
    found = imported(module)

    reaching = ("socket.connect", "socket.getaddrinfo", "socket.bind", "subprocess", "open for writing")
    assert [event for event in found["events"] if event.startswith(reaching)] == []


def test_every_package_of_the_locks_has_a_hash_and_one_exact_version() -> None:
    for lock in (ROOT / "requirements").glob("*.lock"):
        entries = re.split(r"\n(?=[a-z0-9])", lock.read_text(encoding="utf-8"))
        packages = [entry for entry in entries if not entry.startswith("#")]

        assert packages
        assert [entry.split()[0] for entry in packages if "==" not in entry or "--hash=sha256:" not in entry] == []


def test_the_bill_of_materials_lists_the_lock() -> None:
    script = ROOT / "requirements/sbom.py"
    finished = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=30)
    bill = json.loads(finished.stdout)

    scopes = {component["name"]: component["scope"] for component in bill["components"]}
    assert bill["bomFormat"] == "CycloneDX"
    assert len(scopes) == len(set(re.findall(r"^([\w.-]+)==", LOCK, re.MULTILINE)))
    assert scopes["grpcio"] == scopes["aiosignal"] == scopes["redis"] == "required"
    assert scopes["pytest"] == scopes["ruff"] == scopes["pluggy"] == "excluded"


def test_every_test_that_the_security_promises_name_is_there() -> None:
    named = re.findall(r"`((?:tests|requirements|deploy)/[\w/.]*)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))

    assert len(named) > 5
    assert [path for path in named if not (ROOT / path).exists()] == []
