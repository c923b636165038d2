"""`pointsman up` and `pointsman serve`: start, say where and what is missing, serve until a signal."""

import asyncio
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pointsman.cli.arguments import ROUTER
from pointsman.cli.core_dumps import forbid_core_dumps
from pointsman.cli.held_log import HeldLog
from pointsman.cli.invocation import program
from pointsman.cli.loop import hang_ups, run, stop_signals
from pointsman.cli.notices import notices
from pointsman.cli.ports import holders_named
from pointsman.cli.reload import Reloader
from pointsman.cli.resources import use_what_there_is
from pointsman.cli.room import Room
from pointsman.cli.serving import running
from pointsman.cli.terminal import print_json
from pointsman.config import Settings, load, settings_hash
from pointsman.config.load import find
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.telemetry.process import observed
from pointsman.telemetry.setup import configure

if TYPE_CHECKING:
    from pointsman.cli.readiness import Readiness

NOTHING_READY: Final = "No model can answer yet: requests are refused with this list until something of it is there."


def up(config: Path | None, *, as_json: bool, over_the_wire: bool = False) -> None:
    """Serve all three services in this process until a signal. Raises SettingsError.

    With `over_the_wire` they ask each other over channels, as three processes do.
    """
    forbid_core_dumps()
    settings = load(config)
    for room, workers in (("router", settings.router.workers), ("classifier", settings.classifier.workers)):
        if workers > 1:
            advice = f"`up` is one process; start the services one by one, each with `{program()} serve`"
            raise SettingsError(f"{room}.workers = {workers}: {advice}", path=f"{room}.workers", value=str(workers))
    use_what_there_is()
    with _logging(settings, "pointsman", "up") as log:
        run(_up(settings, find(config), log, as_json=as_json, over_the_wire=over_the_wire))


def serve(room: Room, config: Path | None, *, as_json: bool) -> None:
    """Serve one of the services in this process until a signal. Raises SettingsError."""
    forbid_core_dumps()
    use_what_there_is()
    settings = load(config)
    with _logging(settings, f"pointsman-{room}", room) as log:
        run(_serve(room, settings, find(config), log, as_json=as_json))


@contextmanager
def _logging(settings: Settings, service: str, metrics_at: str) -> Iterator[HeldLog]:
    """Log to standard error; on a terminal the first lines wait until the words for people stand there."""
    log = HeldLog(sys.stderr.buffer)
    with configure(settings.telemetry, service=service, metrics_at=metrics_at, sink=log):
        if not log.isatty():
            log.release()
        try:
            yield log
        finally:
            log.release()


async def present(settings: Settings) -> "Readiness":
    """Return what can be called now: keys by the names of their variables, local models by asking their servers."""
    from pointsman.cli.ollama import look  # noqa: PLC0415 - an HTTP client, which a Router alone is spared
    from pointsman.cli.readiness import judge, ollama_urls  # noqa: PLC0415 - as said
    from pointsman.executor.keys import has_key  # noqa: PLC0415 - as said

    urls = ollama_urls(settings)
    looks = await asyncio.gather(*map(look, urls))
    keys = {provider.key_place for provider in settings.providers.values() if has_key(provider)}
    return judge(settings, present_keys=keys, looks=dict(zip(urls, looks, strict=True)))


async def _up(settings: Settings, source: Path, log: HeldLog, *, as_json: bool, over_the_wire: bool) -> None:
    from pointsman.cli.stack import running as stack_running  # noqa: PLC0415 - all three services, which `serve` spares

    clock, reloader = SystemClock(), Reloader(settings, source)
    with stop_signals(lambda: _say_stopping(settings)) as stopped, hang_ups(stopped.set, reloader.ask):
        async with (
            observed(settings_hash=lambda: reloader.hash, clock=clock),
            stack_running(settings, clock=clock, over_the_wire=over_the_wire, on_reload=reloader.register) as stack,
            reloader.watching(),
        ):
            readiness = await present(settings)
            if as_json:
                print_json({"addresses": stack.addresses, **summary(readiness)})
            else:
                _welcome(stack.addresses, readiness, settings, source)
            log.release()
            await stopped.wait()


async def _serve(room: Room, settings: Settings, source: Path, log: HeldLog, *, as_json: bool) -> None:
    clock, reloader = SystemClock(), Reloader(settings, source)
    with stop_signals(lambda: _say_stopping(settings)) as stopped, hang_ups(stopped.set, reloader.ask):
        async with (
            observed(settings_hash=lambda: reloader.hash, clock=clock),
            holders_named(settings, (room,)),
            running(room, settings, clock=clock, on_reload=reloader.register) as server,
            reloader.watching(),
        ):
            if as_json:
                print_json({"addresses": {room: server.address}})
            else:
                notices().say(f"The {room} listens on {server.address}. Ctrl-C stops it.")
                if room == "executor":
                    _tell(await present(settings), settings)
            log.release()
            await stopped.wait()


def summary(readiness: "Readiness") -> dict[str, object]:
    """Return what can be called and what is missing, for scripts."""
    return {
        "can_answer": readiness.can_answer,
        "usable": list(readiness.usable),
        "fallback": readiness.fallback,
        "missing": [
            {"missing": lack.missing, "advice": lack.advice, "candidates": list(lack.candidates)}
            for lack in readiness.lacks
        ],
    }


def _welcome(addresses: Mapping[str, str], readiness: "Readiness", settings: Settings, source: Path) -> None:
    out = notices()
    out.say(f"Pointsman is up, settings {source} (hash {settings_hash(settings)})", style="bold")
    for room, address in addresses.items():
        out.say(address, lead=f"  {room:11} ")
    _tell(readiness, settings)
    out.paste(f"\nTry: {first_question(addresses['router'], settings)}")
    out.say("Ctrl-C stops it.")


def first_question(address: str, settings: Settings) -> str:
    """Return a command that asks the Router at an address; a caller fills in what is in capitals."""
    needed = [f'{program()} route "2+2는?"']
    if address != ROUTER:
        needed.append(f"--address {address}")
    if settings.tls.certificate:
        needed.append(f"--authority {shlex.quote(settings.tls.authority)}")
    if settings.tls.caller_authority:
        needed.append("--certificate FILE --key FILE")
    elif settings.router.keys:
        needed.append("--api-key-env VARIABLE")
    return " ".join(needed)


def _tell(readiness: "Readiness", settings: Settings) -> None:
    out = notices()
    if readiness.warning:
        out.say()
        out.say(readiness.warning, style="bold")
    out.say()
    if readiness.usable:
        out.say(", ".join(readiness.usable), lead="Ready to be called: ")
    else:
        out.say(NOTHING_READY, style="bold")
    if readiness.lacks:
        out.say("Missing:")
    for lack in readiness.lacks:
        out.say(f"{lack.missing} (for {', '.join(lack.candidates)})", lead="  ")
        out.paste(f"    → {lack.advice}")  # the terminal's own wrapping keeps it pasteable
    if any("export" in lack.advice for lack in readiness.lacks):
        out.say("Keys are read at the start: stop, export, start again.")
        out.say("Local models, and keys in files that api_key_file names, are noticed while it runs.")
    if settings.fallback.candidate and not readiness.fallback:
        out.say("Without the local fallback, a request fails when no provider can answer.")


def _say_stopping(settings: Settings) -> None:
    grace_s = max(settings.router.grace_s, settings.classifier.grace_s, settings.executor.grace_s)
    notices(stderr=True).say(f"Stopping: calls under way get up to {grace_s:g} s. Once more stops at once.")
