"""Make one call for which quota is set aside, and say what became of it: span, time limit, price, habits."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import field, replace
from datetime import datetime
from typing import Final

import structlog

from pointsman.domain.answer import Delta, Usage
from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Attempt, Outcome
from pointsman.executor.adapters.base import Adapter, Call, Opening, Reply
from pointsman.executor.attempt import RULES
from pointsman.executor.attempt_span import announce, describe, describe_given_up
from pointsman.executor.budget import Slice
from pointsman.executor.content import Overheard, input_messages, output_messages
from pointsman.executor.estimate import Estimator, output_limit
from pointsman.executor.outlet import Outlet, Start
from pointsman.executor.prices import PriceTable
from pointsman.executor.time_limit import TimeIsUp, until
from pointsman.telemetry import names
from pointsman.telemetry.spans import Span, SpanKind, span

ANSWERS: Final = frozenset({Outcome.ANSWERED, Outcome.CONTENT_BLOCKED})
"""Outcomes of which an answer is part."""

GRACE_S: Final = 0.01
"""How much longer than its limit a call may take: there its adapter ends it, and knows what has been counted so far.

Cut here are calls whose adapter does not end, and streams whose reader stands still.
"""

MOST_BYTES_PER_TOKEN: Final = 8
"""No language comes near; a count below it was taken before the answer was written (Anthropic counts at both ends)."""


@frozen
class Caller:
    """Everything that one call needs. `adapters` has one entry a provider."""

    adapters: Mapping[str, Adapter]
    prices: PriceTable
    estimator: Estimator
    clock: Clock
    suspects: dict[str, float] = field(default_factory=dict)
    """Candidates whose last rate limit looked like a spend limit, and since when; a later one is taken for it."""
    content_bytes: int = 0
    """How much of a prompt, and of an answer, a span may hold; 0: nothing."""

    async def call(
        self,
        candidate: Candidate,
        request: Request,
        *,
        within: Slice,
        outlet: Outlet | None = None,
        is_fallback: bool = False,
    ) -> tuple[Attempt, Reply]:
        """Call the candidate and return what became of it; with an outlet, its content goes there as it comes.

        Raises nothing but CancelledError.
        """
        started_at, started = self.clock.now(), self.clock.monotonic()
        call = Call(
            candidate=candidate,
            request=request,
            max_output_tokens=output_limit(candidate, request),
            timeout_s=within.total_s,
            first_token_s=within.first_token_s,
            idle_s=within.idle_s,
        )
        with span(f"{names.OPERATION_CHAT} {candidate.model.id}", kind=SpanKind.CLIENT) as call_span:
            announce(call_span, call, is_fallback=is_fallback, is_streamed=outlet is not None)
            overheard = self._overheard(call_span, request)
            try:
                reply = self._second_look(candidate, await self._reply(call, outlet, overheard), started)
            except asyncio.CancelledError:
                so_far = self.given_up(candidate, request, started_at, outlet=outlet, is_fallback=is_fallback)
                describe_given_up(call_span, so_far.usage, so_far.time_to_first_token_s, so_far.cost_usd)
                raise
            first_token_s = outlet.begun_at - started if outlet and outlet.begun_at is not None else None
            cost = self.prices.cost(candidate, reply.usage, started_at) if reply.usage else None
            describe(call_span, reply, first_token_s=first_token_s, cost_usd=cost)
            if overheard and reply.answer:
                told = output_messages(reply.answer, overheard.text, overheard.most_bytes)
                call_span.set(names.GEN_AI_OUTPUT_MESSAGES, told)
        duration_s = self.clock.monotonic() - started
        if reply.outcome is Outcome.ANSWERED and reply.usage:
            self.estimator.learn(candidate, request, reply.usage, duration_s)
        attempt = Attempt(
            candidate=candidate.id,
            outcome=reply.outcome,
            started_at=started_at,
            duration_s=duration_s,
            time_to_first_token_s=first_token_s,
            usage=reply.usage,
            cost_usd=cost,
            wasted=RULES[reply.outcome].wasted,
            local=candidate.local,
            fallback=is_fallback,
            simulated=reply.simulated,
            provider_request_id=reply.provider_request_id,
            http_status=reply.http_status,
            detail=reply.detail,
            retry_after_s=reply.retry_after_s,
            price_version=self.prices.version if cost is not None else "",
            ignored_options=reply.ignored_options,
        )
        return attempt, reply

    def given_up(
        self,
        candidate: Candidate,
        request: Request,
        started_at: datetime,
        *,
        outlet: Outlet | None = None,
        is_fallback: bool = False,
    ) -> Attempt:
        """Return the attempt of a call that was under way when its request was cancelled, with what it used so far."""
        begun_at = outlet.begun_at if outlet else None
        duration_s = (self.clock.now() - started_at).total_seconds()
        usage = self._so_far(candidate, request, outlet) if outlet and outlet.has_begun else None
        cost = self.prices.cost(candidate, usage, started_at) if usage else None
        return Attempt(
            candidate=candidate.id,
            outcome=Outcome.CANCELLED,
            started_at=started_at,
            duration_s=duration_s,
            time_to_first_token_s=None if begun_at is None else duration_s - (self.clock.monotonic() - begun_at),
            usage=usage,
            cost_usd=cost,
            local=candidate.local,
            fallback=is_fallback,
            detail="the caller gave up",
            price_version=self.prices.version if cost is not None else "",
        )

    def _overheard(self, call_span: Span, request: Request) -> Overheard | None:
        """Put the prompt on the span and return what collects the answer, where the settings want them there."""
        if not self.content_bytes or not call_span.is_recording:
            return None
        call_span.set(names.GEN_AI_INPUT_MESSAGES, input_messages(request.prompt, self.content_bytes))
        return Overheard(self.content_bytes)

    async def _reply(self, call: Call, outlet: Outlet | None, overheard: Overheard | None) -> Reply:
        candidate = call.candidate
        try:
            adapter = self.adapters[candidate.provider]
            at = asyncio.get_running_loop().time() + call.timeout_s
            with until(at, "The call did not end within", call.timeout_s, grace_s=GRACE_S):
                reply = await (_streamed(adapter, call, outlet, overheard) if outlet else adapter.call(call))
        except TimeIsUp as error:
            reply = Reply(outcome=Outcome.TIMED_OUT, detail=str(error))
        except Exception as error:
            # A bug of an adapter must not lose the request: it is named, logged once, and the next candidate serves.
            log = structlog.get_logger()
            log.exception(names.EVENT_ADAPTER_BROKEN, candidate=candidate.id, error_type=type(error).__name__)
            reply = Reply(outcome=Outcome.SERVER_ERROR, detail=f"the adapter failed with {type(error).__name__}")
        if reply.answer is None and reply.outcome in ANSWERS:
            reply = replace(reply, outcome=Outcome.SERVER_ERROR, detail="the provider's answer held none")
        if outlet and outlet.has_begun and not _is_counted(reply, outlet):
            return replace(reply, usage=self._so_far(candidate, call.request, outlet))
        return reply

    def _so_far(self, candidate: Candidate, request: Request, outlet: Outlet) -> Usage:
        return self.estimator.so_far(candidate, request, outlet.taken_bytes)

    def _second_look(self, candidate: Candidate, reply: Reply, started: float) -> Reply:
        """Take a rate limit that names no wait, twice in a row, for the spend limit that it looks like.

        Calls that were under way together are not in a row: a burst meets one limit many times (docs, 2026-11).
        """
        if not reply.repeat_means_billing:
            self.suspects.pop(candidate.id, None)
            return reply
        if started > self.suspects.setdefault(candidate.id, self.clock.monotonic()):
            return replace(reply, outcome=Outcome.BILLING)
        return reply


async def _streamed(adapter: Adapter, call: Call, outlet: Outlet, overheard: Overheard | None) -> Reply:
    """Put the content into the outlet as it comes, and return what became of the call."""
    opening = Opening(model="", simulated=False)
    async with aclosing(adapter.stream(call)) as arrivals:
        async for arrival in arrivals:
            if isinstance(arrival, Delta):
                if not outlet.has_begun:
                    outlet.begin(Start(candidate=call.candidate, model=opening.model, simulated=opening.simulated))
                outlet.put(arrival)
                if overheard:
                    overheard.take(arrival)
                if outlet.is_full:
                    await outlet.room()
            elif isinstance(arrival, Opening):
                opening = arrival
            else:
                return arrival
    return Reply(outcome=Outcome.SERVER_ERROR, detail="the adapter ended its stream without a reply")


def _is_counted(reply: Reply, outlet: Outlet) -> bool:
    """Return whether the provider's own count is of all that it wrote."""
    if reply.usage is None:
        return False
    return reply.outcome in ANSWERS or reply.usage.output_tokens * MOST_BYTES_PER_TOKEN >= outlet.taken_bytes
