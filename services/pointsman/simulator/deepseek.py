"""DeepSeek on the wire: OpenAI's dialect with its own reasoning, usage, errors, and no quota headers at all."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType

import orjson

from pointsman.domain.trail import Outcome
from pointsman.simulator.account import Gauge
from pointsman.simulator.dialect import Page, PageName, Speech, Stamp
from pointsman.simulator.exchange import Headers
from pointsman.simulator.openai import OpenAI, event, finish_reason, with_delta
from pointsman.simulator.problem import Problem, invalid
from pointsman.simulator.reading import Json, positive
from pointsman.simulator.scenario import ModelProfile, ProviderProfile

_THOUGHT = "Let me see what is asked."
_EFFORTS = {"", "none", "minimal", "low", "medium", "high", "xhigh", "max"}


class DeepSeek(OpenAI):
    """The dialect of DeepSeek."""

    paths = ("/chat/completions", "/v1/chat/completions")
    pages = MappingProxyType(
        {"/models": PageName.MODELS, "/v1/models": PageName.MODELS, "/user/balance": PageName.BALANCE}
    )
    roles = frozenset({"system", "user", "assistant", "tool"})

    def output_bound(self, body: Json) -> int | None:
        """Return `max_tokens`; the other name is ignored without a word (provider docs and SDKs, 2026-11)."""
        return positive(body, "max_tokens")

    def effort(self, body: Json) -> str:
        """Return "none" where thinking is switched off."""
        if (body.get("thinking") or {}).get("type") == "disabled":
            return "none"
        return super().effort(body)

    def check_parameters(self, body: Json, model: ModelProfile) -> None:  # noqa: ARG002 - the port's
        """Turn away a JSON schema and unknown efforts."""
        if (body.get("response_format") or {}).get("type") == "json_schema":
            raise invalid("This response_format type is unavailable now", code="invalid_request_error")
        if str(body.get("reasoning_effort") or "") not in _EFFORTS:
            raise invalid("Invalid reasoning_effort", code="invalid_request_error", status=422)

    def answer_id(self, stamp: Stamp) -> str:
        return stamp.id

    def extras(self) -> Json:
        return {"system_fingerprint": "fp_simulated"}

    def message(self, speech: Speech) -> Json:
        thought = _THOUGHT if speech.reasoning_tokens else None
        return {"role": "assistant", "content": speech.text, "reasoning_content": thought}

    def usage(self, speech: Speech) -> Json:
        return {
            "prompt_tokens": speech.input_tokens,
            "completion_tokens": speech.output_tokens,
            "total_tokens": speech.input_tokens + speech.output_tokens,
            "prompt_tokens_details": {"cached_tokens": speech.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": speech.reasoning_tokens},
            "prompt_cache_hit_tokens": speech.cached_tokens,
            "prompt_cache_miss_tokens": speech.input_tokens - speech.cached_tokens,
        }

    def stream(self, speech: Speech, stamp: Stamp, *, wants_usage: bool) -> Iterator[bytes]:
        """Yield a keep-alive comment, thoughts, pieces, and the usage on the last choice."""
        frame = {
            "id": stamp.id,
            "object": "chat.completion.chunk",
            "created": int(stamp.at.timestamp()),
            "model": speech.model,
            "system_fingerprint": "fp_simulated",
            "usage": None,
        }
        begin: Json = {"role": "assistant", "content": None, "reasoning_content": ""}
        thought: Json = {"content": None, "reasoning_content": _THOUGHT}
        thoughts = (event(frame | with_delta(delta)) for delta in (begin, thought))
        yield b": keep-alive\n\n" + b"".join(thoughts)
        for piece in speech.pieces:
            yield event(frame | with_delta({"content": piece, "reasoning_content": None}))
        end = frame | with_delta({"content": "", "reasoning_content": None}, finish_reason(speech))
        yield event(end | {"usage": self.usage(speech) if wants_usage else None})
        yield b"data: [DONE]\n\n"

    def page(self, page: Page, profile: ProviderProfile, balance_usd: float) -> bytes:
        """Return the list of models or the balance."""
        if page.name is not PageName.BALANCE:
            return super().page(page, profile, balance_usd)
        amount = f"{balance_usd:.2f}"
        info = {"currency": "USD", "total_balance": amount, "granted_balance": "0.00", "topped_up_balance": amount}
        return orjson.dumps({"is_available": balance_usd > 0, "balance_infos": [info]})

    def problem(self, problem: Problem, stamp: Stamp) -> tuple[int, Headers, bytes]:  # noqa: ARG002 - the port's
        """Return an error whose status says everything; its type and code say little, as there."""
        status, type_, message = _error(problem)
        code = "server_error" if type_ == "server_error" else "invalid_request_error"
        error = {"message": message, "type": type_, "param": problem.param, "code": code}
        return status, (), orjson.dumps({"error": error})

    def headers(self, gauges: Sequence[Gauge], stamp: Stamp, *, answered: bool) -> Headers:  # noqa: ARG002 - the port's
        """Return the undocumented trace id; there are no quota headers."""
        return (("x-ds-trace-id", stamp.id),)


_ERRORS = {
    Outcome.FORBIDDEN: (403, "permission_error", "Permission denied"),
    Outcome.MODEL_NOT_FOUND: (400, "invalid_request_error", "Model Not Exist"),
    Outcome.BILLING: (402, "unknown_error", "Insufficient Balance"),
    Outcome.OVERLOADED: (503, "service_unavailable_error", "Service is too busy. Please retry later."),
    Outcome.CONTENT_BLOCKED: (400, "invalid_request_error", "Content Exists Risk"),
    Outcome.UNAUTHORIZED: (401, "authentication_error", "Authentication Fails, your api key is invalid"),
}
_TOO_MANY = (429, "rate_limit_error", "Too many requests at once for this account and model.")
_LIMITS = {
    Outcome.CONCURRENCY_LIMITED,
    Outcome.RATE_LIMITED,
    Outcome.DAILY_QUOTA,
    Outcome.REQUEST_EXCEEDS_QUOTA,
}


def _error(problem: Problem) -> tuple[int, str, str]:
    """Return status, type and message."""
    if problem.outcome in _LIMITS:
        return _TOO_MANY
    if problem.outcome is Outcome.CONTEXT_TOO_LONG:
        message = f"This model's maximum context length is {problem.used} tokens. You requested {problem.requested}."
        return 400, "invalid_request_error", message
    if problem.outcome is Outcome.INVALID_REQUEST:
        return problem.status, "invalid_request_error", problem.message
    return _ERRORS.get(problem.outcome, (500, "server_error", "Internal server error"))
