"""Moonshot's Kimi on the wire: OpenAI's dialect with its own errors, and hints that are only in the text."""

from collections.abc import Iterator, Sequence
from types import MappingProxyType

import orjson

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.account import Gauge
from pointsman.simulator.dialect import Page, PageName, Speech, Stamp
from pointsman.simulator.exchange import Headers
from pointsman.simulator.openai import OpenAI, event, finish_reason, with_delta
from pointsman.simulator.problem import Problem, invalid
from pointsman.simulator.reading import Json
from pointsman.simulator.scenario import ModelProfile, ProviderProfile

_ACCOUNT = "org-simulated<ak-simulated>"
_THOUGHT = "Let me see what is asked."


class Moonshot(OpenAI):
    """The dialect of Moonshot."""

    paths = ("/v1/chat/completions",)
    pages = MappingProxyType({"/v1/models": PageName.MODELS, "/v1/users/me/balance": PageName.BALANCE})
    roles = frozenset({"system", "user", "assistant", "tool"})

    def check_parameters(self, body: Json, model: ModelProfile) -> None:
        """Turn away any temperature but 1, no reasoning, and forced tools."""
        if body.get("temperature") not in (None, 1):
            raise invalid(f"invalid temperature: only 1 is allowed for this model, {model.id}")
        if body.get("reasoning_effort") == "none":
            raise invalid("invalid reasoning_effort: none")
        if body.get("tool_choice") not in (None, "auto", "none"):
            raise invalid("tool_choice 'required' or a function is not supported")

    def extras(self) -> Json:
        return {}

    def message(self, speech: Speech) -> Json:
        thoughts = {"reasoning_content": _THOUGHT} if speech.reasoning_tokens else {}
        return {"role": "assistant", "content": speech.text} | thoughts

    def usage(self, speech: Speech) -> Json:
        return {
            "prompt_tokens": speech.input_tokens,
            "completion_tokens": speech.output_tokens,
            "total_tokens": speech.input_tokens + speech.output_tokens,
            "prompt_tokens_details": {"cached_tokens": speech.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": speech.reasoning_tokens},
        }

    def stream(self, speech: Speech, stamp: Stamp, *, wants_usage: bool) -> Iterator[bytes]:  # noqa: ARG002 - always sent
        """Yield thoughts and pieces; the usage is inside the last choice."""
        frame = {
            "id": self.answer_id(stamp),
            "object": "chat.completion.chunk",
            "created": int(stamp.at.timestamp()),
            "model": speech.model,
        }
        yield event(frame | with_delta({"role": "assistant", "content": ""}))
        yield event(frame | with_delta({"reasoning_content": _THOUGHT}))
        for piece in speech.pieces:
            yield event(frame | with_delta({"content": piece}))
        end = with_delta({}, finish_reason(speech))
        end["choices"][0]["usage"] = self.usage(speech)
        yield event(frame | end)
        yield b"data: [DONE]\n\n"

    def page(self, page: Page, profile: ProviderProfile, balance_usd: float) -> bytes:
        """Return the list of models or the balance."""
        if page.name is not PageName.BALANCE:
            return super().page(page, profile, balance_usd)
        cash = round(balance_usd, 2)
        amounts = {"available_balance": cash, "voucher_balance": 0.0, "cash_balance": cash}
        return orjson.dumps({"code": 0, "data": amounts, "scode": "0x0", "status": True})

    def problem(self, problem: Problem, stamp: Stamp) -> tuple[int, Headers, bytes]:  # noqa: ARG002 - the port's
        """Return an error of two keys."""
        status, type_, message = _error(problem)
        return status, (), orjson.dumps({"error": {"type": type_, "message": message}})

    def headers(self, gauges: Sequence[Gauge], stamp: Stamp, *, answered: bool) -> Headers:  # noqa: ARG002 - the port's
        """Return the trace id; quota headers were never seen in traffic (provider docs and SDKs, 2026-11)."""
        return (("msh-request-id", stamp.id),)


_ERRORS = {
    Outcome.FORBIDDEN: (403, "permission_denied_error", "The API you are accessing is not open to you"),
    Outcome.BILLING: (
        429,
        "exceeded_current_quota_error",
        f"Your account {_ACCOUNT} is suspended, please check your plan and billing details",
    ),
    Outcome.OVERLOADED: (
        429,
        "engine_overloaded_error",
        "The engine is currently overloaded, please try again later",
    ),
    Outcome.CONTENT_BLOCKED: (
        400,
        "content_filter",
        "The request was rejected because it was considered high risk",
    ),
    Outcome.UNAUTHORIZED: (401, "invalid_authentication_error", "Invalid Authentication"),
}
_LIMITS = {
    Outcome.CONCURRENCY_LIMITED,
    Outcome.RATE_LIMITED,
    Outcome.DAILY_QUOTA,
    Outcome.REQUEST_EXCEEDS_QUOTA,
}


def _error(problem: Problem) -> tuple[int, str, str]:
    """Return status, type and message."""
    if problem.outcome in _LIMITS:
        return 429, "rate_limit_reached_error", _limit_message(problem)
    if problem.outcome is Outcome.MODEL_NOT_FOUND:
        return 404, "resource_not_found_error", f"Not found the model {problem.model} or Permission denied"
    if problem.outcome is Outcome.CONTEXT_TOO_LONG:
        message = f"Invalid request: Your request exceeded model token limit: {problem.used}"
        return 400, "invalid_request_error", message
    if problem.outcome is Outcome.INVALID_REQUEST:
        return problem.status, "invalid_request_error", problem.message
    return _ERRORS.get(problem.outcome, (500, "server_error", "Internal server error"))


def _limit_message(problem: Problem) -> str:
    limit = problem.limit
    amount = limit.amount if limit else 0
    hint = "" if problem.wait_s is None else f", please try again after {max(1, round(problem.wait_s))} seconds"
    if problem.outcome is Outcome.CONCURRENCY_LIMITED:
        return f"Your account {_ACCOUNT} request reached organization max concurrency: {amount}{hint}"
    if limit is None or limit.unit is Unit.REQUESTS:
        kind = "TPD rate limit" if problem.outcome is Outcome.DAILY_QUOTA else "max RPM"
        return f"Your account {_ACCOUNT} request reached organization {kind}: {amount}{hint}"
    kind = "TPD" if limit.is_daily else "TPM"
    used = f"current: {problem.used}, limit: {amount}"
    return f"Your account {_ACCOUNT} request reached {kind} rate limit, {used}{hint}"
