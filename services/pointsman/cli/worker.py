"""One of several processes behind one port: `python -m pointsman.cli.worker ROOM NUMBER ADDRESS CONFIG`.

Started by `workers.py` alone, which it talks to over its standard streams: "ready" when all is imported, then it waits
for a line to serve, then "serving". When its standard input ends, whoever started it stops or is gone, and it stops.
"""

import asyncio
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from pointsman.cli.core_dumps import forbid_core_dumps
from pointsman.cli.loop import hang_ups, run, stop_signals
from pointsman.cli.reload import Reloader
from pointsman.cli.resources import use_what_there_is
from pointsman.cli.room import Room
from pointsman.cli.serving import running
from pointsman.cli.workers import READY, SERVE, SERVING
from pointsman.config import Settings, load
from pointsman.config.load import find
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.telemetry.process import observed
from pointsman.telemetry.setup import configure


def main() -> None:
    """Serve until a signal, or until the standard input ends."""
    forbid_core_dumps()
    use_what_there_is()
    room, number, address, config = cast("tuple[Room, str, str, str]", sys.argv[1:])
    try:
        source = find(Path(config) if config else None)
        adapt = partial(of_worker, room=room, number=int(number), address=address)
        settings = adapt(load(source))
        with configure(settings.telemetry, service=f"pointsman-{room}", metrics_at=room):
            run(_serve(room, Reloader(settings, source, adapt=adapt)))
    except SettingsError as error:
        print(f"pointsman: {error.message}", file=sys.stderr)
        sys.exit(2)


async def _serve(room: Room, reloader: Reloader) -> None:
    with stop_signals(lambda: None) as stopped, hang_ups(stopped.set, reloader.ask):
        orders = await _standard_input()
        clock = SystemClock()
        # This imports the service.
        server = running(room, reloader.settings, clock=clock, on_reload=reloader.register, is_port_shared=True)
        _say(READY)
        if await orders.readline() != SERVE:
            return
        async with (
            observed(settings_hash=lambda: reloader.hash, clock=clock),
            server,
            reloader.watching(),
        ):
            _say(SERVING)
            waits = [asyncio.ensure_future(stopped.wait()), asyncio.ensure_future(orders.read())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()


async def _standard_input() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    return reader


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()


def of_worker(settings: Settings, room: Room, number: int, address: str) -> Settings:
    """Return the settings with the port that is shared, and with a port of its own for the metrics of each worker."""
    metrics = settings.telemetry.metrics
    shown_at: str = getattr(metrics, room)
    if shown_at:
        host, _, port = shown_at.rpartition(":")
        shown_at = f"{host}:{int(port) + number - 1}" if int(port) else shown_at
    telemetry = replace(settings.telemetry, metrics=replace(metrics, **{room: shown_at}))
    return replace(settings, telemetry=telemetry, **{room: replace(getattr(settings, room), address=address)})


if __name__ == "__main__":
    main()
