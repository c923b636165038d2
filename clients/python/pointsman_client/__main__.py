"""`python -m pointsman_client "…"`: one prompt, answered on standard output."""

import argparse
import asyncio
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import Message

from pointsman_client.address import DEFAULT_ADDRESS
from pointsman_client.client import DEFAULT_TIMEOUT_S, Client
from pointsman_client.errors import RouteError
from pointsman_client.tls import Tls

_TLS_FILES: Final = {
    "authority": "encrypt, and believe whom this PEM file signed",
    "certificate": "encrypt, and show this PEM file",
    "key": "the certificate's key",
}


def main() -> None:
    """Read the command line, ask, print; leave with 1 when the call failed or the answer broke off."""
    for output in (sys.stdout, sys.stderr):
        if isinstance(output, io.TextIOWrapper):
            output.reconfigure(errors="backslashreplace")  # an answer is paid for: better escaped than lost
    arguments = parse()
    try:
        status = asyncio.run(ask(arguments))
    except KeyboardInterrupt:  # the call is cancelled by now
        print("stopped; the request was cancelled", file=sys.stderr)
        status = 130
    raise SystemExit(status)


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the words of a command line; None: those of this process."""
    parser = argparse.ArgumentParser(prog="python -m pointsman_client", description="Have one prompt answered.")
    parser.add_argument("prompt", help="what to ask")
    parser.add_argument("--address", default=DEFAULT_ADDRESS, help="the Router (default: %(default)s)")
    parser.add_argument("--api-key-env", default="", metavar="VARIABLE", help="the variable that holds your key")
    parser.add_argument("--category", help="skip classification")
    parser.add_argument("--image", type=Path, action="append", default=[], help="an image file; may be repeated")
    parser.add_argument(
        "--timeout", "--timeout-s", type=float, default=DEFAULT_TIMEOUT_S, help="seconds (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON: one object, with --stream one message a line")
    parser.add_argument("--stream", action="store_true", help="print the answer as it comes")
    for name, purpose in _TLS_FILES.items():
        variable = f"POINTSMAN_TLS_{name.upper()}"
        parser.add_argument(f"--{name}", type=Path, default=_path(variable), help=f"{purpose}; or ${variable}")
    return parser.parse_args(words)


async def ask(arguments: argparse.Namespace) -> int:
    """Ask and print; return the exit status."""
    try:
        key = _key(arguments.api_key_env)
        async with Client(arguments.address, timeout_s=arguments.timeout, tls=_tls(arguments), api_key=key) as client:
            if arguments.stream:
                return await _stream(client, arguments)
            await _ask(client, arguments)
    except RouteError as error:
        code = "" if error.code.name == error.reason else f"{error.code.name}, "
        print(f"{error} ({code}{error.reason})", file=sys.stderr)
        return 1
    except BrokenPipeError:  # nobody reads any more, as behind `| head`; what is still buffered goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"cannot read {error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _key(variable: str) -> str:
    """Return the key in a variable; empty without a name. Raises ValueError for a variable that is not set."""
    if not variable:
        return ""
    if key := os.environ.get(variable, "").strip():
        return key
    raise ValueError(f"--api-key-env {variable}: that variable is not set")


async def _stream(client: Client, arguments: argparse.Namespace) -> int:
    async with client.stream(arguments.prompt, category=arguments.category, images=arguments.image) as stream:
        if arguments.json:
            async for event in stream.events():
                print(_json(event, indent=None), flush=True)
        else:
            async for text in stream:
                print(text, end="", flush=True)
            print()
    if stream.start is not None and not arguments.json:
        print(f"[{stream.start.verdict.category} · {stream.start.chosen.candidate}]", file=sys.stderr)
    if stream.end is not None and stream.end.partial:
        print("the answer broke off: what came is not all of it", file=sys.stderr)
        return 1
    return 0


async def _ask(client: Client, arguments: argparse.Namespace) -> None:
    answer = await client.route(arguments.prompt, category=arguments.category, images=arguments.image)
    if arguments.json:
        print(_json(answer.response, indent=2))
        return
    print(answer)
    print(f"[{answer.category} · {answer.candidate}]", file=sys.stderr)


def _tls(arguments: argparse.Namespace) -> Tls | None:
    files = {name: getattr(arguments, name) for name in _TLS_FILES}
    return Tls(**files) if any(files.values()) else None


def _path(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _json(message: Message, *, indent: int | None) -> str:
    return json_format.MessageToJson(
        message, preserving_proto_field_name=True, indent=indent, ensure_ascii=not _is_utf_8()
    )


def _is_utf_8() -> bool:
    return (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"


if __name__ == "__main__":
    main()
