"""One simulated provider: read the request, follow the script, ask the account, take the time, answer."""

import asyncio
import hashlib
from dataclasses import dataclass, replace
from random import Random

from pointsman.domain.clock import Clock
from pointsman.domain.trail import Outcome
from pointsman.simulator.account import Account, Admission
from pointsman.simulator.breakage import DROP_BYTES, DROP_S, RAW, SILENCE_S, broken, ends_as, invented_problem
from pointsman.simulator.delivery import Delivery
from pointsman.simulator.dialect import Ask, Dialect, Page, Speech, Stamp
from pointsman.simulator.exchange import (
    SIMULATED_HEADER,
    ConnectionLost,
    ConnectionRefused,
    Headers,
    Pieces,
    SimRequest,
    SimResponse,
)
from pointsman.simulator.faults import Fault, Script, ScriptedFault
from pointsman.simulator.problem import Problem, Unreadable
from pointsman.simulator.scenario import ModelProfile, ProviderProfile
from pointsman.simulator.speaker import blocked, first_token_s, only_reasoning, rejection_s, speak
from pointsman.simulator.tally import CallCount, Tallies

_JSON: Headers = (("content-type", "application/json"),)
_EVENTS: Headers = (("content-type", "text/event-stream; charset=utf-8"),)
_ALL_REASONING_TOKENS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exchange:
    """One request for text that is being answered. `pace` is the chance behind its times."""

    ask: Ask
    stamp: Stamp
    pace: Random
    fault: ScriptedFault | None
    count: CallCount

    def has(self, fault: Fault) -> bool:
        """Tell whether this exchange is to go wrong that way."""
        return self.fault is not None and self.fault.fault is fault


class Provider:
    """One account at one provider. Every request is counted once in its tally, also when the caller goes away."""

    def __init__(
        self, profile: ProviderProfile, dialect: Dialect, *, clock: Clock, seed: int, script: Script, tallies: Tallies
    ) -> None:
        """Begin with a fresh account."""
        self._profile = profile
        self._dialect = dialect
        self._clock = clock
        self._seed = seed
        self._script = script
        self._tallies = tallies
        self._requests = 0
        self.account = Account(profile)
        self.is_down = False

    async def handle(self, request: SimRequest) -> SimResponse:
        """Answer one request. Raises ConnectionLost when there is to be no answer at all."""
        if self.is_down:
            self._tallies[self._profile.kind, ""].outcomes[Outcome.NETWORK] += 1
            raise ConnectionRefused(self._profile.kind)
        self._requests += 1
        stamp = self._stamp()
        try:
            read = self._dialect.read(request, self._profile)
        except Unreadable as error:
            self._tallies[self._profile.kind, ""].outcomes[error.problem.outcome] += 1
            return self._refusal(error.problem, stamp, None)
        if isinstance(read, Page):
            return self._page(read, stamp)
        kind, model = self._profile.kind, read.model.id
        fault = self._script.next(kind, model, streamed=read.streamed)
        exchange = _Exchange(
            ask=read,
            stamp=stamp,
            pace=Random(f"{self._seed}/{kind}/{self._requests}"),
            fault=fault,
            count=self._tallies.count(kind, model, id=stamp.id, is_scripted=fault is not None),
        )
        try:
            return await self._generate(exchange)
        except asyncio.CancelledError:
            exchange.count.end(None)
            raise

    async def _generate(self, exchange: _Exchange) -> SimResponse:
        """Return the answer of the script or the account; every way out but a cancelled one ends the tally."""
        fault, model = exchange.fault, exchange.ask.model
        if fault and fault.fault in {Fault.RESET, Fault.SILENCE}:
            await self._clock.sleep(SILENCE_S if fault.fault is Fault.SILENCE else 0.0)
            exchange.count.end(Outcome.NETWORK)
            raise ConnectionLost(model.id)
        if fault and fault.fault in RAW:
            await self._clock.sleep(rejection_s(model.latency, exchange.pace))
            exchange.count.end(Outcome.SERVER_ERROR)
            status, headers, body = RAW[fault.fault]
            return SimResponse(status=status, headers=(*headers, SIMULATED_HEADER), body=body)
        problem = self._scripted_problem(exchange)
        if problem is None:
            admission = self._admit(exchange)
            if isinstance(admission, Admission):
                return await self._answer(exchange, admission)
            problem = admission
        await self._clock.sleep(rejection_s(model.latency, exchange.pace))
        exchange.count.end(problem.outcome)
        response = self._refusal(problem, exchange.stamp, model)
        return replace(response, status=200) if exchange.has(Fault.OK_ERROR_INSIDE) else response

    def _scripted_problem(self, exchange: _Exchange) -> Problem | None:
        if exchange.fault is None or (exchange.has(Fault.CONTENT_BLOCKED) and self._dialect.blocks_in_answer):
            return None
        return invented_problem(exchange.fault, exchange.ask.model)

    def _admit(self, exchange: _Exchange) -> Admission | Problem:
        ask = exchange.ask
        return self.account.admit(
            ask.model, input_tokens=ask.input_tokens, requested_tokens=ask.max_output_tokens or 0, now=self._epoch_s()
        )

    async def _answer(self, exchange: _Exchange, admission: Admission) -> SimResponse:
        ask, latency = exchange.ask, exchange.ask.model.latency
        speech = self._speech(exchange)
        first_s = first_token_s(latency, speech, exchange.pace)
        rest_s = speech.visible_tokens * latency.per_token_s
        if ask.streamed:
            return self._streamed(exchange, admission, speech, first_s, rest_s)
        begun = self._clock.monotonic()
        try:
            await self._clock.sleep(first_s + rest_s)
        except asyncio.CancelledError:
            share = min(1.0, (self._clock.monotonic() - begun) / max(1e-9, first_s + rest_s))
            self._settle(exchange, admission, round(speech.output_tokens * share))
            raise
        self._settle(exchange, admission, speech.output_tokens)
        body = self._dialect.answer(speech, exchange.stamp)
        if exchange.has(Fault.SLOW_BYTES):
            return self._dripping(exchange, speech, body)
        exchange.count.end(_outcome(speech))
        return self._response(200, _JSON, body, exchange.stamp, ask.model)

    def _speech(self, exchange: _Exchange) -> Speech:
        ask = exchange.ask
        if exchange.has(Fault.CONTENT_BLOCKED):
            return blocked(ask)
        if exchange.has(Fault.OUTPUT_ALL_REASONING):
            return only_reasoning(ask, ask.max_output_tokens or _ALL_REASONING_TOKENS)
        return speak(ask, Random(f"{self._seed}/{ask.model.id}/{ask.text}"))

    def _streamed(
        self, exchange: _Exchange, admission: Admission, speech: Speech, first_s: float, rest_s: float
    ) -> SimResponse:
        def end(is_whole: bool) -> None:  # noqa: FBT001 - a callback of one argument
            # Where the caller left, half is a fair guess of what had been made.
            self._settle(exchange, admission, speech.output_tokens if is_whole else speech.output_tokens // 2)
            exchange.count.end(ends_as(exchange.fault, _outcome(speech) if is_whole else None))

        events = [*self._dialect.stream(speech, exchange.stamp, wants_usage=exchange.ask.wants_usage)]
        each_s = rest_s / max(1, len(speech.pieces))
        whole = Delivery(events, clock=self._clock, first_s=first_s, each_s=each_s, on_end=end)
        failure = Problem(Outcome.SERVER_ERROR, model=exchange.ask.model.id)
        said = self._dialect.error_event(failure, exchange.stamp)
        body = broken(whole, exchange.fault, events=len(events), error_event=said, clock=self._clock)
        return self._response(200, _EVENTS, body, exchange.stamp, exchange.ask.model)

    def _dripping(self, exchange: _Exchange, speech: Speech, body: bytes) -> SimResponse:
        def end(is_whole: bool) -> None:  # noqa: FBT001 - a callback of one argument
            exchange.count.end(_outcome(speech) if is_whole else None)

        drops = (body[at : at + DROP_BYTES] for at in range(0, len(body), DROP_BYTES))
        slow = Delivery(drops, clock=self._clock, first_s=DROP_S, each_s=DROP_S, on_end=end)
        return self._response(200, _JSON, slow, exchange.stamp, exchange.ask.model)

    def _settle(self, exchange: _Exchange, admission: Admission, output_tokens: int) -> None:
        self.account.settle(admission, output_tokens=output_tokens, now=self._epoch_s())
        exchange.count.use(admission.input_tokens, output_tokens, admission.cost_usd(output_tokens))

    def _page(self, page: Page, stamp: Stamp) -> SimResponse:
        profile = self._profile
        balance = float((profile.balance_usd or 100) - self.account.spent_usd)
        return self._response(200, _JSON, self._dialect.page(page, profile, max(0.0, balance)), stamp, None)

    def _refusal(self, problem: Problem, stamp: Stamp, model: ModelProfile | None) -> SimResponse:
        if not self._profile.hints_wait:
            problem = replace(problem, wait_s=None)
        if not self._profile.names_limit:
            problem = replace(problem, limit=None)
        status, headers, body = self._dialect.problem(problem, stamp)
        return self._response(status, _JSON + headers, body, stamp, model)

    def _response(
        self, status: int, headers: Headers, body: bytes | Pieces, stamp: Stamp, model: ModelProfile | None
    ) -> SimResponse:
        """Add what stands on every answer; the quota of the model is stated where it is known."""
        stated = self.account.gauges(model, self._epoch_s()) if model and self._profile.states_quota else []
        stamp = replace(stamp, at=self._clock.now())
        common = self._dialect.headers(stated, stamp, answered=status == 200)  # noqa: PLR2004 - OK
        return SimResponse(status=status, headers=(*headers, *common, SIMULATED_HEADER), body=body)

    def _stamp(self) -> Stamp:
        named = f"{self._seed}/{self._profile.kind}/{self._requests}"
        return Stamp(id=hashlib.blake2b(named.encode(), digest_size=12).hexdigest(), at=self._clock.now())

    def _epoch_s(self) -> float:
        return self._clock.now().timestamp()


def _outcome(speech: Speech) -> Outcome:
    return Outcome.CONTENT_BLOCKED if speech.is_blocked else Outcome.ANSWERED
