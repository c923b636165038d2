"""What every wire format says alike about answers that are none, and about options that stay behind."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from pointsman.domain.answer import Answer, FinishReason, ToolCallDelta, Usage
from pointsman.domain.prompt import ToolCall
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, HttpResponse, Reply, StatedQuota

SIMULATED: Final = "x-pointsman-simulated"
"""The header by which a simulated provider says that it is one."""

_NAME_CHARS: Final = 200


def no_answer(detail: str, usage: Usage | None = None) -> Reply:
    """Return the reply for a 2xx that is no answer."""
    return Reply(outcome=Outcome.SERVER_ERROR, detail=detail, usage=usage)


def blocked(detail: str, usage: Usage | None, *, text: str = "") -> Reply:
    """Return the reply for an answer that was withheld; `text` is what the model said about it itself."""
    answer = Answer(text=text, finish_reason=FinishReason.CONTENT_BLOCKED)
    return Reply(outcome=Outcome.CONTENT_BLOCKED, detail=detail, usage=usage, answer=answer)


def answered(
    call: Call,
    answer: Answer,
    usage: Usage | None,
    *,
    was_handed_on: bool = False,
    durations_s: tuple[tuple[str, float], ...] = (),
) -> Reply:
    """Return the reply for an answer, or for its absence: ending normally and saying nothing is no answer.

    `was_handed_on` is True when a stream has passed on what the answer held. Where stop texts were asked for, one of
    them may have come first, and nothing is what was asked for.
    """
    reply = Reply(outcome=Outcome.ANSWERED, answer=answer, usage=usage, durations_s=durations_s)
    ended_early = answer.finish_reason is not FinishReason.STOP or bool(call.request.options.stop)
    if was_handed_on or answer.text or answer.tool_calls or ended_early:
        return reply
    detail = "The model ended without saying anything."
    return replace(reply, outcome=Outcome.SERVER_ERROR, answer=None, detail=detail)


def streamed(call: Call, finish_reason: FinishReason, usage: Usage | None, *, is_empty: bool) -> Reply:
    """Return the same for an answer that has been handed on as it came; `is_empty` when nothing came."""
    return answered(call, Answer(text="", finish_reason=finish_reason), usage, was_handed_on=not is_empty)


def whole_call(index: int, call: ToolCall) -> ToolCallDelta:
    """Return a tool call that comes in one piece as the delta of itself."""
    return ToolCallDelta(index=index, id=call.id, name=call.name, arguments_json=call.arguments_json)


def listed(model: str, known: Iterable[str]) -> Reply:
    """Return whether a provider that lists `known` models has `model`."""
    if model in known:
        return Reply(outcome=Outcome.ANSWERED)
    return Reply(outcome=Outcome.MODEL_NOT_FOUND, detail="The provider does not list the model for this key.")


def stamped(
    reply: Reply,
    response: HttpResponse,
    *,
    model: str = "",
    id_: str = "",
    stated: tuple[StatedQuota, ...] = (),
    ignored: tuple[str, ...] = (),
) -> Reply:
    """Return the reply with what its response says beside its meaning, and the options that were not sent.

    What the headers state of quotas goes before what the reply has of them. Every field is written down here, because
    `dataclasses.replace` looks for them one by one, at three times the price.
    """
    return Reply(
        outcome=reply.outcome,
        answer=reply.answer,
        usage=reply.usage,
        stated=stated + reply.stated,
        retry_after_s=reply.retry_after_s,
        out_until=reply.out_until,
        model=short(model),
        provider_request_id=short(id_),
        http_status=response.status,
        detail=reply.detail,
        simulated=SIMULATED in response.headers,
        ignored_options=ignored,
        durations_s=reply.durations_s,
        repeat_means_billing=reply.repeat_means_billing,
        rose_too_fast=reply.rose_too_fast,
    )


def short(name: str) -> str:
    """Return a name as it is passed on: not too long, and without halves of surrogate pairs."""
    if name.isascii() and len(name) <= _NAME_CHARS:
        return name
    return name[:_NAME_CHARS].encode(errors="replace").decode()


def ignored_options(call: Call) -> tuple[str, ...]:
    """Return the names of the options that were asked for and that this model does not take."""
    options, model = call.request.options, call.candidate.model
    ignored = ("temperature",) if options.temperature is not None and not model.accepts_temperature else ()
    return (*ignored, "stop") if options.stop and not model.accepts_stop else ignored
