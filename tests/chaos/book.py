"""What simulated providers wrote down of each call: a line when it came in, one when it ended. Outlives the process."""

import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

from pointsman.domain.trail import Outcome
from pointsman.simulator.tally import Sighting

_ID = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """One call as the provider saw it. `began` and `ended` are instants in seconds since 1970.

    `ended` is None when the provider died first. `outcome` is None then, and where the caller went away.
    """

    kind: str
    model: str
    id: str
    began: float
    ended: float | None = None
    outcome: Outcome | None = None
    is_scripted: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


class Book:
    """A file that is written to line by line, each whole: what is written stays when the process is killed."""

    def __init__(self, path: Path) -> None:
        """Open it, to go on behind what stands there."""
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, sighting: Sighting) -> None:
        """Write a line. A witness of the simulator."""
        line = {"at": time.time(), **asdict(sighting), "cost_usd": str(sighting.cost_usd)}
        os.write(self._file, json.dumps(line).encode() + b"\n")


def read(paths: Iterable[Path]) -> list[Called]:
    """Return the calls of all books, in the order in which they began."""
    return sorted((call for path in paths for call in _calls(path)), key=lambda call: call.began)


def id_of(provider_request_id: str) -> str:
    """Return the provider's own id of a call within the id that its answer had; empty where there is none."""
    found = _ID.search(provider_request_id)
    return found[0] if found else ""


def _calls(path: Path) -> Iterator[Called]:
    """Pair the lines of one book. Calls without an id, such as Ollama's, are paired in their order."""
    begun: dict[tuple[str, str], list[Called]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        told = json.loads(line)
        key = told["id"], told["model"]
        if not told["is_over"]:
            call = Called(
                kind=told["kind"],
                model=told["model"],
                id=told["id"],
                began=told["at"],
                is_scripted=told["is_scripted"],
            )
            begun.setdefault(key, []).append(call)
            continue
        call = begun[key].pop(0)
        yield _ended(call, told)
    for unfinished in begun.values():
        yield from unfinished


def _ended(call: Called, told: dict[str, object]) -> Called:
    return Called(
        kind=call.kind,
        model=call.model,
        id=call.id,
        began=call.began,
        is_scripted=call.is_scripted,
        ended=float(str(told["at"])),
        outcome=None if told["outcome"] is None else Outcome(str(told["outcome"])),
        input_tokens=int(str(told["input_tokens"])),
        output_tokens=int(str(told["output_tokens"])),
        cost_usd=Decimal(str(told["cost_usd"])),
    )
