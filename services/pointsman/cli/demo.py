"""`pointsman demo`: the stack over simulated providers, sample prompts through it, and the same busy hour both ways.

No key, no Ollama, no network. Whatever answers here is invented, and says so.
"""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from pointsman.cli.comparison import BUSY_HOURS_A_MONTH, Figures, falls_short, pointsman, sequential, table_of
from pointsman.cli.comparison import run as run_hour
from pointsman.cli.failure import Failure
from pointsman.cli.invocation import program
from pointsman.cli.loop import run, until_stopped
from pointsman.cli.simulated import over
from pointsman.cli.stack import Stack, running
from pointsman.cli.terminal import dollars, print_json, screen, seconds
from pointsman.config import Settings, load
from pointsman.domain.clock import SystemClock
from pointsman.rpc import convert
from pointsman.simulator import scenarios, traffic
from pointsman.simulator.prompts import SAMPLE_PROMPTS, SamplePrompt
from pointsman.simulator.server import serve
from pointsman.telemetry.setup import configure
from pointsman_client import Answer, Client, RouteError

AT_ONCE: Final = 6
"""Prompts under way at the same time, so that the demo is over before the coffee is cold."""

SHOWN_COLUMNS: Final = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """One sample prompt and what became of it: an answer, or the reason of the error."""

    sample: SamplePrompt
    answer: Answer | None
    problem: str
    duration_s: float

    def figures(self) -> dict[str, object]:
        """Return what scripts read of it."""
        known = {"prompt": self.sample.text, "image": self.sample.image is not None, "expected": self.sample.category}
        if self.answer is None:
            return known | {"error": self.problem}
        return known | {
            "category": self.answer.category,
            "confidence": round(self.answer.response.verdict.confidence, 3),
            "candidate": self.answer.candidate,
            "attempts": _attempts(self.answer),
            "duration_s": round(self.duration_s, 3),
            "cost_usd": self.answer.cost_usd,
            "simulated": self.answer.simulated,
        }


def demo(config: Path | None, *, once: bool, as_json: bool, seed: int) -> None:
    """Run the demo. With `once` it ends after the table, on ports of its own; else it stays up until a signal.

    Raises SettingsError, and Failure when a figure is not as promised.
    """
    settings = load(config)
    with configure(replace(settings.telemetry, log_level="error"), service="pointsman-demo"):
        run(_demo(settings, once=once, as_json=as_json, seed=seed))


async def _demo(settings: Settings, *, once: bool, as_json: bool, seed: int) -> None:
    out = screen(stderr=as_json)
    clock, scenario = SystemClock(), scenarios.BUSY_HOUR
    out.print("Pointsman demo. Providers and local models are simulated on this machine: every answer is invented.\n")
    async with serve(scenario, clock=clock, seed=seed) as simulation:
        world = over(settings, scenario, simulation.base_urls)
        async with running(_on_free_ports(world) if once else world, clock=clock) as stack:
            _say_where(out, stack)
            routed = await _route_samples(out, stack.router.address)
            out.print()
            before, after = await asyncio.to_thread(_compare, out, settings, seed)
            short = _falls_short(after, routed)
            if as_json:
                figures = {"before": before, "after": after, "prompts": [each.figures() for each in routed]}
                print_json({"ok": not short, "figures": figures, "falls_short": short})
            if not once:
                _invite(out, stack)
                await until_stopped(lambda: out.print("\nStopping."))
    if short:
        raise Failure("the demo fell short: " + "; ".join(short))


def _on_free_ports(settings: Settings) -> Settings:
    return replace(
        settings,
        router=replace(settings.router, address="127.0.0.1:0"),
        classifier=replace(settings.classifier, address="127.0.0.1:0"),
        executor=replace(settings.executor, address="127.0.0.1:0"),
    )


def _say_where(out: Console, stack: Stack) -> None:
    for name, address in stack.addresses.items():
        out.print(f"  {name:11} {address}")
    out.print()


async def _route_samples(out: Console, address: str) -> list[Routed]:
    """Route every sample prompt, a few at a time, and print each as soon as those before it are done."""
    slots = asyncio.Semaphore(AT_ONCE)
    clock = SystemClock()
    async with Client(address) as client:

        async def route(sample: SamplePrompt) -> Routed:
            async with slots:
                started = clock.monotonic()
                answer, problem = None, ""
                try:
                    answer = await client.route(sample.text, images=[sample.image] if sample.image else ())
                except RouteError as error:
                    problem = error.reason
                return Routed(sample=sample, answer=answer, problem=problem, duration_s=clock.monotonic() - started)

        out.print(_line(out, "prompt", "category", "sure", "answered by", "calls", "time", "cost"), style="bold")
        async with asyncio.TaskGroup() as tasks:
            routes = [tasks.create_task(route(sample)) for sample in SAMPLE_PROMPTS]
            for each in routes:
                _print_routed(out, await each)
    return [each.result() for each in routes]


def _print_routed(out: Console, routed: Routed) -> None:
    answer, text = routed.answer, routed.sample.text.replace("\n", " ")
    shown = ("[image] " if routed.sample.image else "") + text
    if answer is None:
        out.print(_line(out, shown, "", "", routed.problem, "", seconds(routed.duration_s), ""), style="red")
        return
    out.print(
        _line(
            out,
            shown,
            answer.category,
            f"{answer.response.verdict.confidence:.2f}",
            answer.candidate + (" (local)" if answer.local else ""),
            str(_attempts(answer)),
            seconds(routed.duration_s),
            dollars(answer.cost_usd),
        )
    )


def _line(out: Console, prompt: str, *cells: str) -> str:
    """Return a row that fits the screen: the prompt takes what the other columns leave."""
    category, sure, candidate, calls, time, cost = cells
    rest = f"{category:9}  {sure:>4}  {candidate:23}  {calls:>5}  {time:>7}  {cost:>8}"
    return f"{_fit(prompt, max(12, min(SHOWN_COLUMNS, out.width - len(rest) - 2)))}  {rest}"


def _fit(text: str, columns: int) -> str:
    """Return the text in so many columns; Korean letters take two of them."""
    if cell_len(text) <= columns:
        return set_cell_size(text, columns)
    return set_cell_size(set_cell_size(text, columns - 1).rstrip() + "…", columns)


def _compare(out: Console, settings: Settings, seed: int) -> tuple[Figures, Figures]:
    """Run the busy hour both ways on a virtual clock, in a thread of its own, and print the table."""
    hour = [*traffic.arrivals(traffic.BUSY_HOUR, seconds=traffic.HOUR_S, chance=Random(seed))]
    out.print(f"The same busy hour both ways, {len(hour):,} requests on a virtual clock, bursts of ten among them:")
    before = run_hour(settings, scenarios.BUSY_HOUR, hour, sequential, seed=seed).figures()
    after = run_hour(settings, scenarios.BUSY_HOUR, hour, pointsman, seed=seed).figures()
    out.print(table_of(before, after))
    out.print(
        f"Measured in this run (seed {seed}): same prompts, accounts and limits for both. Traffic, limits and speeds "
        f"are invented, prices are the providers'. A month is {BUSY_HOURS_A_MONTH} such hours."
    )
    return before, after


def _falls_short(after: Figures, routed: list[Routed]) -> list[str]:
    short = falls_short(after)
    lost = sum(each.answer is None for each in routed)
    return [*short, f"{lost} of {len(routed)} prompts were not answered"] if lost else short


def _attempts(answer: Answer) -> int:
    return sum(1 for _ in convert.trail_from_pb(answer.response.trail).attempts)


def _invite(out: Console, stack: Stack) -> None:
    address = stack.router.address
    python = (
        f'python -m pointsman_client --address {address} "Explain recursion to a child"'
        if sys.prefix == sys.base_prefix
        else f'.venv/bin/python -m pointsman_client --address {address} "Explain recursion to a child"'
    )
    out.print("\nThe stack stays up. Paste into another terminal:\n")
    out.print(
        f"""  grpcurl -plaintext -d '{{"text":"2+2는?"}}' {address} pointsman.v1.RouterService/Route""", soft_wrap=True
    )
    out.print(
        f"  grpcurl -plaintext {stack.executor.address} pointsman.v1.ExecutorService/ListCandidates", soft_wrap=True
    )
    out.print(f"  {python}", soft_wrap=True)
    out.print("\nOr with pointsman itself:\n")
    for command in commands(router=address, executor=stack.executor.address):
        out.print(f"  {program()} {command}", soft_wrap=True)
    out.print("\nCtrl-C stops it.")


def commands(*, router: str, executor: str) -> tuple[str, ...]:
    """Return what is worth trying against a stack at these addresses, without the name of the program."""
    return (
        f'route --stream "Explain recursion to a child" --address {router}',
        f'explain "2+2는?" --address {router}',
        f"pools --watch --address {executor}",
        f"top --address {executor}",
        f"report --html report.html --address {executor}",
    )
