"""Arize Phoenix as a process: a tracing backend that nobody here wrote, with a page for each trace and an HTTP API."""

import asyncio
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.fakes.ports import free_port
from tests.no_skips import BACKEND_PYTHON

_ROOT = Path(__file__).parents[2]
_START_S: Final = 150.0
"""Seconds that its start may take: it makes a database first, and a machine of two busy cores took 43."""
_ARRIVAL_S: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingBackend:
    """Where spans are sent, and where they are read back."""

    otlp_endpoint: str
    url: str

    def page_of(self, trace_id: str) -> str:
        """Return the address of a trace's own page."""
        return f"{self.url}/redirects/traces/{trace_id}"

    async def spans_of(self, trace_id: str, *, count: int) -> list[dict[str, Any]]:
        """Return the spans of a trace as the HTTP API tells them, once there are `count` of them."""
        async with httpx.AsyncClient(base_url=self.url) as client, asyncio.timeout(_ARRIVAL_S):
            while True:
                found = await client.get("/v1/projects/default/spans", params={"trace_id": trace_id})
                # 404: the project comes into being with its first span.
                spans: list[dict[str, Any]] = [] if found.status_code == httpx.codes.NOT_FOUND else found.json()["data"]
                if len(spans) >= count:
                    return spans
                await asyncio.sleep(0.1)  # noqa: TID251 - another process is waited for


@asynccontextmanager
async def tracing_backend() -> AsyncIterator[TracingBackend]:
    """Run a backend that knows nothing yet, on free ports of loopback alone, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        http_port, otlp_port = free_port(), free_port()
        backend = TracingBackend(otlp_endpoint=f"http://127.0.0.1:{otlp_port}", url=f"http://127.0.0.1:{http_port}")
        environment = {
            "HOME": folder,
            "PHOENIX_WORKING_DIR": folder,
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(http_port),
            "PHOENIX_GRPC_PORT": str(otlp_port),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
            "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
            "PHOENIX_ENABLE_MCP_SERVER": "false",
        }
        log = Path(folder) / "phoenix.log"
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                BACKEND_PYTHON, "-m", "tests.fakes.phoenix", cwd=_ROOT, env=environment, stdout=sink, stderr=sink
            )
        try:
            await _started(backend, process, log)
            yield backend
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _started(backend: TracingBackend, process: Process, log: Path) -> None:
    async with httpx.AsyncClient(base_url=backend.url) as client, asyncio.timeout(_START_S):
        while not await _is_healthy(client):
            if process.returncode is not None:
                raise RuntimeError(f"Phoenix ended with {process.returncode}:\n{_end_of(log)}")
            await asyncio.sleep(0.2)  # noqa: TID251 - another process is waited for


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2_000:]


async def _is_healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).is_success
    except httpx.TransportError:
        return False
