"""`python -m pointsman_client "…"`: one prompt, answered on standard output."""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from google.protobuf import json_format

from pointsman_client.client import DEFAULT_ADDRESS, DEFAULT_TIMEOUT_S, Client
from pointsman_client.errors import RouteError


def main() -> None:
    """Read the command line, ask, print; leave with 1 when the call failed."""
    raise SystemExit(asyncio.run(ask(parse())))


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the words of a command line; None: those of this process."""
    parser = argparse.ArgumentParser(prog="python -m pointsman_client", description="Have one prompt answered.")
    parser.add_argument("prompt", help="what to ask")
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="the Router (default: %(default)s)")
    parser.add_argument("--category", help="skip classification")
    parser.add_argument("--image", type=Path, action="append", default=[], help="an image file; may be repeated")
    parser.add_argument("--timeout-s", type=float, default=DEFAULT_TIMEOUT_S, help="seconds (default: %(default)s)")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print the whole response as JSON")
    shape.add_argument("--stream", action="store_true", help="print the answer as it comes")
    return parser.parse_args(words)


async def ask(arguments: argparse.Namespace) -> int:
    """Ask and print; return the exit status."""
    async with Client(arguments.address, timeout_s=arguments.timeout_s) as client:
        try:
            if arguments.stream:
                stream = client.stream(arguments.prompt, category=arguments.category, images=arguments.image)
                async with stream:
                    async for text in stream:
                        print(text, end="", flush=True)
                print()
                return 0
            answer = await client.route(arguments.prompt, category=arguments.category, images=arguments.image)
        except (RouteError, OSError) as error:
            code = f"{error.code.name} {error.reason}: " if isinstance(error, RouteError) else ""
            print(f"{code}{error}", file=sys.stderr)
            return 1
        if arguments.json:
            print(json_format.MessageToJson(answer.response, preserving_proto_field_name=True, ensure_ascii=False))
            return 0
        print(answer)
        print(f"[{answer.category} · {answer.candidate}]", file=sys.stderr)
        return 0


if __name__ == "__main__":
    main()
