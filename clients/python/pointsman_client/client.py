"""The client: one channel to a Router, a deadline on every call, the caller's trace carried on."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import grpc

from pointsman.v1 import router_pb2, router_pb2_grpc, types_pb2
from pointsman_client.address import DEFAULT_ADDRESS, check_address
from pointsman_client.errors import from_rpc
from pointsman_client.presence import PATIENCE_S, Presence
from pointsman_client.stream import Stream
from pointsman_client.tls import Tls

try:
    from opentelemetry import propagate
except ImportError:  # the extra `tracing` is not installed; calls then start a trace of their own
    propagate = None  # type: ignore[assignment]  # the one place that knows

DEFAULT_TIMEOUT_S: Final = 120.0
DEFAULT_MESSAGE_BYTES: Final = 33_554_432

SERVICE_CONFIG: Final = json.dumps(
    {
        # Nothing is sent to a Router that says it is about to stop; round_robin goes by what it says, pick_first does
        # not. The empty name stands for the server as a whole.
        "loadBalancingConfig": [{"round_robin": {}}],
        "healthCheckConfig": {"serviceName": ""},
        "methodConfig": [
            {
                # Explain costs nothing when it runs twice. Route and StreamRoute spend money: once they were sent,
                # nobody repeats them.
                "name": [{"service": "pointsman.v1.RouterService", "method": "Explain"}],
                "retryPolicy": {
                    "maxAttempts": 3,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "0.5s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ],
    }
)
"""How the channel treats calls: what gRPC calls a service config."""

Image = Path | bytes | str
"""A file, encoded bytes, or an https URL."""

_MAGIC: Final = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"RIFF", "image/webp"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said, and who it was. `response` has the rest: verdict, trail, usage, tool calls."""

    text: str
    category: str
    candidate: str
    cost_usd: float | None
    local: bool
    simulated: bool
    degraded: bool
    response: router_pb2.RouteResponse = field(repr=False)

    def __str__(self) -> str:
        """Return the text."""
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a prompt would be routed now: its category, how sure that is, and the candidates in the order of trying."""

    category: str
    confidence: float
    candidates: tuple[str, ...]
    response: router_pb2.ExplainResponse = field(repr=False)


class Client:
    """A client of one Router. Make it inside the running loop, share it, close it; every call has a deadline.

    A Router that was there and is started again is waited for, `patience_s` seconds at most and no longer than the
    deadline: a restart costs time and no call. One that was never there fails the call at once.

    Without `tls` the connection is plaintext. `api_key` is for a Router that asks for one; empty sends none. Raises
    ValueError for an address that cannot be one and for a key that no header can carry, OSError for a file of `tls`
    that cannot be read. Whether anybody listens there shows at the first call.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tls: Tls | None = None,
        api_key: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        check_address(address)
        if any(not "!" <= each <= "~" for each in api_key):  # gRPC's own error would show it
            raise ValueError("api_key has characters that no header can carry; give it as it was made")
        self._credentials = (("authorization", f"Bearer {api_key}"),) if api_key else ()
        self._address = address
        self._timeout_s = timeout_s
        options = (
            ("grpc.enable_http_proxy", 0),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 5_000),  # how long one attempt to connect may take
            ("grpc.max_reconnect_backoff_ms", 1_000),
            ("grpc.service_config", SERVICE_CONFIG),
            ("grpc.max_receive_message_length", DEFAULT_MESSAGE_BYTES),
            ("grpc.max_send_message_length", DEFAULT_MESSAGE_BYTES),
        )
        self._channel = (
            grpc.aio.insecure_channel(address, options)
            if tls is None
            else grpc.aio.secure_channel(address, tls.credentials(), options)
        )
        self._stub = router_pb2_grpc.RouterServiceStub(self._channel)
        self._presence = Presence(self._channel, patience_s)

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way are given up."""
        await self._channel.close()

    async def route(
        self,
        prompt: str | Sequence[types_pb2.Message],
        *,
        category: str | None = None,
        images: Sequence[Image] = (),
        max_output_tokens: int | None = None,
        options: types_pb2.Options | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """Have a prompt answered.

        `prompt` is a text or a conversation; `options` is for all that has no argument of its own. Raises RouteError,
        TypeError and ValueError for a prompt or an image that is none, OSError for a file that cannot be read.
        """
        request = router_pb2.RouteRequest(
            messages=_conversation(prompt), options=_options(options, category, max_output_tokens)
        )
        _attach(images, request.messages)
        left_s, waits = await self._reach(timeout_s)
        try:
            response = await self._stub.Route(request, timeout=left_s, metadata=self._metadata(), wait_for_ready=waits)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self._address) from error
        return Answer(
            text=response.answer.text,
            category=response.verdict.category,
            candidate=response.candidate,
            cost_usd=response.cost_usd if response.HasField("cost_usd") else None,
            local=response.local,
            simulated=response.simulated,
            degraded=response.degraded,
            response=response,
        )

    def stream(
        self,
        prompt: str | Sequence[types_pb2.Message],
        *,
        category: str | None = None,
        images: Sequence[Image] = (),
        max_output_tokens: int | None = None,
        options: types_pb2.Options | None = None,
        timeout_s: float | None = None,
    ) -> Stream:
        """Have a prompt answered piece by piece; the arguments are those of `route`.

        The call is made at once; its failure shows at the first step of the loop.
        """
        request = router_pb2.StreamRouteRequest(
            messages=_conversation(prompt), options=_options(options, category, max_output_tokens)
        )
        _attach(images, request.messages)
        whole_s, waits = timeout_s or self._timeout_s, self._presence.was_there
        call = self._stub.StreamRoute(request, timeout=whole_s, metadata=self._metadata(), wait_for_ready=waits)
        return Stream(call, self._address, partial(self._presence.arrive, whole_s) if waits else None)

    async def explain(
        self,
        prompt: str | Sequence[types_pb2.Message],
        *,
        category: str | None = None,
        images: Sequence[Image] = (),
        max_output_tokens: int | None = None,
        options: types_pb2.Options | None = None,
        timeout_s: float | None = None,
    ) -> Explanation:
        """Say how a prompt would be routed now; no provider is called. The arguments are those of `route`."""
        request = router_pb2.ExplainRequest(
            messages=_conversation(prompt), options=_options(options, category, max_output_tokens)
        )
        _attach(images, request.messages)
        left_s, waits = await self._reach(timeout_s)
        try:
            response = await self._stub.Explain(
                request, timeout=left_s, metadata=self._metadata(), wait_for_ready=waits
            )
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error, self._address) from error
        return Explanation(
            category=response.verdict.category,
            confidence=response.verdict.confidence,
            candidates=tuple(planned.candidate for planned in response.plan.ready),
            response=response,
        )

    async def _reach(self, timeout_s: float | None) -> tuple[float, bool]:
        """Return how many seconds are left for a call, and whether it may wait for its Router."""
        loop, whole_s = asyncio.get_running_loop(), timeout_s or self._timeout_s
        started_s = loop.time()
        waits = await self._presence.arrive(whole_s)
        return max(0.0, whole_s - (loop.time() - started_s)), waits

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the key, and what carries the caller's trace on."""
        carrier: dict[str, str] = {}
        if propagate is not None:
            propagate.inject(carrier)
        return (*self._credentials, *carrier.items())


def _attach(images: Sequence[Image], messages: Sequence[types_pb2.Message]) -> None:
    """Let images join the last message where it stands: a copy of the message would copy their bytes again."""
    if isinstance(images, str | bytes | Path):
        raise TypeError(f"images is one {type(images).__name__}; give a list of images, such as [image]")
    for image in images if messages else ():
        _write_image(messages[-1].parts.add(), image)


def _conversation(prompt: object) -> list[types_pb2.Message]:
    if isinstance(prompt, str):
        return [types_pb2.Message(role=types_pb2.ROLE_USER, parts=[types_pb2.Part(text=prompt)])]
    given: list[object] = [*prompt] if isinstance(prompt, Iterable) else [prompt]
    messages = [each for each in given if isinstance(each, types_pb2.Message)]
    if not isinstance(prompt, Iterable) or len(messages) < len(given):
        raise TypeError(
            f"prompt is {prompt!r:.60}, of type {type(prompt).__name__}; "
            "give a str, or a list of pointsman.v1.types_pb2.Message"
        )
    return messages


def _write_image(part: types_pb2.Part, image: Image) -> None:
    if isinstance(image, str):
        if "://" not in image and not image.startswith("data:"):
            raise ValueError(f"image {image!r:.80} is no URL; for a file give Path({image!r:.80})")
        part.image_url.url = image
        return
    content = image.read_bytes() if isinstance(image, Path) else image
    # The server says what is wrong with bytes that are none of these.
    part.image.mime_type = next((mime_type for magic, mime_type in _MAGIC if content.startswith(magic)), "")
    part.image.data = content


def _options(
    options: types_pb2.Options | None, category: str | None, max_output_tokens: int | None
) -> types_pb2.Options:
    chosen = types_pb2.Options()
    if options is not None:
        chosen.CopyFrom(options)
    if category is not None:
        chosen.category = category
    if max_output_tokens is not None:
        chosen.max_output_tokens = max_output_tokens
    return chosen
