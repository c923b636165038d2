"""The port to the wire formats: how one provider reads a request, and how it puts answers and problems into bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pointsman.simulator.account import Gauge
from pointsman.simulator.exchange import Headers, SimRequest
from pointsman.simulator.problem import Problem
from pointsman.simulator.scenario import ModelProfile, ProviderProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for text, understood. `text` is what the user said last; `effort` is empty when none was named.

    `max_output_tokens` is None when no bound was asked for. `wants_usage` matters to streams of OpenAI's dialect alone.
    """

    model: ModelProfile
    text: str
    input_tokens: int
    max_output_tokens: int | None = None
    streamed: bool = False
    wants_usage: bool = False
    effort: str = ""


class PageName(StrEnum):
    """What can be asked for free."""

    MODELS = "models"
    BALANCE = "balance"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A free question; `tokens` is the count for TOKENS."""

    name: PageName
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """What a model says. `visible_tokens` is the size of `text`; reasoning comes on top of it.

    `pieces` are the parts of the text as a stream hands them out. `is_cut` is True when the output bound ended it.
    """

    model: str
    text: str
    pieces: tuple[str, ...]
    input_tokens: int
    cached_tokens: int
    visible_tokens: int
    reasoning_tokens: int
    is_cut: bool
    is_blocked: bool = False

    @property
    def output_tokens(self) -> int:
        """What is billed: text and reasoning."""
        return self.visible_tokens + self.reasoning_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What tells one exchange from another: a token for ids, and the instant at which it is answered."""

    id: str
    at: datetime


class Dialect(Protocol):
    """The wire format of one provider. Pure: bytes in, values out, and back.

    `blocks_in_answer` tells whether a blocked prompt is an answer of its own kind; else it is a problem.
    """

    blocks_in_answer: bool

    def read(self, request: SimRequest, profile: ProviderProfile) -> Ask | Page:
        """Understand a request, its key included. Raises Unreadable when the provider would turn it away."""

    def answer(self, speech: Speech, stamp: Stamp) -> bytes:
        """Return the body of a whole answer."""

    def stream(self, speech: Speech, stamp: Stamp, *, wants_usage: bool) -> Iterator[bytes]:
        """Yield the events of a streamed answer; each piece of the text is one of them."""

    def page(self, page: Page, profile: ProviderProfile, balance_usd: float) -> bytes:
        """Return the body of a free answer."""

    def problem(self, problem: Problem, stamp: Stamp) -> tuple[int, Headers, bytes]:
        """Return status, extra headers and body of a failure."""

    def error_event(self, problem: Problem, stamp: Stamp) -> bytes:
        """Return what a stream that has begun says of a failure, as its last event."""

    def headers(self, gauges: Sequence[Gauge], stamp: Stamp, *, answered: bool) -> Headers:
        """Return what stands on every answer: request id and quota."""
