"""`make bench`: what Pointsman itself adds to a call and to a stream. Leaves with 1 when a bound does not hold."""

import argparse
import asyncio
import json

from rich.console import Console

from tests.bench import route, streams


def main() -> None:
    """Measure, print the tables, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=8, help="interleaved rounds of Route")
    parser.add_argument("--calls", type=int, default=250, help="calls a variant and round, and streams that are timed")
    parser.add_argument("--words", type=int, default=1_000, help="tokens of each paced stream")
    parser.add_argument("--seconds", type=int, default=60, help=f"how long {streams.MANY} streams run at once")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON on the last line")
    arguments = parser.parse_args()
    console = Console()
    figures = asyncio.run(route.measure(arguments.rounds, arguments.calls))
    route.show(figures, console)
    of_streams = asyncio.run(streams.measure(arguments.calls, arguments.words, arguments.seconds))
    streams.show(of_streams, console)
    short = streams.falls_short(of_streams)
    for bound in short:
        console.print(f"falls short: {bound}")
    if arguments.json:
        rounded = {name: round(value, 3) for name, value in (figures | of_streams).items()}
        print(json.dumps({"ok": not short, "figures": rounded, "falls_short": short}))
    raise SystemExit(1 if short else 0)


if __name__ == "__main__":
    main()
