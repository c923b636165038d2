"""`pointsman doctor`: look at all that a stack needs on this machine, and say what to do about what is missing."""

import asyncio
import platform
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from rich.console import Console

from pointsman.classifier import instructions
from pointsman.classifier.model import Model, ModelFault
from pointsman.cli.findings import (
    ROOMS,
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
from pointsman.cli.loop import run
from pointsman.cli.ollama import Look, look
from pointsman.cli.ports import holder
from pointsman.cli.readiness import Readiness, judge, key_variables, ollama_urls
from pointsman.cli.terminal import print_json, screen
from pointsman.config import Settings, load, settings_hash
from pointsman.config.load import api_key, find
from pointsman.config.settings import OllamaSettings
from pointsman.domain.errors import SettingsError
from pointsman.executor.pools import candidates

KNOWN_PROMPT: Final = "What is the capital of France?"
STYLES: Final = {Level.FINE: "green", Level.NOTE: "yellow", Level.PROBLEM: "bold red"}


def doctor(path: Path | None, *, as_json: bool) -> int:
    """Print what was found; return the exit code: 0, 1 when nothing could answer, 2 for settings that are wrong."""
    console = screen(stderr=as_json)
    try:
        settings = load(path)
        candidates(settings)
    except SettingsError as error:
        advice = "correct that line; pointsman check-config FILE looks at the file alone"
        _show(
            (_python(), Finding(subject="settings", level=Level.PROBLEM, message=error.message, advice=advice)),
            None,
            as_json=as_json,
        )
        return 2
    with console.status("looking around …"):
        readiness, found = run(_examine(settings, find(path), console))
    _show((_python(), *found), readiness, as_json=as_json)
    return 0 if readiness.can_answer else 1


async def _examine(settings: Settings, source: Path, console: Console) -> tuple[Readiness, tuple[Finding, ...]]:
    urls = dict.fromkeys((*ollama_urls(settings), *_classifier_urls(settings)))
    looks = dict(zip(urls, await asyncio.gather(*map(look, urls)), strict=True))
    keys = {variable for variable in key_variables(settings).values() if api_key(variable)}
    readiness = judge(settings, present_keys=keys, looks=looks)
    ports = await asyncio.gather(*(holder(getattr(settings, room).address, service) for room, service in ROOMS.items()))
    found = [
        Finding(subject="settings", level=Level.FINE, message=f"{source}, hash {settings_hash(settings)}"),
        *(port_finding(room, getattr(settings, room).address, who) for room, who in zip(ROOMS, ports, strict=True)),
        *_local_findings(settings, looks),
    ]
    if _can_self_test(settings, looks):
        console.print(
            f"asking {settings.classifier.ollama.model} a question; a cold model takes a while to load …", style="dim"
        )
        found.append(self_test_finding(settings, await self_test(settings.classifier.ollama)))
    found += [*key_findings(settings, keys), *quota_findings(settings), *pool_findings(settings, readiness)]
    return readiness, tuple(found)


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


async def self_test(settings: OllamaSettings) -> SelfTest:
    """Load the classifier's model and ask it one known question, exactly as the classifier does at its start."""
    model = Model(settings)
    try:
        await model.preload()
        reading = await model.warm_up(instructions.write(KNOWN_PROMPT, "", num_ctx=settings.num_ctx))
    except ModelFault as fault:
        return SelfTest(problem=fault.detail)
    finally:
        await model.close()
    return SelfTest(coverage=reading.coverage)


def _python() -> Finding:
    fast = "with uvloop" if find_spec("uvloop") else "without uvloop, which makes it faster"
    return Finding(subject="python", level=Level.FINE, message=f"{platform.python_version()} {fast}")


def _show(found: tuple[Finding, ...], readiness: Readiness | None, *, as_json: bool) -> None:
    can_answer = readiness is not None and readiness.can_answer
    if as_json:
        lines = [
            {"subject": one.subject, "level": one.level.value, "message": one.message, "advice": one.advice}
            for one in found
        ]
        usable = list(readiness.usable) if readiness else []
        print_json({"can_answer": can_answer, "usable": usable, "findings": lines})
        return
    out = screen()
    for one in found:
        out.print(f"{one.level.value:8}", style=STYLES[one.level], end="")
        out.print(f"{one.subject}: {one.message}", soft_wrap=True)
        if one.advice:
            out.print(f"{'':8}→ {one.advice}", soft_wrap=True)
    if readiness is not None:
        count = len(readiness.usable)
        verdict = (
            f"{count} candidate{'s' if count != 1 else ''} can be called."
            if can_answer
            else "Nothing could answer yet."
        )
        out.print(f"\n{verdict}", style="bold")
