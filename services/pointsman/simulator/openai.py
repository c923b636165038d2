"""OpenAI's Chat Completions on the wire: the checks, the bodies, the errors and the quota headers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import orjson

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.account import Gauge
from pointsman.simulator.dialect import Ask, Page, PageName, Speech, Stamp
from pointsman.simulator.exchange import Headers, SimRequest
from pointsman.simulator.openai_errors import ORGANIZATION, duration, error_of
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

_DATA_URL = re.compile(r"data:(image/[a-z]+);base64,(.*)", re.DOTALL)
_SAMPLING = ("top_p", "presence_penalty", "frequency_penalty")


class OpenAI:
    """The dialect of OpenAI, and the ground on which DeepSeek's and Moonshot's stand."""

    paths: tuple[str, ...] = ("/v1/chat/completions",)
    pages: Mapping[str, PageName] = MappingProxyType({"/v1/models": PageName.MODELS})
    roles = frozenset({"developer", "system", "user", "assistant", "tool"})
    blocks_in_answer = False

    def read(self, request: SimRequest, profile: ProviderProfile) -> Ask | Page:
        """Understand a chat completion or a free question."""
        check_key(bearer(request), profile)
        page = self.pages.get(request.path)
        if request.method == "GET" and page:
            return Page(name=page)
        if request.method != "POST" or request.path not in self.paths:
            raise invalid(f"Unknown request URL: {request.method} {request.path}.", code="unknown_url", status=404)
        body = json_object(request)
        model = find_model(body.get("model"), profile.models)
        texts, images = self.turns(body.get("messages"), model)
        tokens = count_prompt_tokens(texts, images)
        check_input_fits(tokens, model)
        self.check_parameters(body, model)
        options = body.get("stream_options") or {}
        return Ask(
            model=model,
            text=texts[-1],
            input_tokens=tokens,
            max_output_tokens=self.output_bound(body),
            streamed=body.get("stream") is True,
            wants_usage=options.get("include_usage") is True,
            effort=self.effort(body),
        )

    def turns(self, messages: object, model: ModelProfile) -> tuple[list[str], int]:
        """Return the text of every turn and the number of images."""
        if not isinstance(messages, list) or not messages:
            raise invalid(
                "Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter"
            )
        texts, images = [], 0
        for index, message in enumerate(messages):
            role = message.get("role") if isinstance(message, dict) else None
            if role not in self.roles:
                raise invalid(f"Invalid value: '{role}'.", param=f"messages[{index}].role", code="invalid_value")
            text, seen = _content(message.get("content"), f"messages[{index}].content")
            texts.append(text)
            images += seen
        if images and not model.sees_images:
            raise invalid("This model does not take images.", param="messages", code="invalid_value")
        return texts, images

    def output_bound(self, body: Json) -> int | None:
        """Return the bound of the output that was asked for."""
        return positive(body, "max_completion_tokens") or positive(body, "max_tokens")

    def effort(self, body: Json) -> str:
        """Return how hard the model is to think; empty when unsaid."""
        return str(body.get("reasoning_effort") or "")

    def check_parameters(self, body: Json, model: ModelProfile) -> None:
        """Turn away what reasoning models do not take (provider docs and SDKs, 2026-11)."""
        if not model.always_reasons:
            return
        if "max_tokens" in body:
            raise invalid(
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'.",
                param="max_tokens",
                code="unsupported_parameter",
            )
        for field in ("stop", "logprobs", "logit_bias"):
            if body.get(field):
                raise invalid(f"Unsupported parameter: '{field}'.", param=field, code="unsupported_parameter")
        if body.get("temperature") not in (None, 1):
            raise invalid("Unsupported value: 'temperature'.", param="temperature", code="unsupported_value")
        for field in _SAMPLING:
            if body.get(field) not in (None, 1 if field == "top_p" else 0):
                raise invalid(f"Unsupported value: '{field}'.", param=field, code="unsupported_value")
        if body.get("reasoning_effort") == "none":
            raise invalid("Unsupported value: 'none'.", param="reasoning_effort", code="unsupported_value")

    def answer(self, speech: Speech, stamp: Stamp) -> bytes:
        """Return a chat.completion."""
        return orjson.dumps(
            {
                "id": self.answer_id(stamp),
                "object": "chat.completion",
                "created": int(stamp.at.timestamp()),
                "model": speech.model,
                **self.extras(),
                "choices": [
                    {
                        "index": 0,
                        "message": self.message(speech),
                        "logprobs": None,
                        "finish_reason": finish_reason(speech),
                    }
                ],
                "usage": self.usage(speech),
            }
        )

    def answer_id(self, stamp: Stamp) -> str:
        """Return the id of an answer."""
        return f"chatcmpl-{stamp.id}"

    def extras(self) -> Json:
        """Return the keys that stand beside the choices."""
        return {"service_tier": "default", "system_fingerprint": None}

    def message(self, speech: Speech) -> Json:
        """Return what the assistant says."""
        return {"role": "assistant", "content": speech.text, "refusal": None, "annotations": []}

    def usage(self, speech: Speech) -> Json:
        """Return the count of tokens; reasoning is inside the completion."""
        return {
            "prompt_tokens": speech.input_tokens,
            "completion_tokens": speech.output_tokens,
            "total_tokens": speech.input_tokens + speech.output_tokens,
            "prompt_tokens_details": {
                "cached_tokens": speech.cached_tokens,
                "cache_write_tokens": 0,
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": speech.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def stream(self, speech: Speech, stamp: Stamp, *, wants_usage: bool) -> Iterator[bytes]:
        """Yield the role, the pieces, the end, the usage if asked for, and the terminal marker."""
        frame = {
            "id": self.answer_id(stamp),
            "object": "chat.completion.chunk",
            "created": int(stamp.at.timestamp()),
            "model": speech.model,
        }
        unused = {"usage": None} if wants_usage else {}
        yield event(frame | unused | with_delta({"role": "assistant", "content": "", "refusal": None}))
        for piece in speech.pieces:
            yield event(frame | unused | with_delta({"content": piece}))
        yield event(frame | unused | with_delta({}, finish_reason(speech)))
        if wants_usage:
            yield event(frame | {"choices": [], "usage": self.usage(speech)})
        yield b"data: [DONE]\n\n"

    def page(self, page: Page, profile: ProviderProfile, balance_usd: float) -> bytes:  # noqa: ARG002 - the port's
        """Return the list of models."""
        entries = [
            {"id": m.id, "object": "model", "created": 1_795_305_600, "owned_by": "simulated"} for m in profile.models
        ]
        return orjson.dumps({"object": "list", "data": entries})

    def problem(self, problem: Problem, stamp: Stamp) -> tuple[int, Headers, bytes]:  # noqa: ARG002 - the port's
        """Return an error object with its four keys, and the wait in two headers when there is one."""
        status, type_, code, message = error_of(problem)
        waits: Headers = ()
        if problem.wait_s is not None:
            milliseconds = max(1, round(problem.wait_s * 1_000))
            waits = (("retry-after-ms", str(milliseconds)), ("retry-after", str(-(-milliseconds // 1_000))))
        param = "messages" if problem.outcome is Outcome.CONTEXT_TOO_LONG else problem.param
        body = {"error": {"message": message, "type": type_, "param": param, "code": code}}
        return status, waits, orjson.dumps(body)

    def error_event(self, problem: Problem, stamp: Stamp) -> bytes:
        """Return the error object as an event."""
        return b"data: " + self.problem(problem, stamp)[2] + b"\n\n"

    def headers(self, gauges: Sequence[Gauge], stamp: Stamp, *, answered: bool) -> Headers:  # noqa: ARG002 - the port's
        """Return the request id and the x-ratelimit headers."""
        stated: list[tuple[str, str]] = [
            ("x-request-id", f"req_{stamp.id}"),
            ("openai-version", "2020-10-01"),
            ("openai-organization", ORGANIZATION),
            ("openai-processing-ms", "12"),
        ]
        for name, units in (("requests", {Unit.REQUESTS}), ("tokens", {Unit.TOKENS, Unit.INPUT_TOKENS})):
            binding = min(
                (gauge for gauge in gauges if gauge.limit.unit in units),
                key=lambda gauge: gauge.left / gauge.limit.amount,
                default=None,
            )
            if binding:
                stated += [
                    (f"x-ratelimit-limit-{name}", str(binding.limit.amount)),
                    (f"x-ratelimit-remaining-{name}", str(max(0, int(binding.left)))),
                    (f"x-ratelimit-reset-{name}", duration(binding.full_in_s)),
                ]
        return tuple(stated)


def event(value: Json) -> bytes:
    """Return one server-sent event without a name."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _content(content: object, path: str) -> tuple[str, int]:
    if content is None or isinstance(content, str):
        return content or "", 0
    if not isinstance(content, list):
        raise invalid("Invalid type for content.", param=path, code="invalid_type")
    texts, images = [], 0
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            texts.append(str(part.get("text", "")))
        elif kind == "image_url":
            _check_image_url(part.get("image_url"), f"{path}[{index}].image_url")
            images += 1
        else:
            raise invalid(f"Invalid value: '{kind}'.", param=f"{path}[{index}].type", code="invalid_value")
    return "\n".join(texts), images


def _check_image_url(image_url: Any, path: str) -> None:  # noqa: ANN401 - unread JSON
    url = image_url.get("url") if isinstance(image_url, dict) else None
    if not isinstance(url, str):
        raise invalid("Missing image URL.", param=f"{path}.url", code="missing_required_parameter")
    if inline := _DATA_URL.fullmatch(url):
        check_image(inline[2], inline[1])
    elif not url.startswith(("https://", "http://")):
        raise invalid("Invalid image URL.", param=f"{path}.url", code="invalid_image_url")


def with_delta(delta: Json, reason: str | None = None) -> Json:
    """Return the choices of one chunk."""
    return {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}


def finish_reason(speech: Speech) -> str:
    """Return why the answer ends."""
    if speech.is_blocked:
        return "content_filter"
    return "length" if speech.is_cut else "stop"
