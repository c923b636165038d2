"""The one rim between adapters and the network: a wire format goes in, an Adapter comes out."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Iterator
from dataclasses import replace
from typing import Final

from pointsman.domain.answer import Delta
from pointsman.domain.clock import Clock
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import replies
from pointsman.executor.adapters.arrivals import Arrivals, Patience
from pointsman.executor.adapters.base import (
    Call,
    HttpRequest,
    HttpResponse,
    Opening,
    Reply,
    Unreadable,
    Unsendable,
    Wire,
)
from pointsman.executor.adapters.carrier import Arriving, Carrier
from pointsman.executor.adapters.connection import BODY_BYTES, FAILURES, TooLarge, failed
from pointsman.executor.time_limit import until
from pointsman.telemetry.spans import outgoing_metadata

_PROBE_TIMEOUT_S: Final = 10.0


class HttpAdapter:
    """An Adapter for one wire format over one carrier, which it owns. It retries and follows nothing."""

    def __init__(self, wire: Wire, carrier: Carrier, *, clock: Clock, tells_trace: bool = False) -> None:
        """Open nothing yet. `tells_trace` says that the provider is told which trace a call belongs to."""
        self._wire = wire
        self._carrier = carrier
        self._clock = clock
        self._tells_trace = tells_trace

    async def call(self, call: Call) -> Reply:
        """Make the call and return what became of it. Raises nothing but CancelledError."""
        at = asyncio.get_running_loop().time() + call.timeout_s
        try:
            request = self._wire.request(call)
        except Unsendable as error:
            return Reply(outcome=Outcome.INVALID_REQUEST, detail=str(error))
        response = await self._exchange(request, at, call.timeout_s, call.candidate.time_limits.connect_s)
        if isinstance(response, Reply):
            return response
        return self._read(call, response)

    def stream(self, call: Call) -> AsyncGenerator[Opening | Delta | Reply, None]:
        """Make the call and yield its answer as it comes, then the Reply. Raises nothing but CancelledError.

        What has been yielded is to be taken before more is read. Closing it closes the connection.
        """
        try:
            request = self._wire.stream_request(call)
        except Unsendable as error:
            return _only(Reply(outcome=Outcome.INVALID_REQUEST, detail=str(error)))
        return self._listen(call, request)

    async def probe(self, model: str) -> Reply:
        """Ask what is free, and return the first reply that is not well, else the last."""
        reply = Reply(outcome=Outcome.ANSWERED)
        for request in self._wire.probe_requests(model):
            at = asyncio.get_running_loop().time() + _PROBE_TIMEOUT_S
            response = await self._exchange(request, at, _PROBE_TIMEOUT_S)
            if isinstance(response, Reply):
                return response
            reply = replies.stamped(self._wire.read_probe(model, response, self._clock.now()), response)
            if reply.outcome is not Outcome.ANSWERED:
                return reply
        return reply

    async def close(self) -> None:
        """Close the connections."""
        await self._carrier.close()

    async def _exchange(
        self, request: HttpRequest, at: float, limit_s: float, connect_s: float = math.inf
    ) -> HttpResponse | Reply:
        """Send and return what came back; a Reply when nothing did, or too much. Cancelling closes the connection.

        `at` is when the loop's clock has reached the limit of `limit_s`.
        """
        try:
            with until(at, "No answer within", limit_s):
                response = await self._send(request, connect_s)
                try:
                    return HttpResponse(status=response.status, headers=response.headers, body=await _body(response))
                finally:
                    await response.close()
        except FAILURES as error:
            return failed(error)

    async def _listen(self, call: Call, request: HttpRequest) -> AsyncGenerator[Opening | Delta | Reply, None]:
        """Send, and yield the answer: one generator for all of it, because each costs something a token."""
        with Patience(call) as patience:
            try:
                response = await patience.wait(lambda: self._send(request, call.candidate.time_limits.connect_s))
            except FAILURES as error:
                yield failed(error)
                return
            try:
                head = HttpResponse(status=response.status, headers=response.headers)
                arrivals = Arrivals(response, patience)
                if not head.is_success or _is_json(head):
                    for step in _handed_on(self._whole(call, head, await arrivals.rest())):
                        yield step
                    return
                reader, has_spoken = self._wire.reader(call, head), False
                chunk: bytes | Reply = b""
                while not reader.is_done and not isinstance(chunk := await arrivals.next(), Reply):
                    for delta in reader.feed(chunk) if chunk else reader.flush():
                        if not has_spoken:
                            has_spoken = True
                            patience.has_spoken()
                            yield _opening(reader.model, head)
                        yield delta
                    if not chunk:
                        break
                if reader.is_done:
                    await arrivals.close_in_order()
                reply = reader.end(self._clock.now())
                yield _broken_off(reply, chunk) if isinstance(chunk, Reply) else reply
            finally:
                await response.close()

    def _whole(self, call: Call, head: HttpResponse, body: bytes | Reply) -> Reply:
        """Return what a body means that came whole although a stream was asked for; a Reply says why it did not."""
        if isinstance(body, Reply):
            return replies.stamped(body, head)
        return self._read(call, HttpResponse(status=head.status, headers=head.headers, body=body))

    def _read(self, call: Call, response: HttpResponse) -> Reply:
        try:
            return self._wire.read(call, response, self._clock.now())
        except Unreadable as error:
            return replies.stamped(replies.no_answer(str(error)), response)

    def _send(self, request: HttpRequest, connect_s: float) -> Awaitable[Arriving]:
        """Return the head of what comes back; without a limit of its own it may take as long to connect as any."""
        return self._carrier.send(request, connect_s=connect_s, more=outgoing_metadata() if self._tells_trace else ())


async def _body(response: Arriving) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while not response.is_whole and (piece := await response.piece()):
        size += len(piece)
        if size > BODY_BYTES:
            raise TooLarge
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _is_json(head: HttpResponse) -> bool:
    """Return True for a body that is one document although a stream was asked for: an error, or a whole answer."""
    return head.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def _only(reply: Reply) -> AsyncGenerator[Opening | Delta | Reply, None]:
    """Yield what became of a call that was not made."""
    yield reply


def _opening(model: str, head: HttpResponse) -> Opening:
    return Opening(model=replies.short(model), simulated=replies.SIMULATED in head.headers)


def _handed_on(reply: Reply) -> Iterator[Opening | Delta | Reply]:
    """Yield a whole reply as the stream that was asked for."""
    answer = reply.answer
    if answer is not None and (answer.text or answer.tool_calls):
        yield Opening(model=reply.model, simulated=reply.simulated)
        calls = tuple(replies.whole_call(index, call) for index, call in enumerate(answer.tool_calls))
        yield Delta(text=answer.text, tool_calls=calls)
        reply = replace(reply, answer=replace(answer, text="", tool_calls=()))
    yield reply


def _broken_off(reply: Reply, failure: Reply) -> Reply:
    """Return what is known of a stream that did not come to its end, with what ended it."""
    return replace(reply, outcome=failure.outcome, detail=failure.detail, answer=None, retry_after_s=None)
