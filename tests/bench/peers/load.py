"""The load: a closed loop in a process of its own, so that what asking costs is not counted with what is asked.

Standard library only; what a way of asking needs is imported by it alone, because this also runs where Pointsman is not
installed. One line of JSON in, one out: a `Target` first, then a `Slice` after another.
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, Literal, Protocol

from tests.bench.peers import asking
from tests.bench.peers.asking import Ask

PATIENCE_S: Final = 180.0
"""How long a gateway may take until its first answer."""

Kind = Literal["http", "route", "echo", "embedded", "nothing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked and how: at `address`, `host:port`, or for an embedded gateway by its settings file."""

    kind: Kind
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = ""
    category: str = ""
    settings: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """So many callers for so long. `series` tells this slice's prompts from all others."""

    callers: int
    seconds: float
    series: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """What came of a slice: seconds of each call that was answered rightly, and how many were not."""

    durations_s: Sequence[float]
    errors: int
    wall_s: float


class Way(Protocol):
    """One way of asking."""

    async def ready(self) -> None:
        """Return when there is somebody to ask."""

    async def callers(self, count: int) -> Sequence[Ask]:
        """Return so many callers, each with what it needs opened."""


WAYS: Final[Mapping[Kind, Callable[[Target], Way]]] = {
    "http": lambda target: asking.Http(target.address, target.headers, target.model),
    "route": lambda target: asking.Route(target.address, target.category),
    "echo": lambda target: asking.Echo(target.address),
    "embedded": lambda target: asking.Embedded(target.settings, target.model),
    "nothing": lambda target: asking.Nothing(),
}


def prompt(series: str, number: int) -> str:
    """Return a prompt of some 250 bytes that no other series and number has, so that no cache flatters anyone."""
    return (
        f"Question {number} of {series}. A traveller changes trains {number % 97} times between two capitals and asks "
        f"at counter {number * 7919 % 10_007} which of the two is further from the sea, how long the way takes by "
        "night, and what a ticket costs. Answer in one word."
    )


async def run(way: Way, wanted: Slice) -> Took:
    """Let each caller ask one prompt after another until the time is over; say the first error on standard error."""
    numbers = iter(range(10**9))
    durations_s, errors = list[float](), list[str]()
    asks = await way.callers(wanted.callers)
    began = time.perf_counter()
    ends_at = began + wanted.seconds

    async def caller(ask: Ask) -> None:
        while (asked_at := time.perf_counter()) < ends_at:
            error = await _error_of(ask, prompt(wanted.series, next(numbers)))
            if error:
                errors.append(error)
            else:
                durations_s.append(time.perf_counter() - asked_at)

    await asyncio.gather(*map(caller, asks))
    if errors:
        print(f"load: {len(errors)} errors, the first: {errors[0]}", file=sys.stderr, flush=True)
    return Took(durations_s=durations_s, errors=len(errors), wall_s=time.perf_counter() - began)


async def _error_of(ask: Ask, text: str) -> str:
    """Return what went wrong, empty when the right answer came."""
    try:
        return "" if await ask(text) else "another answer than the provider's"
    except Exception as error:  # noqa: BLE001 - of whatever library; counted, and the first of a slice is said
        return f"{type(error).__name__}: {error}"


async def first_answer(way: Way) -> float:
    """Ask until there is a right answer; return when it came, in seconds since the epoch."""
    async with asyncio.timeout(PATIENCE_S):
        await way.ready()
        for pause_s in itertools.repeat(0.01):
            if await _answers(way):
                break
            await asyncio.sleep(pause_s)
        return time.time()


async def _answers(way: Way) -> bool:
    """Return whether the right answer comes from a gateway that may still be starting."""
    try:
        (ask,) = await way.callers(1)
        return await ask("Are you there?")
    except Exception:  # noqa: BLE001 - refused connections, statuses: all say that it has not started
        return False


async def main() -> None:
    """Obey one line after another until there is none."""
    loop, tell = asyncio.get_running_loop(), _telling()
    tell({"is_there": True})
    target = Target(**json.loads(sys.stdin.readline()))
    way = WAYS[target.kind](target)
    tell({"answered_at": await first_answer(way)})
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        tell(asdict(await run(way, Slice(**json.loads(line)))))


def _telling() -> Callable[[Mapping[str, object]], None]:
    """Return what prints a line where only we print: all else that says something does so on standard error."""
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lambda line: print(json.dumps(line), file=ours, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
