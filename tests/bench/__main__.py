"""`make bench`: what Pointsman itself costs, in sections that can be run alone; bounds hold or are named."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from tests.bench import crowd, growth, guard, ledger, payload, route, start, streams, telemetry, waiting
from tests.bench import verdict as verdicts
from tests.bench.findings import Effort, Findings, verdict

SECTIONS: Final[Mapping[str, Callable[[Effort], Findings]]] = {
    "route": route.measure,
    "waiting": waiting.measure,
    "start": start.measure,
    "streams": streams.measure,
    "crowd": crowd.measure,
    "payload": payload.measure,
    "growth": growth.measure,
    "guard": guard.measure,
    "ledger": ledger.measure,
    "telemetry": telemetry.measure,
    "verdict": verdicts.measure,
}
"""By name, in the order in which they run. A section of its own is a file with a `measure`, and a word here."""


def main(words: Sequence[str] | None = None) -> int:
    """Measure and print a table a section; return 1 when a bound is missed.

    All figures go to the last line with --json, and into a file with --out.
    """
    arguments = _parser().parse_args(words)
    effort = Effort(
        rounds=arguments.rounds,
        calls=arguments.calls,
        tokens=arguments.tokens,
        seconds=arguments.seconds,
        slice_s=arguments.slice_s,
        streams=arguments.streams,
    )
    console, found = Console(stderr=arguments.json), list[Findings]()
    for name in arguments.only or SECTIONS:
        section = SECTIONS[name](effort)
        found.append(section)
        for table in section.tables:
            console.print(table)
        for sentence in filter(None, (section.remark, *section.skipped)):
            console.print(sentence, highlight=False)
    said = verdict(found)
    for section in found:
        for sentence in section.falls_short:
            console.print(f"falls short: {sentence}", highlight=False)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(said, indent=1) + "\n")
    if arguments.json:
        print(json.dumps(said))
    return 0 if said["ok"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="interleaved rounds")
    parser.add_argument("--calls", type=int, default=250, help="calls a variant and round")
    parser.add_argument("--tokens", type=int, default=1_000, help="tokens of each paced stream")
    parser.add_argument("--seconds", type=int, default=60, help=f"how long {streams.MANY} streams run at once")
    parser.add_argument("--slice-s", type=float, default=0.5, help="seconds of load a variant and round, by a process")
    parser.add_argument("--streams", type=int, default=1_000, help="streams at once in the section `crowd`")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section; may be given again; else all")
    parser.add_argument("--out", type=Path, help="write the figures to a file, as JSON")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
