"""Who is measured: how each gateway is started before the same provider, and what it does for a request.

All have a preferred model and a second one to fall back to, take no key of callers, and run in one worker.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tests.bench.peers.load import Target
from tests.bench.processes import HERE, SERVICES
from tests.fakes.ports import free_port, free_ports

ROOT: Final = Path(__file__).resolve().parents[3]
LITELLM_PYTHON: Final = ROOT / ".venv-peers" / "bin" / "python"
TENSORZERO_PYTHON: Final = ROOT / ".venv-tensorzero" / "bin" / "python"
PORTKEY: Final = ROOT / ".npm-peers" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

PREFERRED, SECOND = "gpt-6.2-sol", "gpt-6.1-terra"
RULED: Final = ", classifier rules"
"""What the title of a row ends with whose requests name no category."""

POINTSMAN_DOES: Final = "quotas, fallback, trail, log, journal"
NO_KEY: Final = "sk-none"
CATEGORIES: Final = ("reasoning", "coding", "quick", "vision", "review")
PLENTY: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """How to start a gateway: commands and their environment, and who loads it, by which Python.

    Without commands the load's own process is what is measured. `others` are rows at the same
    processes: what their titles end with, what they do, and whom they ask.
    """

    target: Target
    commands: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    others: Mapping[str, tuple[str, Target]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """One that is measured. `needs` is the file without which it is not installed.

    `start` takes the provider's base URL and a folder for its settings.
    """

    title: str
    does: str
    start: Callable[[str, Path], Started]
    needs: Path | None = None

    @property
    def is_installed(self) -> bool:
        """True when it can be started here."""
        return self.needs is None or self.needs.exists()


def _provider(url: str, folder: Path) -> Started:
    return Started(target=Target(kind="http", address=urlsplit(url).netloc, model=PREFERRED))


def _echo(url: str, folder: Path) -> Started:
    port = free_port()
    address = f"127.0.0.1:{port}"
    return Started(
        target=Target(kind="echo", address=address), commands=((sys.executable, str(HERE / "echo.py"), str(port)),)
    )


def _nothing(url: str, folder: Path) -> Started:
    return Started(target=Target(kind="nothing"))


def _pointsman(url: str, folder: Path, *words: tuple[str, ...]) -> Started:
    addresses = dict(zip(SERVICES, [f"127.0.0.1:{port}" for port in free_ports(len(SERVICES))], strict=True))
    folder.mkdir()
    settings = folder / "pointsman.toml"
    settings.write_text(pointsman_settings(url, addresses, folder / "journal.sqlite"))
    config = ("--config", str(settings))
    return Started(
        target=Target(kind="route", address=addresses["router"], category="quick"),
        others={RULED: (f"verdict, {POINTSMAN_DOES}", Target(kind="route", address=addresses["router"]))},
        commands=tuple((sys.executable, "-m", "pointsman", *each, *config) for each in words),
        environment={"STUB_API_KEY": NO_KEY},
    )


def three_processes(url: str, folder: Path) -> Started:
    """Return Pointsman as three services."""
    return _pointsman(url, folder / "three", *(("serve", name) for name in SERVICES))


def one_process(url: str, folder: Path) -> Started:
    """Return Pointsman as `pointsman up`."""
    return _pointsman(url, folder / "one", ("up",))


def pointsman_settings(url: str, addresses: Mapping[str, str], journal: Path) -> str:
    """Return settings with all defaults but these: one provider, a limit that never binds, embedded classifier only."""
    pools = "\n".join(f'[pools.{name}]\ncandidates = ["preferred", "second"]' for name in CATEGORIES)
    return f"""
[router]
address = "{addresses["router"]}"
classifier_address = "{addresses["classifier"]}"
executor_address = "{addresses["executor"]}"
[classifier]
address = "{addresses["classifier"]}"
mode = "embedded"
[executor]
address = "{addresses["executor"]}"
[journal]
url = "sqlite:///{journal}"
[providers.stub]
wire = "openai"
base_url = "{url}"
api_key_env = "STUB_API_KEY"
[candidates.preferred]
provider = "stub"
model = "{PREFERRED}"
quota = {{ requests_per_minute = {PLENTY}, tokens_per_minute = {PLENTY} }}
[candidates.second]
provider = "stub"
model = "{SECOND}"
quota = {{ requests_per_minute = {PLENTY}, tokens_per_minute = {PLENTY} }}
{pools}
[fallback]
candidate = ""
"""


def litellm(url: str, folder: Path) -> Started:
    """Return LiteLLM's proxy."""
    port = free_port()
    settings = folder / "litellm.json"  # JSON is YAML
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": url, "api_key": NO_KEY},
        }
        for name in (PREFERRED, SECOND)
    ]
    settings.write_text(
        json.dumps(
            {
                "model_list": models,
                "litellm_settings": {"fallbacks": [{PREFERRED: [SECOND]}], "telemetry": False},
                "general_settings": {"dangerously_permit_weak_or_unset_master_key": True},
            }
        )
    )
    words = ("--config", str(settings), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1")
    return Started(
        target=Target(kind="http", address=f"127.0.0.1:{port}", model=PREFERRED),
        commands=((str(LITELLM_PYTHON), "-m", "tests.bench.peers.litellm_proxy", *words),),
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "HOME": str(folder)},
    )


def portkey(url: str, folder: Path) -> Started:
    """Return Portkey's gateway. It has no settings file: each request says where it may go."""
    port = free_port()
    targets = [
        {
            "provider": "openai",
            "api_key": NO_KEY,
            "custom_host": url,
            "override_params": {"model": model},
        }
        for model in (PREFERRED, SECOND)
    ]
    config = json.dumps({"strategy": {"mode": "fallback"}, "targets": targets})
    node = shutil.which("node") or "node"
    words = (node, "--require", str(Path(__file__).with_name("loopback.cjs")), str(PORTKEY), f"--port={port}")
    return Started(
        target=Target(kind="http", address=f"127.0.0.1:{port}", model=PREFERRED, headers={"x-portkey-config": config}),
        commands=((*words, "--headless"),),
        environment={"NODE_ENV": "production"},
    )


def tensorzero(url: str, folder: Path) -> Started:
    """Return TensorZero in the process that asks."""
    settings = folder / "tensorzero.toml"
    lines = ["[gateway.observability]\nenabled = false", f'[models.stub]\nrouting = ["{PREFERRED}", "{SECOND}"]']
    lines += [
        f'[models.stub.providers."{model}"]\ntype = "openai"\nmodel_name = "{model}"\napi_base = "{url}/"\n'
        'api_key_location = "none"'
        for model in (PREFERRED, SECOND)
    ]
    settings.write_text("\n".join(lines) + "\n")
    return Started(target=Target(kind="embedded", settings=str(settings), model="stub"), python=str(TENSORZERO_PYTHON))


PROVIDER: Final = Gateway(title="the provider, asked directly", does="answer", start=_provider)
ECHO: Final = Gateway(title="bare grpc.aio echo", does="nothing", start=_echo)
LOOP: Final = Gateway(title="the loop that asks, alone", does="nothing", start=_nothing)
THREE: Final = Gateway(title="Pointsman, three processes", does=POINTSMAN_DOES, start=three_processes)
ONE: Final = Gateway(title="Pointsman, one process", does=POINTSMAN_DOES, start=one_process)
LITELLM: Final = Gateway(title="LiteLLM proxy", does="fallback", start=litellm, needs=LITELLM_PYTHON)
PORTKEY_GATEWAY: Final = Gateway(title="Portkey gateway", does="fallback", start=portkey, needs=PORTKEY)
TENSORZERO: Final = Gateway(title="TensorZero, embedded", does="fallback", start=tensorzero, needs=TENSORZERO_PYTHON)
GATEWAYS: Final = (PROVIDER, ECHO, LOOP, THREE, ONE, LITELLM, PORTKEY_GATEWAY, TENSORZERO)


def versions() -> list[str]:
    """Return what is installed, by name and version, without importing any of it."""
    found = [f"Pointsman {version('pointsman')}", f"grpcio {version('grpcio')}"]
    for python, name, title in (
        (LITELLM_PYTHON, "litellm", "LiteLLM"),
        (TENSORZERO_PYTHON, "tensorzero", "TensorZero"),
    ):
        folders = python.parents[1].glob(f"lib/python*/site-packages/{name}-*.dist-info")
        found += [f"{title} {folder.name.removeprefix(f'{name}-').removesuffix('.dist-info')}" for folder in folders]
    if PORTKEY.exists():
        about = json.loads((PORTKEY.parents[1] / "package.json").read_text())
        node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        found.append(f"Portkey {about['version']} on Node {node}")
    return found
