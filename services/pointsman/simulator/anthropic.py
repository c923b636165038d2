"""Anthropic's Messages on the wire: both versions, the checks, bodies, events, errors, quota headers."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import orjson

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.account import Gauge
from pointsman.simulator.dialect import Ask, Page, PageName, Speech, Stamp
from pointsman.simulator.exchange import Headers, SimRequest
from pointsman.simulator.problem import Problem, invalid
from pointsman.simulator.reading import (
    Json,
    bearer,
    check_image,
    check_input_fits,
    check_key,
    find_model,
    json_object,
    positive,
)
from pointsman.simulator.scenario import ModelProfile, ProviderProfile
from pointsman.simulator.wording import count_prompt_tokens

_VERSIONS = {"2023-06-01", "2026-10-21"}
_HEADER_OF = {
    Unit.REQUESTS: "requests",
    Unit.TOKENS: "tokens",
    Unit.INPUT_TOKENS: "input-tokens",
    Unit.OUTPUT_TOKENS: "output-tokens",
}


class Anthropic:
    """The dialect of Anthropic."""

    blocks_in_answer = True

    def read(self, request: SimRequest, profile: ProviderProfile) -> Ask | Page:
        """Understand a message, a count of tokens or a list of models."""
        check_key(request.headers.get("x-api-key", "") or bearer(request), profile)
        version = request.headers.get("anthropic-version", "")
        if version not in _VERSIONS:
            raise invalid(
                f"anthropic-version: {version!r} is not a valid version"
                if version
                else "anthropic-version: header is required"
            )
        if (request.method, request.path) == ("GET", "/v1/models"):
            return Page(name=PageName.MODELS)
        if request.method != "POST" or request.path not in {"/v1/messages", "/v1/messages/count_tokens"}:
            raise invalid("Not Found", code="not_found_error", status=404)
        body = json_object(request)
        model = find_model(body.get("model"), profile.models)
        texts, images = _turns(body)
        tokens = count_prompt_tokens(texts, images)
        if request.path.endswith("count_tokens"):
            return Page(name=PageName.TOKENS, tokens=tokens)
        check_input_fits(tokens, model)
        bound = positive(body, "max_tokens")
        if bound is None:
            raise invalid("max_tokens: Field required")
        if bound > model.max_output_tokens:
            raise invalid(
                f"max_tokens: {bound} > {model.max_output_tokens}, which is the maximum allowed for {model.id}"
            )
        _check_parameters(body, model, version)
        return Ask(
            model=model,
            text=texts[-1],
            input_tokens=tokens,
            max_output_tokens=bound,
            streamed=body.get("stream") is True,
            effort=str((body.get("output_config") or {}).get("effort") or ""),
        )

    def answer(self, speech: Speech, stamp: Stamp) -> bytes:
        """Return a message."""
        content = [{"type": "text", "text": speech.text}] if speech.text else []
        return orjson.dumps(_message(speech, stamp) | {"content": content} | _stop(speech) | {"usage": _usage(speech)})

    def stream(self, speech: Speech, stamp: Stamp, *, wants_usage: bool) -> Iterator[bytes]:  # noqa: ARG002 - always sent
        """Yield the events of one text block, with a ping after its start."""
        stop = _stop(speech)
        begun = (
            _message(speech, stamp)
            | {"content": []}
            | dict.fromkeys(stop)
            | {"usage": _usage(speech) | {"output_tokens": 1}}
        )
        yield _event("message_start", message=begun)
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield _event("ping")
        for piece in speech.pieces:
            yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
        yield _event("content_block_stop", index=0)
        yield _event(
            "message_delta",
            delta=stop,
            usage={"input_tokens": speech.input_tokens - speech.cached_tokens, "output_tokens": speech.output_tokens},
        )
        yield _event("message_stop")

    def page(self, page: Page, profile: ProviderProfile, balance_usd: float) -> bytes:  # noqa: ARG002 - there is no balance
        """Return the list of models or the count of tokens."""
        if page.name is PageName.TOKENS:
            return orjson.dumps({"input_tokens": page.tokens})
        entries = [
            {"type": "model", "id": model.id, "display_name": model.id, "created_at": "2026-10-01T00:00:00Z"}
            for model in profile.models
        ]
        first, last = (entries[0]["id"], entries[-1]["id"]) if entries else (None, None)
        return orjson.dumps({"data": entries, "has_more": False, "first_id": first, "last_id": last})

    def problem(self, problem: Problem, stamp: Stamp) -> tuple[int, Headers, bytes]:
        """Return an error with its request id, and whole seconds to wait when there are some."""
        status, type_, message = _error(problem, stamp)
        error: Json = {"type": type_, "message": message}
        if problem.outcome is Outcome.BILLING:
            error["details"] = {"error_code": "enforced_spend_limit_reached"}
        waits: Headers = () if problem.wait_s is None else (("retry-after", str(max(1, -int(-problem.wait_s // 1)))),)
        return status, waits, orjson.dumps({"type": "error", "error": error, "request_id": f"req_{stamp.id}"})

    def error_event(self, problem: Problem, stamp: Stamp) -> bytes:
        """Return the error as an event of that name."""
        return b"event: error\ndata: " + self.problem(problem, stamp)[2] + b"\n\n"

    def headers(self, gauges: Sequence[Gauge], stamp: Stamp, *, answered: bool) -> Headers:
        """Return the request id and the anthropic-ratelimit headers; tokens left are rounded to thousands, as there."""
        stated: list[tuple[str, str]] = [
            ("request-id", f"req_{stamp.id}"),
            ("anthropic-organization-id", "org-simulated"),
        ]
        for gauge in gauges:
            name = f"anthropic-ratelimit-{_HEADER_OF[gauge.limit.unit]}"
            left = max(0, int(gauge.left))
            full_at = stamp.at + timedelta(seconds=gauge.full_in_s)
            stated += [
                (f"{name}-limit", str(gauge.limit.amount)),
                (f"{name}-remaining", str(left if gauge.limit.unit is Unit.REQUESTS else round(left, -3))),
                (f"{name}-reset", full_at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            ]
        if (
            answered and stamp.id[0] in "0123"
        ):  # a trap that the real one sets: a wait on a success (provider docs and SDKs, 2026-11)
            stated.append(("retry-after", "12"))
        return tuple(stated)


def _turns(body: Json) -> tuple[list[str], int]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise invalid("messages: Field required")
    texts, images = [], 0
    if body.get("system"):
        texts.append(_content(body["system"], "system")[0])
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in {"user", "assistant"}:
            raise invalid(f"messages.{index}.role: Input should be 'user' or 'assistant'")
        text, seen = _content(message.get("content"), f"messages.{index}.content")
        texts.append(text)
        images += seen
    if messages[-1]["role"] == "assistant":
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )
    return texts, images


def _content(content: Any, path: str) -> tuple[str, int]:  # noqa: ANN401 - unread JSON
    if isinstance(content, str):
        if not content:
            raise invalid(f"{path}: text content must be non-empty")
        return content, 0
    if not isinstance(content, list) or not content:
        raise invalid(f"{path}: Input should be a valid list")
    texts, images = [], 0
    for index, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text":
            texts.append(str(block.get("text", "")))
        elif kind == "image":
            _check_source(block.get("source"), f"{path}.{index}.image.source")
            images += 1
        elif kind == "tool_result":
            texts.append(str(block.get("content", "")))
        elif kind not in {"tool_use", "thinking", "redacted_thinking"}:
            raise invalid(f"{path}.{index}: Input tag '{kind}' does not match any of the expected tags")
    return "\n".join(texts), images


def _check_source(source: Any, path: str) -> None:  # noqa: ANN401 - unread JSON
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "base64":
        check_image(source.get("data"), source.get("media_type"))
    elif kind != "url":
        raise invalid(f"{path}: Input should be 'base64' or 'url'")


def _check_parameters(body: Json, model: ModelProfile, version: str) -> None:
    for field in ("temperature", "top_p", "top_k"):
        if field in body and (version == "2026-10-21" or (model.always_reasons and body[field] != 1)):
            raise invalid(f"{field}: sampling parameters are not supported")
    thinking = (body.get("thinking") or {}).get("type")
    if thinking == "disabled" and model.always_reasons:
        raise invalid("thinking: thinking cannot be disabled for this model")


def _message(speech: Speech, stamp: Stamp) -> Json:
    return {"id": f"msg_{stamp.id}", "type": "message", "role": "assistant", "model": speech.model}


def _stop(speech: Speech) -> Json:
    if speech.is_blocked:
        return {
            "stop_reason": "refusal",
            "stop_sequence": None,
            "stop_details": {"type": "refusal", "category": "general_harms", "explanation": None},
        }
    return {"stop_reason": "max_tokens" if speech.is_cut else "end_turn", "stop_sequence": None, "stop_details": None}


def _usage(speech: Speech) -> Json:
    """Return the count of tokens; cached ones stand apart from the input, unlike everywhere else."""
    return {
        "input_tokens": speech.input_tokens - speech.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": speech.cached_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": speech.output_tokens,
        "output_tokens_details": {"thinking_tokens": speech.reasoning_tokens},
        "service_tier": "standard",
    }


def _event(name: str, **fields: object) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps({"type": name} | fields) + b"\n\n"


_BAD = "invalid_request_error"
_ERRORS = {
    Outcome.FORBIDDEN: (403, "permission_error", "Your API key does not have permission to use the resource."),
    Outcome.CONCURRENCY_LIMITED: (
        429,
        "rate_limit_error",
        "Number of concurrent connections has exceeded your rate limit.",
    ),
    Outcome.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    Outcome.CONTENT_BLOCKED: (400, _BAD, "Output blocked by content filtering policy"),
}
_SPENT = "You have reached your API usage limits: monthly threshold crossed. You will regain access on"
_NOT_FOUND = 404


def _error(problem: Problem, stamp: Stamp) -> tuple[int, str, str]:
    """Return status, type and message."""
    match problem.outcome:
        case Outcome.UNAUTHORIZED:
            message = "x-api-key header is required" if problem.code == "missing" else "invalid x-api-key"
            return 401, "authentication_error", message
        case Outcome.MODEL_NOT_FOUND:
            return 404, "not_found_error", f"model: {problem.model}"
        case Outcome.RATE_LIMITED | Outcome.DAILY_QUOTA | Outcome.REQUEST_EXCEEDS_QUOTA:
            return 429, "rate_limit_error", _limit_message(problem)
        case Outcome.BILLING:
            back = (stamp.at.replace(day=1) + timedelta(days=32)).replace(day=1)
            return 429, "rate_limit_error", f"{_SPENT} {back:%Y-%m-%d} at 00:00 UTC."
        case Outcome.CONTEXT_TOO_LONG:
            return 400, _BAD, f"prompt is too long: {problem.requested} tokens > {problem.used} maximum"
        case Outcome.INVALID_REQUEST:
            type_ = "not_found_error" if problem.status == _NOT_FOUND else _BAD
            return problem.status, type_, problem.message
        case _:
            return _ERRORS.get(problem.outcome, (500, "api_error", "Internal server error"))


def _limit_message(problem: Problem) -> str:
    amount = f"{problem.limit.amount:,}" if problem.limit else "1,000"
    unit = (problem.limit.unit if problem.limit else Unit.REQUESTS).replace("_", " ")
    return f"This request would exceed your organization's rate limit of {amount} {unit} per minute."
