"""`make bench`: what Pointsman itself costs, in sections that can be run alone; bounds hold or are named."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console

from tests.bench import crowd, ledger, payload, route, streams, telemetry
from tests.bench import verdict as verdicts
from tests.bench.findings import Effort, Findings, verdict

SECTIONS: Final[Mapping[str, Callable[[Effort], Findings]]] = {
    "route": route.measure,
    "streams": streams.measure,
    "crowd": crowd.measure,
    "payload": payload.measure,
    "ledger": ledger.measure,
    "telemetry": telemetry.measure,
    "verdict": verdicts.measure,
}
"""By name, in the order in which they run. A section of its own is a file with a `measure`, and a word here."""


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print a table a section, with --json all figures on the last line; return 1 when a bound is missed."""
    arguments = _parser().parse_args(words)
    effort = Effort(
        rounds=arguments.rounds,
        calls=arguments.calls,
        tokens=arguments.tokens,
        seconds=arguments.seconds,
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
    if arguments.json:
        print(json.dumps(said))
    return 0 if said["ok"] else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="interleaved rounds")
    parser.add_argument("--calls", type=int, default=250, help="calls a variant and round")
    parser.add_argument("--tokens", type=int, default=1_000, help="tokens of each paced stream")
    parser.add_argument("--seconds", type=int, default=60, help=f"how long {streams.MANY} streams run at once")
    parser.add_argument("--streams", type=int, default=1_000, help="streams at once in the section `crowd`")
    parser.add_argument("--only", action="append", choices=SECTIONS, help="a section; may be given again; else all")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
