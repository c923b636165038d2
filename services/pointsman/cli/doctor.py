"""`pointsman doctor`: look at all that a stack needs on this machine, and say what to do about what is missing."""

import asyncio
import platform
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.console import Console

from pointsman.classifier.instructions import Excerpt, instructions_of
from pointsman.classifier.model import Model, ModelFault
from pointsman.classifier.voice import calibration_of
from pointsman.cli.failure import advice_on
from pointsman.cli.findings import (
    Finding,
    Level,
    SelfTest,
    key_findings,
    model_finding,
    ollama_finding,
    pool_findings,
    port_finding,
    quota_findings,
    self_test_finding,
)
from pointsman.cli.invocation import program
from pointsman.cli.loop import run
from pointsman.cli.ollama import Look, look
from pointsman.cli.ports import ROOMS, Holder, address_of, holder, how_to_ask
from pointsman.cli.readiness import Readiness, judge, ollama_urls
from pointsman.cli.terminal import print_json, say, screen
from pointsman.config import Settings, load, settings_hash
from pointsman.config.load import find
from pointsman.config.settings import ClassifierSettings
from pointsman.domain.errors import SettingsError
from pointsman.executor.keys import has_key
from pointsman.executor.pools import candidates

KNOWN_PROMPT: Final = "What is the capital of France?"
STYLES: Final = {Level.FINE: "green", Level.NOTE: "yellow", Level.PROBLEM: "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found. `readiness` is None where the settings are wrong.

    `running` has the address of each service that a running Pointsman already serves there, by service, and
    `how_to_ask` the command that asks that one.
    """

    findings: tuple[Finding, ...]
    readiness: Readiness | None = None
    running: Mapping[str, str] = field(default_factory=dict)
    how_to_ask: str = ""

    @property
    def can_answer(self) -> bool:
        """True when these settings have something to call."""
        return self.readiness is not None and self.readiness.can_answer


def doctor(path: Path | None, *, as_json: bool) -> int:
    """Print what was found; return the exit code: 0, 1 when nothing could answer, 2 for settings that are wrong."""
    console = screen(stderr=as_json)
    try:
        settings = load(path)
        candidates(settings)
        instructions_of(settings.classifier)
    except SettingsError as error:
        looks_alone = f"{program()} check-config {shlex.quote(str(find(path)))} looks at the file alone"
        advice = advice_on(error) or f"correct that line; {looks_alone}"
        wrong = Finding(subject="settings", level=Level.PROBLEM, message=error.message, advice=advice)
        _show(Examined(findings=(_python(), wrong)), as_json=as_json)
        return 2
    with console.status("looking around …"):
        examined = run(_examine(settings, find(path), console))
    _show(examined, as_json=as_json)
    return 0 if examined.can_answer else 1


async def _examine(settings: Settings, source: Path, console: Console) -> Examined:
    urls = dict.fromkeys((*ollama_urls(settings), *_classifier_urls(settings)))
    looks = dict(zip(urls, await asyncio.gather(*map(look, urls)), strict=True))
    keys = {provider.key_place for provider in settings.providers.values() if has_key(provider)}
    readiness = judge(settings, present_keys=keys, looks=looks)
    addresses = {room: address_of(settings, room) for room in ROOMS}
    ports = await asyncio.gather(*(holder(addresses[room], service) for room, service in ROOMS.items()))
    found = [
        _python(),
        Finding(subject="settings", level=Level.FINE, message=f"{source}, hash {settings_hash(settings)}"),
        *(port_finding(room, addresses[room], who) for room, who in zip(ROOMS, ports, strict=True)),
        *_local_findings(settings, looks),
    ]
    if _can_self_test(settings, looks):
        console.print(
            f"asking {settings.classifier.ollama.model} a question; a cold model takes a while to load …", style="dim"
        )
        found.append(self_test_finding(settings, await self_test(settings.classifier)))
    found += [*key_findings(settings, keys), *quota_findings(settings), *pool_findings(settings, readiness)]
    held = {room: addresses[room] for room, who in zip(ROOMS, ports, strict=True) if who is Holder.POINTSMAN}
    return Examined(findings=tuple(found), readiness=readiness, running=held, how_to_ask=how_to_ask(settings))


def _classifier_urls(settings: Settings) -> tuple[str, ...]:
    return () if settings.classifier.mode == "embedded" else (settings.classifier.ollama.url,)


def _local_findings(settings: Settings, looks: dict[str, Look]) -> Iterator[Finding]:
    """Yield what there is to say about each Ollama server and each model that is to be on it."""
    wanted: dict[str, dict[str, str]] = {url: {} for url in looks}
    if settings.classifier.mode != "embedded":
        wanted[settings.classifier.ollama.url][settings.classifier.ollama.model] = "the classifier"
    for name, candidate in settings.candidates.items():
        provider = settings.providers[candidate.provider]
        if provider.wire == "ollama":
            use = "the local fallback" if name == settings.fallback.candidate else name
            wanted[provider.base_url].setdefault(candidate.model, use)
    for url, models in wanted.items():
        yield ollama_finding(looks[url], " and ".join(dict.fromkeys(models.values())))
        if not looks[url].problem:
            yield from (model_finding(settings, looks[url], model, use) for model, use in models.items())


def _can_self_test(settings: Settings, looks: dict[str, Look]) -> bool:
    found = looks.get(settings.classifier.ollama.url)
    return (
        settings.classifier.mode != "embedded"
        and found is not None
        and not found.problem
        and found.gives_logprobs
        and found.has(settings.classifier.ollama.model)
    )


async def self_test(settings: ClassifierSettings) -> SelfTest:
    """Load the classifier's model and ask it one known question, exactly as the classifier does at its start."""
    instructions = instructions_of(settings)
    model = Model(settings.ollama, instructions.categories)
    try:
        await model.preload()
        reading = await model.warm_up(instructions.write(Excerpt(text=KNOWN_PROMPT)))
        digest = await model.loaded() or ""
    except ModelFault as fault:
        return SelfTest(problem=fault.detail)
    finally:
        await model.close()
    is_calibrated = calibration_of(digest, instructions.version).is_fitted
    return SelfTest(coverage=reading.coverage, is_calibrated=is_calibrated)


def _python() -> Finding:
    fast = "with uvloop" if find_spec("uvloop") else "without uvloop, which makes it faster"
    return Finding(subject="python", level=Level.FINE, message=f"{platform.python_version()} {fast}")


def _show(examined: Examined, *, as_json: bool) -> None:
    if as_json:
        lines = [
            {"subject": one.subject, "level": one.level.value, "message": one.message, "advice": one.advice}
            for one in examined.findings
        ]
        usable = list(examined.readiness.usable) if examined.readiness else []
        print_json(
            {
                "can_answer": examined.can_answer,
                "usable": usable,
                "running": dict(examined.running),
                "findings": lines,
            }
        )
        return
    out = screen()
    for one in examined.findings:
        say(out, f"{one.subject}: {one.message}", lead=f"{one.level.value:8}", lead_style=STYLES[one.level])
        if one.advice:
            out.print(f"{'':8}→ {one.advice}", soft_wrap=True)  # the terminal's own wrapping keeps it pasteable
    if examined.readiness is not None:
        out.print()
        if examined.readiness.warning:
            say(out, examined.readiness.warning, style="bold")
        say(out, verdict(examined.readiness, examined.running), style="bold")
    if examined.running:
        out.print("A Pointsman runs here already; what that one can call:")
        out.print(f"  {examined.how_to_ask}", soft_wrap=True)


def verdict(readiness: Readiness, running: Mapping[str, str]) -> str:
    """Return the last word. It is about these settings and keys, which a Pointsman that runs need not have."""
    count = len(readiness.usable)
    if readiness.can_answer:
        told = f"{count} candidate{'s' if count != 1 else ''} can be called"
    else:
        told = "Nothing could answer yet"
    return f"{told}, with the settings and keys of this shell." if running else f"{told}."
