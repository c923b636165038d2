"""Who is called in a rehearsal: simulated accounts and local models that say how a call ends, and state what is left.

What they state is what the adapters would read off the wire: the rounding of each provider is theirs, the bytes are
left out. Nothing waits: the caller lets the time of a call pass.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, Protocol

from pointsman.cli.rehearsal_traffic import Asked
from pointsman.cli.rehearsal_world import LOCAL_PARALLEL, accounts, local_model
from pointsman.config import Settings
from pointsman.domain.answer import Usage
from pointsman.domain.pool import Candidate, Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import StatedQuota
from pointsman.executor.ledger.port import Settlement
from pointsman.simulator.account import Account, Admission, Gauge
from pointsman.simulator.problem import Problem
from pointsman.simulator.scenario import LocalModelProfile, ModelProfile, ProviderProfile
from pointsman.simulator.speaker import drawn, lengths
from pointsman.simulator.windows import next_pacific_midnight

MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)

MOST_UNSTATED: Final = 7
"""While there is plenty left, at most so many answers in a row do not state it, and the ledger goes by its own count.

That is a shortcut for speed: a test holds that it moves at most five requests in a thousand.
"""

PLENTY: Final = 8
"""Calls are few while they could use up an eighth of what is left."""

DRAWS: Final = 2_048
"""Lengths and times are drawn once, and then picked from so many."""

Speak = Callable[[ModelProfile, str, Asked], int]
"""How many tokens a model writes, given its effort, before any bound."""


@dataclass(slots=True)
class Call:
    """A call under way: how long it takes, how it will end, and what is needed to end it."""

    duration_s: float
    outcome: Outcome
    input_tokens: int
    bound: int
    output_tokens: int = 0
    admission: Admission | None = None
    problem: Problem | None = None
    model: ModelProfile | None = None


class Host(Protocol):
    """Whoever answers for one provider of the settings. `now` is in seconds since 1970."""

    def begin(self, candidate: Candidate, asked: Asked, bound: int, now: float) -> Call:
        """Take a call that may write `bound` tokens."""

    def end(self, call: Call, now: float, share: float) -> Settlement:
        """End it after that share of its time; below 1 the caller gave up."""


class Voice:
    """Says what was recorded, else what the simulator would say."""

    def __init__(self, *, chance: Random) -> None:
        """Begin with nothing drawn."""
        self._chance = chance
        self._drawn: dict[tuple[str, str], list[int]] = {}

    def __call__(self, model: ModelProfile, effort: str, asked: Asked) -> int:
        if asked.output_tokens is not None:
            return asked.output_tokens
        drawn_before = self._drawn.get((model.id, effort))
        if drawn_before is None:
            drawn_before = [sum(lengths(model, effort, self._chance)) for _ in range(DRAWS)]
            self._drawn[model.id, effort] = drawn_before
        return drawn_before[int(self._chance.random() * DRAWS)]


class Remote:
    """One account."""

    def __init__(self, profile: ProviderProfile, *, chance: Random, speak: Speak, most_unstated: int) -> None:
        """Begin with a fresh account."""
        self._account = Account(profile)
        self._models = {model.id: model for model in profile.models}
        self._kind = profile.kind
        self._state = STATES.get(profile.kind) if profile.states_quota else None
        self._chance = chance
        self._speak = speak
        self._first_s = {
            model.id: [drawn(model.latency.first_token_s, model.latency.spread, chance) for _ in range(DRAWS)]
            for model in profile.models
        }
        self._most_unstated = most_unstated
        self._unstated = dict.fromkeys(self._models, 0)

    def begin(self, candidate: Candidate, asked: Asked, bound: int, now: float) -> Call:
        model, tokens = self._models[candidate.model.id], asked.input_tokens
        admission = self._account.admit(model, input_tokens=tokens, requested_tokens=bound, now=now)
        latency = model.latency
        if isinstance(admission, Problem):
            refused_s = drawn(latency.rejection_s, latency.spread, self._chance)
            return Call(refused_s, admission.outcome, tokens, bound, problem=admission, model=model)
        output = min(self._speak(model, candidate.effort, asked), bound)
        first_s = self._first_s[model.id][int(self._chance.random() * DRAWS)]
        return Call(
            first_s + output * latency.per_token_s, Outcome.ANSWERED, tokens, bound, output, admission, model=model
        )

    def end(self, call: Call, now: float, share: float) -> Settlement:
        model, output = call.model, call.output_tokens
        if call.admission:
            self._account.settle(call.admission, output_tokens=output if share == 1 else round(output * share), now=now)
        if share < 1 or model is None:
            return Settlement(outcome=Outcome.TIMED_OUT)
        if call.problem:
            self._unstated[model.id] = 0
            return _refusal(self._kind, call.problem, self._stated(call, model, now), now)
        usage = Usage(
            input_tokens=call.input_tokens,
            cached_input_tokens=model.cached_tokens(call.input_tokens),
            output_tokens=output,
        )
        return Settlement(outcome=Outcome.ANSWERED, usage=usage, stated=self._stated(call, model, now))

    def _stated(self, call: Call, model: ModelProfile, now: float) -> tuple[StatedQuota, ...]:
        if self._state is None:
            return ()
        if self._unstated[model.id] > 0:
            self._unstated[model.id] -= 1
            return ()
        gauges = self._account.gauges(model, now)
        self._unstated[model.id] = min((self._few(gauge, call) for gauge in gauges), default=0)
        return tuple(self._state(gauges, datetime.fromtimestamp(now, UTC)))

    def _few(self, gauge: Gauge, call: Call) -> int:
        """Return how many calls like this one may go unstated."""
        weight = 1 if gauge.limit.unit is Unit.REQUESTS else call.input_tokens + call.bound
        return max(0, min(self._most_unstated, int(gauge.left / (PLENTY * weight))))


class Local:
    """The models of one Ollama: each is loaded once, and answers a few at a time in the order of asking."""

    def __init__(self) -> None:
        """Begin with nothing in memory."""
        self._free_at: dict[str, list[float]] = {}

    def begin(self, candidate: Candidate, asked: Asked, bound: int, now: float) -> Call:
        model = local_model(candidate)
        slots = self._free_at.setdefault(model.id, [now + model.load_s] * LOCAL_PARALLEL)
        output = min(bound, asked.output_tokens or model.output_tokens)
        begins = max(now, min(slots))
        ends = begins + _answers_in_s(model, asked.input_tokens, output)
        slots[slots.index(min(slots))] = ends
        return Call(ends - now, Outcome.ANSWERED, asked.input_tokens, bound, output)

    def end(self, call: Call, now: float, share: float) -> Settlement:  # noqa: ARG002 - the port's
        if share < 1:
            return Settlement(outcome=Outcome.TIMED_OUT)
        usage = Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens)
        return Settlement(outcome=Outcome.ANSWERED, usage=usage)


def hosts(
    settings: Settings,
    known: Mapping[str, Candidate],
    *,
    seed: int,
    speak: Speak | None = None,
    most_unstated: int = MOST_UNSTATED,
) -> dict[str, Host]:
    """Return who answers for each provider of the settings, by its name there."""
    voice = speak or Voice(chance=Random(f"{seed}/voice"))
    remote: dict[str, Host] = {
        name: Remote(profile, chance=Random(f"{seed}/{name}"), speak=voice, most_unstated=most_unstated)
        for name, profile in accounts(settings, known).items()
    }
    return remote | {name: Local() for name, provider in settings.providers.items() if provider.local}


def _answers_in_s(model: LocalModelProfile, input_tokens: int, output_tokens: int) -> float:
    return input_tokens / model.prompt_tokens_per_s + output_tokens / model.output_tokens_per_s


def _by_anthropic(gauges: Iterable[Gauge], now: datetime) -> Iterable[StatedQuota]:
    """Return each bucket: tokens in thousands, instants in whole seconds, as its headers have them."""
    for gauge in gauges:
        limit = gauge.limit
        left, full_at = max(0, int(gauge.left)), (now + timedelta(seconds=gauge.full_in_s)).replace(microsecond=0)
        if limit.unit is not Unit.REQUESTS:
            left = round(left, -3)
        if full_at <= now:
            full_at, left = now, limit.amount
        yield StatedQuota(
            unit=limit.unit,
            limit=limit.amount,
            remaining=min(left, limit.amount),
            full_at=full_at,
            period=MINUTE,
            refills=True,
        )


def _by_openai(gauges: Iterable[Gauge], now: datetime) -> Iterable[StatedQuota]:
    """Return the tightest window of requests and that of tokens: its headers have room for one each."""
    tightest: dict[Unit, Gauge] = {}
    for gauge in gauges:
        unit = Unit.TOKENS if gauge.limit.unit is Unit.INPUT_TOKENS else gauge.limit.unit
        if unit not in tightest or _fullness(gauge) < _fullness(tightest[unit]):
            tightest[unit] = gauge
    for unit in (Unit.REQUESTS, Unit.TOKENS):
        if unit in tightest:
            gauge = tightest[unit]
            limit, left = gauge.limit.amount, max(0, int(gauge.left))
            yield StatedQuota(
                unit=unit,
                limit=limit,
                remaining=left,
                full_at=now + timedelta(seconds=gauge.full_in_s),
                period=DAY if gauge.limit.is_daily else MINUTE,
                refills=not gauge.limit.is_daily and left < limit,
            )


def _fullness(gauge: Gauge) -> float:
    return gauge.left / gauge.limit.amount


STATES: Final[Mapping[str, Callable[[Iterable[Gauge], datetime], Iterable[StatedQuota]]]] = {
    "anthropic": _by_anthropic,
    "openai": _by_openai,
}
"""What each kind states on every answer; the others state nothing."""


def _refusal(kind: str, problem: Problem, stated: tuple[StatedQuota, ...], now: float) -> Settlement:
    """Return how a refusal reads: which limit it names, and how long it asks to wait."""
    limit = problem.limit
    named: tuple[StatedQuota, ...] = ()
    if limit and kind != "deepseek":  # whose refusals say nothing
        period = None if limit.unit is Unit.CONCURRENCY else DAY if limit.is_daily else MINUTE
        named = (StatedQuota(unit=limit.unit, limit=limit.amount, period=period, refills=kind == "anthropic"),)
    if problem.outcome is Outcome.DAILY_QUOTA:
        out_until = next_pacific_midnight(datetime.fromtimestamp(now, UTC))
        return Settlement(outcome=problem.outcome, stated=stated + named, out_until=out_until)
    wait_s = None if problem.wait_s is None or kind == "deepseek" else max(1.0, math.ceil(problem.wait_s))
    return Settlement(outcome=problem.outcome, stated=stated + named, retry_after_s=wait_s)
