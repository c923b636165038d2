"""What `route` and `explain` share: the prompt and pictures as given, and the failures of a call in plain words."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pointsman.cli.arguments import ROUTER
from pointsman.cli.executor import as_json as message_as_json
from pointsman.cli.failure import Failure, Misuse, how_to_see_one, wrong_door
from pointsman.cli.invocation import program
from pointsman.cli.terminal import print_json, printable, seconds
from pointsman.cli.trail_lines import trail_lines
from pointsman.config.load import api_key
from pointsman.domain.clock import SystemClock
from pointsman.domain.image import MIME_TYPES, mime_type_of
from pointsman.domain.prompt import Options
from pointsman.domain.secret import Secret
from pointsman.rpc import convert
from pointsman_client import CallerOverLimit, Client, NoAnswer, OutOfTime, PoolExhausted, RouteError, Tls, Unreachable

STDIN: Final = "-"
GIVEN_UP: Final = "stopped; the request was cancelled, and the provider's work with it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What to ask, and of whom. An empty `category` lets the classifier rule; None leaves the bound to the server.

    Without `tls` the call is plaintext.
    """

    text: str
    images: tuple[bytes, ...]
    category: str
    max_output_tokens: int | None
    local_only: bool
    timeout_s: float
    address: str
    api_key: Secret = field(default_factory=Secret)
    tls: Tls | None = None

    @property
    def options(self) -> Options:
        """What is asked for beside the prompt."""
        return Options(category=self.category, max_output_tokens=self.max_output_tokens, local_only=self.local_only)

    def client(self) -> Client:
        """Return a client of the Router to ask. Raises Misuse for a key that cannot be one."""
        try:
            return Client(self.address, tls=self.tls, api_key=self.api_key.reveal())
        except ValueError as error:
            raise Misuse(str(error)) from error


def read_text(argument: str) -> str:
    """Return the prompt: the argument itself, or standard input for "-". Raises Misuse for bytes that are not UTF-8."""
    if argument != STDIN:
        return _utf8(argument.encode(errors="surrogateescape"), "the prompt")
    return _utf8(sys.stdin.buffer.read(), "standard input")


def read_key(variable: str) -> Secret:
    """Return the key in a variable; none without a name. Raises Misuse for a variable that is not set."""
    key = Secret(api_key(variable))
    if variable and not key:
        raise Misuse(f"--api-key-env {variable}: that variable is not set")
    return key


def read_images(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """Return what is in the files. Raises Misuse for one that cannot be read or is no image that models take."""
    return tuple(map(_image, paths))


def _image(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Misuse(f"--image {path} cannot be read: {error.strerror}") from error
    if mime_type_of(content) is None:
        kinds = ", ".join(kind.removeprefix("image/").upper() for kind in MIME_TYPES)
        what = "is empty" if not content else "is no image that models take"
        raise Misuse(f"--image {path} {what}; give one of {kinds}, told by its content and not by its name")
    return content


def _utf8(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Misuse(
            f"{what} is not UTF-8 text (byte {error.start}); convert it first, for example with iconv"
        ) from error


@contextmanager
def failures_said(address: str, *, as_json: bool) -> Iterator[None]:
    """Turn the failure of a call into one of the command. Under --json, standard output gets it as an object too."""
    try:
        yield
    except RouteError as error:
        message = _said(error, address)
        if as_json:
            print_json({"error": {"reason": error.reason, "code": error.code.name, "message": message} | _known(error)})
        raise Failure("\n  ".join((message, *_steps(error)))) from error


def _known(error: RouteError) -> dict[str, object]:
    """Return what else a script can act on: the trail as the contract has it, and how long to wait."""
    known: dict[str, object] = {}
    if error.retry_after_s is not None:
        known["retry_after_s"] = error.retry_after_s
    if error.trail is not None:
        known["trail"] = message_as_json(error.trail)
    return known


def _steps(error: RouteError) -> Iterator[str]:
    """Yield who was called and who was left out, where the message does not name them itself."""
    if error.trail is not None and isinstance(error, NoAnswer | OutOfTime | PoolExhausted):
        yield from trail_lines(convert.trail_from_pb(error.trail), SystemClock().now())


def broken_off(why: str) -> str:
    """Return what to say about an answer that began and did not come to its end."""
    return f"the stream broke: {printable(why)}\nwhat came is above, and is not all of the answer"


def _said(error: RouteError, address: str) -> str:
    if error.partial:
        return broken_off(error.message)
    message = printable(error.message)
    if isinstance(error, Unreachable) and error.reason == error.code.name:  # gRPC's own words help nobody
        return (
            f"no Pointsman answers at {address}; start one with `{program()} up`, or name it with --address\n"
            f"{how_to_see_one()}; one that speaks TLS needs --authority, and may need --certificate and --key"
        )
    if isinstance(error, OutOfTime) and error.reason == error.code.name:
        return f"no answer from {address} in time, and no word of who was called; allow more with --timeout"
    if error.code.name == error.reason == "UNIMPLEMENTED":
        return wrong_door(address, wanted="Router", usual=ROUTER)
    if isinstance(error, PoolExhausted) and error.retry_after_s is not None:
        return f"{message}\nthe first candidate is free again in {seconds(error.retry_after_s)}"
    if isinstance(error, CallerOverLimit) and error.retry_after_s is not None:
        return f"{message}\nyou may come back in {seconds(error.retry_after_s)}"
    return message
