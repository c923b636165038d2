"""The port to the providers: one call out, one reply back, whatever happened. Failures are replies, not exceptions.

An adapter is a `Wire`, which is pure, behind the one rim in `http.py`, which does the talking.
"""

import math
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Final, Protocol

from pointsman.domain.answer import Answer, Delta, Usage
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Outcome


@frozen
class Call:
    """One call to make. `max_output_tokens` is within what the model can write.

    `timeout_s` bounds the whole call. A stream has two limits more: `first_token_s` until its first delta, and `idle_s`
    between two arrivals of anything; infinity where there is none.
    """

    candidate: Candidate
    request: Request
    max_output_tokens: int
    timeout_s: float
    first_token_s: float = math.inf
    idle_s: float = math.inf


@frozen
class StatedQuota:
    """What a provider said about one of its windows.

    `remaining` is None when only the limit was named, as in error bodies. `full_at` is when the window is full again,
    None when unsaid. `period` is None when the provider did not say which window it speaks of. `limit` is > 0.
    `refills` is True where the window fills continuously (a token bucket) and False where it fills at once.
    """

    unit: Unit
    limit: int
    remaining: int | None = None
    full_at: datetime | None = None
    period: timedelta | None = None
    refills: bool = False


@frozen
class Reply:
    """What became of a call.

    `answer` is set when the outcome of a call is ANSWERED or CONTENT_BLOCKED; a probe has none. `retry_after_s` is the
    provider's wait, for outcomes that have one. `out_until` is the instant at which a daily quota or a spend limit
    renews, when known. `detail` is our own sentence and never holds the provider's text. `durations_s` has the
    provider's own timings in seconds, by their names on spans (Ollama's five).
    """

    outcome: Outcome
    answer: Answer | None = None
    usage: Usage | None = None
    stated: tuple[StatedQuota, ...] = ()
    retry_after_s: float | None = None
    out_until: datetime | None = None
    model: str = ""
    provider_request_id: str = ""
    http_status: int = 0
    detail: str = ""
    simulated: bool = False
    ignored_options: tuple[str, ...] = ()
    durations_s: tuple[tuple[str, float], ...] = ()
    repeat_means_billing: bool = False
    """RATE_LIMITED in words that an empty account uses too: the same reply again means BILLING."""
    rose_too_fast: bool = False
    """RATE_LIMITED for the rise of the traffic, not for its height: halve the rate."""


@frozen
class Opening:
    """What is known of an answer when it begins: `model` as the provider names it, empty when it does not."""

    model: str
    simulated: bool


class Adapter(Protocol):
    """Our code for one wire format at one provider. Made once, shared by all calls."""

    async def call(self, call: Call) -> Reply:
        """Make the call and return what became of it.

        Raises nothing but CancelledError, and then the connection is closed.
        """

    def stream(self, call: Call) -> AsyncGenerator[Opening | Delta | Reply, None]:
        """Make the call and yield the answer as it comes, then exactly one Reply that says what became of it.

        One Opening comes right before the first delta; an answer without deltas has none.
        The Reply is what `call` would have returned, but that the text and the tool calls of its answer are empty: they
        have been handed on. After a break its usage is what the provider had counted by then, None when it had not.
        Raises nothing but CancelledError; then, and when it is closed early, the connection is closed.
        """

    async def probe(self, model: str) -> Reply:
        """Ask the provider for free whether it has `model` and return what became of it.

        ANSWERED: the key works and the model is there. MODEL_NOT_FOUND, UNAUTHORIZED, NETWORK and so on say what is
        wrong.
        """

    async def close(self) -> None:
        """Close the connections."""


@frozen
class HttpRequest:
    """What to send: a POST, or a GET when there is no body.

    `path` is appended to the base URL. `headers` hold the key, so they are never shown.
    """

    path: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)


_SUCCESS: Final = range(200, 300)


@frozen
class HttpResponse:
    """What came back, whole. Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_success(self) -> bool:
        """True for a 2xx, which may still hold an error."""
        return self.status in _SUCCESS


class Unsendable(ValueError):
    """A call that the wire format has no words for; the message says what, for people."""


class Unreadable(ValueError):
    """An answer that cannot be handed on; the message says why, for people."""


class StreamReader(Protocol):
    """Reads one stream in whatever pieces it arrives, and folds it into the Reply of the whole. Pure, holds no text."""

    @property
    def is_done(self) -> bool:
        """True when nothing more is wanted: the terminal marker has come, or an error has."""

    @property
    def model(self) -> str:
        """The model as the provider names it; empty until it has."""

    def feed(self, chunk: bytes) -> Sequence[Delta]:
        """Return the deltas that have become whole with these bytes. Never raises; nothing follows an error."""

    def flush(self) -> Sequence[Delta]:
        """Return the deltas in what stands behind the last line end, when the body has ended in order."""

    def end(self, now: datetime) -> Reply:
        """Return what became of the call, stamped, when the stream is over: without a terminal marker it broke."""


class Wire(Protocol):
    """One wire format: calls to HTTP and back. Pure, so the documented examples test all of it.

    A reply is stamped when it has what a response says beside its meaning (`replies.stamped`).
    """

    def request(self, call: Call) -> HttpRequest:
        """Return the request to send. Raises Unsendable."""

    def read(self, call: Call, response: HttpResponse, now: datetime) -> Reply:
        """Return what the response means, whatever it is, stamped. `now` is when it arrived. Raises Unreadable."""

    def stream_request(self, call: Call) -> HttpRequest:
        """Return the request that has the answer streamed. Raises Unsendable."""

    def reader(self, call: Call, response: HttpResponse) -> StreamReader:
        """Return what reads the stream that this 2xx begins; its body is empty, because it has not come yet."""

    def probe_requests(self, model: str) -> tuple[HttpRequest, ...]:
        """Return the free questions that `Adapter.probe` asks in turn; the first that is not well ends it."""

    def read_probe(self, model: str, response: HttpResponse, now: datetime) -> Reply:
        """Return what the response to one of them means; ANSWERED when all is well. Never raises."""
