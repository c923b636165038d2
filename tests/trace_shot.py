"""`make trace-shot`: one request's trace as the tracing backend shows it, drawn to deploy/dashboards/trace.png.

A headless Chromium opens the page of the trace and is told over its DevTools protocol what to draw.
"""

import asyncio
import base64
import json
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from pointsman.domain.clock import SystemClock
from pointsman.simulator import scenarios
from pointsman.simulator.server import serve
from tests.fakes.traced_request import SPANS, traced_request
from tests.fakes.tracing_backend import tracing_backend
from tests.no_skips import TOOLS

PICTURE = Path(__file__).parents[1] / "deploy/dashboards/trace.png"
WIDTH, HEIGHT = 3_000, 1_000
"""CSS pixels of the window: so wide that the list of spans, a third of it, has room for the bars of time."""
MOST_BYTES: Final = 300_000
_PAGE_S: Final = 60.0
_MOVING_S: Final = 2.0
"""Seconds after which what slid in has come to rest."""

LIGHT: Final = "localStorage.setItem('arize-phoenix-theme', 'light')"
ROWS: Final = """document.querySelectorAll('[data-testid="span-controls"]').length"""
"""How many spans are there; the grey bars that stand in for them while the page loads have no controls."""
CLIP: Final = """(() => {
  const rows = [...document.querySelectorAll('.span-node-wrap')].map((row) => row.getBoundingClientRect());
  const left = Math.min(...rows.map((row) => row.left)), right = Math.max(...rows.map((row) => row.right));
  const bottom = Math.max(...rows.map((row) => row.bottom)), top = 47;
  return {x: left, y: top, width: right - left, height: bottom - top + 12, scale: 1.5};
})()"""
"""The list of spans and what stands above it, without the page around."""


class Page:
    """A page of a browser that is driven over its DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0

    async def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Return what the browser answers to a command; events that come meanwhile are of no interest."""
        self._asked += 1
        await self._socket.send_json({"id": self._asked, "method": method, "params": parameters})
        while (message := await self._socket.receive_json()).get("id") != self._asked:
            pass
        answered: dict[str, Any] = message["result"]
        return answered

    async def value_of(self, expression: str) -> Any:  # noqa: ANN401 - whatever the script says
        """Return the value of a JavaScript expression in the page."""
        evaluated = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return evaluated["result"].get("value")


@asynccontextmanager
async def blank_page(folder: Path) -> AsyncIterator[Page]:
    """Start a browser whose profile is in the folder, and end it with the block."""
    chromium = next(filter(None, map(shutil.which, TOOLS["needs_chromium"][0])))
    process = await asyncio.create_subprocess_exec(
        chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
        "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}", "--remote-debugging-port=0", "about:blank",
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        told = folder / "DevToolsActivePort"
        while not _port_in(told):  # noqa: ASYNC110 - another process is waited for
            await asyncio.sleep(0.1)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{_port_in(told)}/json/list") as listing:
                (opened,) = [each for each in await listing.json() if each["type"] == "page"]
            async with session.ws_connect(opened["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                yield Page(socket)
    finally:
        process.kill()
        await process.wait()


def _port_in(told: Path) -> int:
    """Return the port that the browser wrote down; 0 when it has not yet."""
    written = told.read_text().splitlines() if told.exists() else []
    return int(written[0]) if written else 0


async def drawn(address: str) -> bytes:
    """Return the picture of a trace's page as PNG, once all its spans are on it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        async with asyncio.timeout(_PAGE_S), blank_page(Path(folder)) as page:
            await page.ask("Page.enable")
            await page.ask("Page.addScriptToEvaluateOnNewDocument", source=LIGHT)
            await page.ask("Page.navigate", url=address)
            while await page.value_of(ROWS) != SPANS:  # noqa: ASYNC110 - another process is waited for
                await asyncio.sleep(0.2)
            await asyncio.sleep(_MOVING_S)
            shot = await page.ask("Page.captureScreenshot", format="png", clip=await page.value_of(CLIP))
    return base64.b64decode(shot["data"])


async def shoot() -> bytes:
    """Trace one request over the three services, providers that take their time, and return the picture of it."""
    async with serve(scenarios.CALM, clock=SystemClock(), seed=1) as simulation, tracing_backend() as backend:
        answer = await traced_request(simulation, otlp_endpoint=backend.otlp_endpoint)
        await backend.spans_of(answer.response.trace_id, count=SPANS)
        return await drawn(backend.page_of(answer.response.trace_id))


def main() -> None:
    """Draw the picture; one that is too large for a README is an error."""
    picture = asyncio.run(shoot())
    if len(picture) > MOST_BYTES:
        raise SystemExit(f"the picture has {len(picture):,} bytes, more than {MOST_BYTES:,}")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture)
    print(json.dumps({"picture": str(PICTURE), "bytes": len(picture)}))


if __name__ == "__main__":
    main()
