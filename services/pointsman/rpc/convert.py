"""Domain values to Protobuf messages and back: verdicts, trails, usage, answers.

What stands inside another message is written there (`write_…`): a message that is handed to another one is copied, once
a level. What is at its default mostly is written only where it is not: each field that is set costs 700 instructions
(protobuf 7.36), as many as an attribute of ours costs in ten. Requests are read in `rpc/requests.py`.
"""

from collections.abc import Callable, Collection, Iterable
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
    stamp_pb = Timestamp()
    write_instant(stamp_pb, instant)
    return stamp_pb


def write_instant(stamp_pb: Timestamp, instant: datetime) -> None:
    """Write an aware instant where it shall stand."""
    since = instant - _EPOCH  # FromDatetime of the library does the same, in several times the time
    stamp_pb.seconds = since.days * _DAY_S + since.seconds
    stamp_pb.nanos = since.microseconds * 1_000


def instant_from_pb(stamp: Timestamp) -> datetime:
    """Return an aware instant in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


def usage_to_pb(usage: Usage) -> pb.Usage:
    """Return the message."""
    usage_pb = pb.Usage()
    write_usage(usage_pb, usage)
    return usage_pb


def write_usage(usage_pb: pb.Usage, usage: Usage) -> None:
    """Write it where it shall stand."""
    usage_pb.input_tokens = usage.input_tokens
    usage_pb.output_tokens = usage.output_tokens
    if usage.cached_input_tokens:
        usage_pb.cached_input_tokens = usage.cached_input_tokens
    if usage.cache_write_tokens:
        usage_pb.cache_write_tokens = usage.cache_write_tokens
    if usage.reasoning_tokens:
        usage_pb.reasoning_tokens = usage.reasoning_tokens
    if usage.estimated:
        usage_pb.estimated = True


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
    answer_pb = pb.Answer()
    write_answer(answer_pb, answer)
    return answer_pb


def write_answer(answer_pb: pb.Answer, answer: Answer) -> None:
    """Write it where it shall stand."""
    answer_pb.text = sendable(answer.text)
    answer_pb.finish_reason = FINISH_REASONS.to_pb(answer.finish_reason)
    if answer.tool_calls:
        answer_pb.tool_calls.extend([tool_call_to_pb(call) for call in answer.tool_calls])


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
    verdict_pb = pb.Verdict()
    write_verdict(verdict_pb, verdict)
    return verdict_pb


def write_verdict(verdict_pb: pb.Verdict, verdict: Verdict) -> None:
    """Write it where it shall stand."""
    verdict_pb.category = verdict.category
    verdict_pb.confidence = verdict.confidence
    verdict_pb.decided_by = DECIDED_BY.to_pb(verdict.decided_by)
    verdict_pb.runner_up = verdict.runner_up
    verdict_pb.classifier_version = verdict.classifier_version
    verdict_pb.model_hop = MODEL_HOPS.to_pb(verdict.model_hop)
    if verdict.cached:
        verdict_pb.cached = True
    if verdict.probabilities:
        add = verdict_pb.probabilities.add
        for category, probability in verdict.probabilities:
            entry_pb = add()
            entry_pb.category = category
            entry_pb.probability = probability
    write_duration(verdict_pb.duration, verdict.duration_s)
    if verdict.model_duration_s is not None:
        write_duration(verdict_pb.model_duration, verdict.model_duration_s)


def verdict_from_pb(verdict_pb: pb.Verdict, degraded: Collection[int] = ()) -> Verdict:
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


def degraded_from_pb(numbers: Collection[int]) -> tuple[DegradedReason, ...]:
    """Return our members, in order and once each; unknown ones are left out."""
    if not numbers:
        return ()
    members = dict.fromkeys(map(DEGRADED_REASONS.from_pb, numbers))
    return tuple([member for member in members if member is not None])


def trail_to_pb(trail: Trail) -> pb.Trail:
    """Return the message."""
    trail_pb = pb.Trail()
    write_trail(trail_pb, trail)
    return trail_pb


def write_trail(trail_pb: pb.Trail, trail: Trail) -> None:
    """Write it where it shall stand; a trail without steps is set too."""
    trail_pb.SetInParent()
    for step in trail.steps:
        step_pb = trail_pb.steps.add()
        if isinstance(step, Skip):
            write_skip(step_pb.skip, step)
        else:
            write_attempt(step_pb.attempt, step)


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


def skip_to_pb(skip: Skip) -> pb.Skip:
    """Return the message."""
    skip_pb = pb.Skip()
    write_skip(skip_pb, skip)
    return skip_pb


def write_skip(skip_pb: pb.Skip, skip: Skip) -> None:
    """Write it where it shall stand."""
    skip_pb.candidate = skip.candidate
    skip_pb.reason = SKIP_REASONS.to_pb(skip.reason)
    skip_pb.detail = sendable(skip.detail)
    if skip.ready_at is not None:
        write_instant(skip_pb.ready_time, skip.ready_at)


def skip_from_pb(skip_pb: pb.Skip) -> Skip:
    """Return the value; an unknown reason reads as OUT_OF_SERVICE."""
    return Skip(
        candidate=skip_pb.candidate,
        reason=SKIP_REASONS.from_pb(skip_pb.reason) or SkipReason.OUT_OF_SERVICE,
        ready_at=instant_from_pb(skip_pb.ready_time) if skip_pb.HasField("ready_time") else None,
        detail=skip_pb.detail,
    )


def write_attempt(attempt_pb: pb.Attempt, attempt: Attempt) -> None:
    """Write it where it shall stand."""
    attempt_pb.candidate = attempt.candidate
    attempt_pb.outcome = OUTCOMES.to_pb(attempt.outcome)
    write_instant(attempt_pb.start_time, attempt.started_at)
    write_duration(attempt_pb.duration, attempt.duration_s)
    attempt_pb.provider_request_id = sendable(attempt.provider_request_id)
    attempt_pb.http_status = attempt.http_status
    attempt_pb.price_version = attempt.price_version
    if attempt.wasted:
        attempt_pb.wasted = True
    attempt_pb.local = attempt.local
    if attempt.fallback:
        attempt_pb.fallback = True
    if attempt.simulated:
        attempt_pb.simulated = True
    if attempt.detail:
        attempt_pb.detail = sendable(attempt.detail)
    if attempt.ignored_options:
        attempt_pb.ignored_options.extend(attempt.ignored_options)
    if attempt.time_to_first_token_s is not None:
        write_duration(attempt_pb.time_to_first_token, attempt.time_to_first_token_s)
    if attempt.usage is not None:
        write_usage(attempt_pb.usage, attempt.usage)
    if attempt.cost_usd is not None:
        attempt_pb.cost_usd = float(attempt.cost_usd)
    if attempt.retry_after_s is not None:
        write_duration(attempt_pb.retry_after, attempt.retry_after_s)


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
