"""How each scripted fault looks: a problem in the provider's words, bytes of no dialect, a stream that breaks."""

from typing import Final

from pointsman.domain.clock import Clock
from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.delivery import Delivery
from pointsman.simulator.exchange import ConnectionLost, Headers
from pointsman.simulator.faults import MID_STREAM, Fault, ScriptedFault
from pointsman.simulator.problem import Problem
from pointsman.simulator.scenario import LimitProfile, ModelProfile

_MINUTE = LimitProfile(unit=Unit.REQUESTS, amount=60)
_DAY = LimitProfile(unit=Unit.REQUESTS, amount=250, period_s=86_400.0)
_TOKENS = LimitProfile(unit=Unit.TOKENS, amount=30_000)
_SLOTS = LimitProfile(unit=Unit.CONCURRENCY, amount=1)
_HTML: Headers = (("content-type", "text/html; charset=utf-8"),)
_JSON: Headers = (("content-type", "application/json"),)
SILENCE_S = 86_400.0
"""How long a silent connection stays open: longer than any patience."""

DROP_BYTES, DROP_S = 64, 1.0
"""How slow slow bytes are."""

_PAGE = b"<!DOCTYPE html><html><head><title>%b</title></head><body><center><h1>%b</h1></center></body></html>\r\n"

RAW: dict[Fault, tuple[int, Headers, bytes]] = {
    Fault.SERVER_ERROR_HTML: (500, _HTML, _PAGE.replace(b"%b", b"500 Internal Server Error")),
    Fault.BAD_GATEWAY_EMPTY: (502, (), b""),
    Fault.OK_HTML: (200, _HTML, _PAGE.replace(b"%b", b"Welcome")),
    Fault.OK_EMPTY: (200, _JSON, b""),
    Fault.OK_WRONG_SHAPE: (
        200,
        _JSON,
        b'{"choices": "none", "content": 7, "candidates": {}, "response": [], "message": null}',
    ),
}
"""Status, headers and body of answers that do not depend on the dialect."""


def invented_problem(fault: ScriptedFault, model: ModelProfile) -> Problem | None:
    """Return the problem that the fault stands for; None when the fault is of another kind."""
    name, wait_s = model.id, fault.wait_s
    match fault.fault:
        case Fault.MINUTE_LIMIT:
            return Problem(Outcome.RATE_LIMITED, model=name, limit=_MINUTE, used=60, requested=1, wait_s=wait_s)
        case Fault.MINUTE_LIMIT_NO_HINT:
            return Problem(Outcome.RATE_LIMITED, model=name, limit=_MINUTE, used=60, requested=1)
        case Fault.CONCURRENCY_LIMIT:
            return Problem(Outcome.CONCURRENCY_LIMITED, model=name, limit=_SLOTS, used=1, requested=1)
        case Fault.DAILY_QUOTA:
            return Problem(Outcome.DAILY_QUOTA, model=name, limit=_DAY, used=250, requested=1, wait_s=wait_s)
        case Fault.TOO_LARGE:
            return Problem(Outcome.REQUEST_EXCEEDS_QUOTA, model=name, limit=_TOKENS, requested=45_000)
        case Fault.SERVER_ERROR | Fault.OK_ERROR_INSIDE:
            return Problem(Outcome.SERVER_ERROR, model=name)
        case _ if outcome := _PLAIN.get(fault.fault):
            return Problem(outcome, model=name)
        case _:
            return None


_PLAIN = {
    Fault.BILLING: Outcome.BILLING,
    Fault.OVERLOADED: Outcome.OVERLOADED,
    Fault.CONTENT_BLOCKED: Outcome.CONTENT_BLOCKED,
    Fault.BAD_KEY: Outcome.UNAUTHORIZED,
    Fault.MODEL_GONE: Outcome.MODEL_NOT_FOUND,
}


GARBAGE: Final = b'data: {"choices": [{"delta": \x00\xff\xfe\r\n\r\n'
"""Half a JSON object, no UTF-8, under a name that most streams use."""

_ENDS_AS: Final = {
    Fault.STREAM_CUT: Outcome.NETWORK,
    Fault.STREAM_SHORT: Outcome.NETWORK,
    Fault.STREAM_STALL: Outcome.NETWORK,
    Fault.STREAM_GARBAGE: Outcome.SERVER_ERROR,
    Fault.STREAM_ERROR: Outcome.SERVER_ERROR,
}
"""What a stream that is broken is counted as, whoever leaves it first."""


class BrokenDelivery:
    """A stream that goes wrong after some of its events; what the fault leaves of the rest is delivered."""

    def __init__(self, whole: Delivery, fault: Fault, *, after: int, error_event: bytes, clock: Clock) -> None:
        """Begin with nothing handed out."""
        self._whole = whole
        self._fault = fault
        self._left = after
        self._error_event = error_event
        self._clock = clock
        self._is_over = False

    def __aiter__(self) -> "BrokenDelivery":
        return self

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        self._left -= 1
        return await (self._break() if self._left == -1 else anext(self._whole))

    async def aclose(self) -> None:
        await self._whole.aclose()

    async def _break(self) -> bytes:
        if self._fault is Fault.STREAM_GARBAGE:
            return GARBAGE
        self._is_over = True
        if self._fault is Fault.STREAM_ERROR:
            return self._error_event
        if self._fault is Fault.STREAM_SHORT:
            raise StopAsyncIteration
        await self._clock.sleep(SILENCE_S if self._fault is Fault.STREAM_STALL else 0.0)
        raise ConnectionLost(self._fault)


def broken(
    whole: Delivery, fault: ScriptedFault | None, *, events: int, error_event: bytes, clock: Clock
) -> BrokenDelivery | Delivery:
    """Return the stream as the fault leaves it: going wrong after some of its `events`, its last never among them."""
    if fault is None or fault.fault not in MID_STREAM:
        return whole
    after = max(0, min(fault.after_events, events - 1))
    return BrokenDelivery(whole, fault.fault, after=after, error_event=error_event, clock=clock)


def ends_as(fault: ScriptedFault | None, otherwise: Outcome | None) -> Outcome | None:
    """Return how a stream with that fault ends; without one that breaks streams, as `otherwise` says."""
    return _ENDS_AS.get(fault.fault, otherwise) if fault else otherwise
