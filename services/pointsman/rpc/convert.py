"""Domain values to Protobuf messages and back: verdicts, trails, usage, answers.

Requests are read in `rpc/requests.py`.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from pointsman.domain.answer import Answer, Delta, FinishReason, Usage
from pointsman.domain.prompt import Role, ToolCall
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop, Verdict
from pointsman.v1 import executor_pb2
from pointsman.v1 import types_pb2 as pb

MemberT = TypeVar("MemberT", bound=StrEnum)
NumberT = TypeVar("NumberT", bound=int)

_NANOS: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_S: Final = 86_400


class Names(Generic[MemberT, NumberT]):
    """One enum of ours and its twin in the contract, which carries the same names behind a prefix."""

    def __init__(self, ours: type[MemberT], value: Callable[[str], NumberT], prefix: str) -> None:
        self._to_pb = {member: value(prefix + member.name) for member in ours}
        self._from_pb = {int(number): member for member, number in self._to_pb.items()}

    def to_pb(self, member: MemberT) -> NumberT:
        """Return the number of the contract."""
        return self._to_pb[member]

    def from_pb(self, number: int) -> MemberT | None:
        """Return our member; None for zero, and for a value that only a newer peer knows."""
        return self._from_pb.get(number)


ROLES: Final = Names(Role, pb.Role.Value, "ROLE_")
FINISH_REASONS: Final = Names(FinishReason, pb.FinishReason.Value, "FINISH_REASON_")
DECIDED_BY: Final = Names(DecidedBy, pb.DecidedBy.Value, "DECIDED_BY_")
MODEL_HOPS: Final = Names(ModelHop, pb.ModelHop.Value, "MODEL_HOP_")
OUTCOMES: Final = Names(Outcome, pb.Outcome.Value, "OUTCOME_")
SKIP_REASONS: Final = Names(SkipReason, pb.SkipReason.Value, "SKIP_REASON_")
DEGRADED_REASONS: Final = Names(DegradedReason, pb.DegradedReason.Value, "DEGRADED_REASON_")


def sendable(text: str) -> str:
    """Return the text without lone surrogates, which JSON of a provider may hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def duration_to_pb(seconds: float) -> Duration:
    """Return a duration, exact to the nanosecond."""
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    return Duration(seconds=whole, nanos=nanos)


def write_duration(duration_pb: Duration, seconds: float) -> None:
    """Write a duration where it shall stand, in half the time of making and copying one; 0 is set too."""
    duration_pb.seconds, duration_pb.nanos = divmod(round(seconds * _NANOS), _NANOS)


def duration_from_pb(duration: Duration) -> float:
    """Return seconds."""
    return duration.seconds + duration.nanos / _NANOS


def instant_to_pb(instant: datetime) -> Timestamp:
    """Return an instant; `instant` is aware."""
    since = instant - _EPOCH  # FromDatetime of the library does the same, in several times the time
    return Timestamp(seconds=since.days * _DAY_S + since.seconds, nanos=since.microseconds * 1_000)


def instant_from_pb(stamp: Timestamp) -> datetime:
    """Return an aware instant in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


def usage_to_pb(usage: Usage) -> pb.Usage:
    """Return the message."""
    return pb.Usage(
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        estimated=usage.estimated,
    )


def usage_from_pb(usage_pb: pb.Usage) -> Usage:
    """Return the value."""
    return Usage(
        input_tokens=usage_pb.input_tokens,
        cached_input_tokens=usage_pb.cached_input_tokens,
        cache_write_tokens=usage_pb.cache_write_tokens,
        output_tokens=usage_pb.output_tokens,
        reasoning_tokens=usage_pb.reasoning_tokens,
        estimated=usage_pb.estimated,
    )


def tool_call_to_pb(call: ToolCall) -> pb.ToolCall:
    """Return the message."""
    return pb.ToolCall(id=sendable(call.id), name=sendable(call.name), arguments_json=sendable(call.arguments_json))


def tool_call_from_pb(call_pb: pb.ToolCall) -> ToolCall:
    """Return the value, unchecked."""
    return ToolCall(id=call_pb.id, name=call_pb.name, arguments_json=call_pb.arguments_json)


def answer_to_pb(answer: Answer) -> pb.Answer:
    """Return the message."""
    return pb.Answer(
        text=sendable(answer.text),
        finish_reason=FINISH_REASONS.to_pb(answer.finish_reason),
        tool_calls=[tool_call_to_pb(call) for call in answer.tool_calls],
    )


def write_delta(delta_pb: executor_pb2.StreamDelta, delta: Delta) -> None:
    """Write more of an answer where it shall stand, in a third of the time of making and copying it."""
    delta_pb.SetInParent()
    delta_pb.text = sendable(delta.text)
    for call in delta.tool_calls:
        delta_pb.tool_calls.add(
            index=call.index,
            id=sendable(call.id),
            name=sendable(call.name),
            arguments_json=sendable(call.arguments_json),
        )


def answer_from_pb(answer_pb: pb.Answer) -> Answer:
    """Return the value; an unknown finish reason reads as STOP."""
    return Answer(
        text=answer_pb.text,
        finish_reason=FINISH_REASONS.from_pb(answer_pb.finish_reason) or FinishReason.STOP,
        tool_calls=tuple(tool_call_from_pb(call) for call in answer_pb.tool_calls),
    )


def verdict_to_pb(verdict: Verdict) -> pb.Verdict:
    """Return the message. The degraded reasons stand beside it in the responses, see `degraded_to_pb`."""
    verdict_pb = pb.Verdict(
        category=verdict.category,
        confidence=verdict.confidence,
        decided_by=DECIDED_BY.to_pb(verdict.decided_by),
        runner_up=verdict.runner_up,
        classifier_version=verdict.classifier_version,
        model_hop=MODEL_HOPS.to_pb(verdict.model_hop),
        cached=verdict.cached,
    )
    for category, probability in verdict.probabilities:  # a list of messages would be copied
        verdict_pb.probabilities.add(category=category, probability=probability)
    write_duration(verdict_pb.duration, verdict.duration_s)
    if verdict.model_duration_s is not None:
        write_duration(verdict_pb.model_duration, verdict.model_duration_s)
    return verdict_pb


def verdict_from_pb(verdict_pb: pb.Verdict, degraded: Iterable[int] = ()) -> Verdict:
    """Return the value; what only a newer Classifier knows reads as "by default" and "the hop failed"."""
    return Verdict(
        category=verdict_pb.category,
        confidence=verdict_pb.confidence,
        decided_by=DECIDED_BY.from_pb(verdict_pb.decided_by) or DecidedBy.DEFAULT,
        model_hop=MODEL_HOPS.from_pb(verdict_pb.model_hop) or ModelHop.FAILED,
        probabilities=tuple([(entry.category, entry.probability) for entry in verdict_pb.probabilities]),
        classifier_version=verdict_pb.classifier_version,
        cached=verdict_pb.cached,
        duration_s=duration_from_pb(verdict_pb.duration),
        model_duration_s=duration_from_pb(verdict_pb.model_duration) if verdict_pb.HasField("model_duration") else None,
        degraded=degraded_from_pb(degraded),
    )


def degraded_to_pb(reasons: Iterable[DegradedReason]) -> list[pb.DegradedReason.ValueType]:
    """Return the numbers of the contract, in order."""
    return [DEGRADED_REASONS.to_pb(reason) for reason in reasons]


def degraded_from_pb(numbers: Iterable[int]) -> tuple[DegradedReason, ...]:
    """Return our members, in order and once each; unknown ones are left out."""
    members = dict.fromkeys(map(DEGRADED_REASONS.from_pb, numbers))
    return tuple([member for member in members if member is not None])


def trail_to_pb(trail: Trail) -> pb.Trail:
    """Return the message."""
    return pb.Trail(steps=[step_to_pb(step) for step in trail.steps])


def trail_from_pb(trail_pb: pb.Trail) -> Trail:
    """Return the value; a step of a kind that we do not know is left out."""
    steps: list[Skip | Attempt] = []
    for step in trail_pb.steps:
        match step.WhichOneof("step"):
            case "skip":
                steps.append(skip_from_pb(step.skip))
            case "attempt":
                steps.append(attempt_from_pb(step.attempt))
    return Trail(steps)


def step_to_pb(step: Skip | Attempt) -> pb.TrailStep:
    """Return one step of a trail."""
    if isinstance(step, Skip):
        return pb.TrailStep(skip=skip_to_pb(step))
    return pb.TrailStep(attempt=attempt_to_pb(step))


def skip_to_pb(skip: Skip) -> pb.Skip:
    """Return the message."""
    skip_pb = pb.Skip(candidate=skip.candidate, reason=SKIP_REASONS.to_pb(skip.reason), detail=sendable(skip.detail))
    if skip.ready_at is not None:
        skip_pb.ready_time.CopyFrom(instant_to_pb(skip.ready_at))
    return skip_pb


def skip_from_pb(skip_pb: pb.Skip) -> Skip:
    """Return the value; an unknown reason reads as OUT_OF_SERVICE."""
    return Skip(
        candidate=skip_pb.candidate,
        reason=SKIP_REASONS.from_pb(skip_pb.reason) or SkipReason.OUT_OF_SERVICE,
        ready_at=instant_from_pb(skip_pb.ready_time) if skip_pb.HasField("ready_time") else None,
        detail=skip_pb.detail,
    )


def attempt_to_pb(attempt: Attempt) -> pb.Attempt:
    """Return the message."""
    attempt_pb = pb.Attempt(
        candidate=attempt.candidate,
        outcome=OUTCOMES.to_pb(attempt.outcome),
        start_time=instant_to_pb(attempt.started_at),
        duration=duration_to_pb(attempt.duration_s),
        wasted=attempt.wasted,
        local=attempt.local,
        fallback=attempt.fallback,
        simulated=attempt.simulated,
        provider_request_id=sendable(attempt.provider_request_id),
        http_status=attempt.http_status,
        detail=sendable(attempt.detail),
        price_version=attempt.price_version,
        ignored_options=attempt.ignored_options,
    )
    if attempt.time_to_first_token_s is not None:
        attempt_pb.time_to_first_token.CopyFrom(duration_to_pb(attempt.time_to_first_token_s))
    if attempt.usage is not None:
        attempt_pb.usage.CopyFrom(usage_to_pb(attempt.usage))
    if attempt.cost_usd is not None:
        attempt_pb.cost_usd = float(attempt.cost_usd)
    if attempt.retry_after_s is not None:
        attempt_pb.retry_after.CopyFrom(duration_to_pb(attempt.retry_after_s))
    return attempt_pb


def attempt_from_pb(attempt_pb: pb.Attempt) -> Attempt:
    """Return the value; an unknown outcome reads as SERVER_ERROR."""
    has = attempt_pb.HasField
    return Attempt(
        candidate=attempt_pb.candidate,
        outcome=OUTCOMES.from_pb(attempt_pb.outcome) or Outcome.SERVER_ERROR,
        started_at=instant_from_pb(attempt_pb.start_time),
        duration_s=duration_from_pb(attempt_pb.duration),
        time_to_first_token_s=duration_from_pb(attempt_pb.time_to_first_token) if has("time_to_first_token") else None,
        usage=usage_from_pb(attempt_pb.usage) if has("usage") else None,
        cost_usd=Decimal(repr(attempt_pb.cost_usd)) if has("cost_usd") else None,
        wasted=attempt_pb.wasted,
        local=attempt_pb.local,
        fallback=attempt_pb.fallback,
        simulated=attempt_pb.simulated,
        provider_request_id=attempt_pb.provider_request_id,
        http_status=attempt_pb.http_status,
        detail=attempt_pb.detail,
        retry_after_s=duration_from_pb(attempt_pb.retry_after) if has("retry_after") else None,
        price_version=attempt_pb.price_version,
        ignored_options=tuple(attempt_pb.ignored_options),
    )
