"""Gemini's generateContent on the wire: camelCase or snake_case in; waits and quota ids in error bodies, no headers."""

import re
from collections.abc import Iterator, Sequence
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
    check_image,
    check_input_fits,
    check_key,
    find_model,
    json_object,
    positive,
)
from pointsman.simulator.scenario import ModelProfile, ProviderProfile
from pointsman.simulator.wording import count_prompt_tokens

_METHOD = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+):(generateContent|streamGenerateContent|countTokens)")
_MODELS = re.compile(r"/v1(?:beta|alpha)?/models")
_RPC = "type.googleapis.com/google.rpc."
_SERVICE = "generativelanguage.googleapis.com"


class Gemini:
    """The dialect of Gemini."""

    blocks_in_answer = True

    def read(self, request: SimRequest, profile: ProviderProfile) -> Ask | Page:
        """Understand a generation, a count of tokens or a list of models."""
        check_key(request.headers.get("x-goog-api-key", "") or request.query.get("key", ""), profile)
        if request.method == "GET" and _MODELS.fullmatch(request.path):
            return Page(name=PageName.MODELS)
        call = _METHOD.fullmatch(request.path)
        if request.method != "POST" or call is None:
            raise invalid("Requested entity was not found.", status=404)
        model = find_model(call[1], profile.models)
        body = _camel(json_object(request))
        texts, images = _turns(body)
        tokens = count_prompt_tokens(texts, images)
        if call[2] == "countTokens":
            return Page(name=PageName.TOKENS, tokens=tokens)
        check_input_fits(tokens, model)
        config = body.get("generationConfig") or {}
        _check_config(config, model)
        return Ask(
            model=model,
            text=texts[-1],
            input_tokens=tokens,
            max_output_tokens=positive(config, "maxOutputTokens"),
            streamed=call[2] == "streamGenerateContent",
            effort=str((config.get("thinkingConfig") or {}).get("thinkingLevel") or "").lower(),
        )

    def answer(self, speech: Speech, stamp: Stamp) -> bytes:
        """Return one GenerateContentResponse; a blocked prompt has no candidates."""
        if speech.is_blocked:
            return orjson.dumps(_blocked(speech, stamp))
        candidate = _candidate(speech.text) | {"finishReason": _finish(speech), "index": 0}
        return orjson.dumps({"candidates": [candidate], "usageMetadata": _usage(speech)} | _names(speech, stamp))

    def stream(self, speech: Speech, stamp: Stamp, *, wants_usage: bool) -> Iterator[bytes]:  # noqa: ARG002 - always sent
        """Yield whole responses separated by CRLF; the last one has the finish reason, and nothing marks the end."""
        early = {
            "promptTokenCount": speech.input_tokens,
            "totalTokenCount": speech.input_tokens + speech.reasoning_tokens,
            "thoughtsTokenCount": speech.reasoning_tokens,
        }
        yield b""  # nothing is sent before the first token
        if speech.is_blocked:
            yield _event(_blocked(speech, stamp))
            return
        for piece in speech.pieces[:-1]:
            chunk = {"candidates": [_candidate(piece) | {"index": 0}], "usageMetadata": early}
            yield _event(chunk | _names(speech, stamp))
        last = _candidate(speech.pieces[-1] if speech.pieces else "") | {"finishReason": _finish(speech), "index": 0}
        yield _event({"candidates": [last], "usageMetadata": _usage(speech)} | _names(speech, stamp))

    def page(self, page: Page, profile: ProviderProfile, balance_usd: float) -> bytes:  # noqa: ARG002 - there is no balance
        """Return the list of models or the count of tokens."""
        if page.name is PageName.TOKENS:
            return orjson.dumps({"totalTokens": page.tokens})
        models = [
            {
                "name": f"models/{model.id}",
                "displayName": model.id,
                "inputTokenLimit": model.max_input_tokens,
                "outputTokenLimit": model.max_output_tokens,
                "supportedGenerationMethods": ["generateContent", "countTokens"],
            }
            for model in profile.models
        ]
        return orjson.dumps({"models": models})

    def problem(self, problem: Problem, stamp: Stamp) -> tuple[int, Headers, bytes]:  # noqa: ARG002 - the port's
        """Return a google.rpc status."""
        code, status, message = _error(problem)
        error: Json = {"code": code, "message": message, "status": status}
        if details := _details(problem):
            error["details"] = details
        return code, (), orjson.dumps({"error": error})

    def error_event(self, problem: Problem, stamp: Stamp) -> bytes:
        """Return the status as an event."""
        return b"data: " + self.problem(problem, stamp)[2] + b"\r\n\r\n"

    def headers(self, gauges: Sequence[Gauge], stamp: Stamp, *, answered: bool) -> Headers:  # noqa: ARG002 - the port's
        """Return what every Google answer carries; there are no quota headers and no request id."""
        return (
            ("server-timing", "gfet4t7; dur=12"),
            ("vary", "Origin, X-Origin, Referer"),
            ("x-content-type-options", "nosniff"),
        )


def _camel(value: Any) -> Any:  # noqa: ANN401 - JSON in, JSON out
    """Return the same JSON with keys in camelCase: Google takes both."""
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), key): _camel(inner) for key, inner in value.items()}
    return [_camel(inner) for inner in value] if isinstance(value, list) else value


def _turns(body: Json) -> tuple[list[str], int]:
    contents = body.get("contents")
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    texts, images = [], 0
    turns = [body["systemInstruction"]] if body.get("systemInstruction") else []
    for index, content in enumerate(turns + contents):
        if not isinstance(content, dict) or content.get("role", "user") not in {"user", "model", "function"}:
            raise invalid("Please use a valid role: user, model.")
        parts = content.get("parts")
        if not isinstance(parts, list) or not parts:
            raise invalid(f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty.")
        read = [_part(part) for part in parts]
        texts.append("\n".join(text for text, _ in read if text))
        images += sum(is_image for _, is_image in read)
    return texts, images


def _part(part: Any) -> tuple[str, bool]:  # noqa: ANN401 - unread JSON
    """Return the text of a part and whether it is an image."""
    match part:
        case {"text": str(text)}:
            return text, False
        case {"inlineData": {"mimeType": mime_type, "data": content}}:
            check_image(content, mime_type)
            return "", True
        case {"fileData": {"fileUri": str()}}:
            return "", True
        case {"functionCall": call} | {"functionResponse": call}:
            return orjson.dumps(call).decode(), False
        case _:
            raise invalid("Invalid JSON payload received: a part must have one data field.")


def _check_config(config: Json, model: ModelProfile) -> None:
    """Turn away what the newest models refuse; temperature and its kin are ignored (docs, 2026-11)."""
    thinking = config.get("thinkingConfig") or {}
    if str(thinking.get("thinkingLevel") or "").lower() == "minimal":
        raise invalid(f"Thinking level MINIMAL is not supported for {model.id}.")
    if "thinkingBudget" in thinking:
        raise invalid(f"Thinking budget is not supported for {model.id}.")
    for field in ("presencePenalty", "frequencyPenalty"):
        if config.get(field):
            raise invalid(f"Penalty is not enabled for {model.id}.")
    if config.get("candidateCount", 1) != 1:
        raise invalid("Only one candidate can be specified in the current model")


def _candidate(text: str) -> Json:
    return {"content": {"role": "model", "parts": [{"text": text}]} if text else {"role": "model"}}


def _names(speech: Speech, stamp: Stamp) -> Json:
    return {"modelVersion": speech.model, "responseId": stamp.id}


def _blocked(speech: Speech, stamp: Stamp) -> Json:
    used = {"promptTokenCount": speech.input_tokens, "totalTokenCount": speech.input_tokens}
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": used} | _names(speech, stamp)


def _finish(speech: Speech) -> str:
    return "MAX_TOKENS" if speech.is_cut else "STOP"


def _usage(speech: Speech) -> Json:
    """Return the count of tokens; thinking is not inside the candidates."""
    return {
        "promptTokenCount": speech.input_tokens,
        "cachedContentTokenCount": speech.cached_tokens,
        "candidatesTokenCount": speech.visible_tokens,
        "thoughtsTokenCount": speech.reasoning_tokens,
        "totalTokenCount": speech.input_tokens + speech.output_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": speech.input_tokens}],
        "serviceTier": "standard",
    }


def _event(value: Json) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\r\n\r\n"


_EXHAUSTED = "RESOURCE_EXHAUSTED"
_ERRORS = {
    Outcome.FORBIDDEN: (403, "PERMISSION_DENIED", "The caller does not have permission"),
    Outcome.BILLING: (402, _EXHAUSTED, "Your prepayment credits are depleted."),
    Outcome.OVERLOADED: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    Outcome.CONTENT_BLOCKED: (400, "INVALID_ARGUMENT", "The prompt was blocked."),
    Outcome.DAILY_QUOTA: (429, _EXHAUSTED, "You exceeded your current quota."),
    Outcome.CONCURRENCY_LIMITED: (429, _EXHAUSTED, "Too many concurrent requests."),
}


def _error(problem: Problem) -> tuple[int, str, str]:
    """Return HTTP status, gRPC status and message."""
    match problem.outcome:
        case Outcome.UNAUTHORIZED if problem.code == "missing":
            return 403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers. Please use an API key."
        case Outcome.UNAUTHORIZED:
            return 400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."
        case Outcome.MODEL_NOT_FOUND:
            return 404, "NOT_FOUND", f"models/{problem.model} is not found for API version v1beta."
        case Outcome.RATE_LIMITED | Outcome.REQUEST_EXCEEDS_QUOTA:
            hint = "" if problem.wait_s is None else f" Please retry in {problem.wait_s:.2f}s."
            return 429, _EXHAUSTED, f"You exceeded your current quota.{hint}"
        case Outcome.CONTEXT_TOO_LONG:
            bounds = f"({problem.requested}) exceeds the maximum number of tokens allowed ({problem.used})"
            return 400, "INVALID_ARGUMENT", f"The input token count {bounds}."
        case Outcome.INVALID_REQUEST:
            return problem.status, "NOT_FOUND" if problem.status == 404 else "INVALID_ARGUMENT", problem.message  # noqa: PLR2004
        case _:
            return _ERRORS.get(problem.outcome, (500, "INTERNAL", "An internal error has occurred."))


def _details(problem: Problem) -> list[Json]:
    if problem.outcome is Outcome.UNAUTHORIZED and problem.code != "missing":
        reason = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": {"service": _SERVICE}}
        return [{"@type": _RPC + "ErrorInfo"} | reason]
    if problem.limit is None or problem.outcome is Outcome.CONCURRENCY_LIMITED:
        return []
    details: list[Json] = [
        {"@type": _RPC + "QuotaFailure", "violations": [_violation(problem, problem.limit.amount)]},
        {"@type": _RPC + "Help", "links": []},
    ]
    if problem.wait_s is not None:
        # A day's end comes with a short wait too, which misleads whoever reads it first (docs, 2026-11).
        wait_s = 18 if problem.outcome is Outcome.DAILY_QUOTA else max(1, int(problem.wait_s))
        details.append({"@type": _RPC + "RetryInfo", "retryDelay": f"{wait_s}s"})
    return details


def _violation(problem: Problem, amount: int) -> Json:
    counts_requests = problem.limit is None or problem.limit.unit is Unit.REQUESTS
    if problem.outcome is Outcome.DAILY_QUOTA:
        metric, quota_id = "generate_requests_per_model_per_day", "GenerateRequestsPerDayPerProjectPerModel"
    elif counts_requests:
        metric, quota_id = "generate_requests_per_model", "GenerateRequestsPerMinutePerProjectPerModel"
    else:
        metric = "generate_content_paid_tier_input_token_count"
        quota_id = "GenerateContentPaidTierInputTokensPerModelPerMinute"
    return {
        "quotaMetric": f"{_SERVICE}/{metric}",
        "quotaId": quota_id,
        "quotaDimensions": {"model": problem.model, "location": "global"},
        "quotaValue": str(amount),
    }
