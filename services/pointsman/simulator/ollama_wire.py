"""Ollama's API on the wire: how requests are read, how answers, pages and errors look (Ollama source, 2026-08)."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from pointsman.domain.trail import Outcome
from pointsman.simulator.exchange import SimRequest
from pointsman.simulator.problem import Problem, Unreadable, invalid
from pointsman.simulator.reading import Json
from pointsman.simulator.runners import LoadOptions, Runner
from pointsman.simulator.scenario import LocalModelProfile

_LOAD_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")
_DEFAULT_KEEP_ALIVE_S = 300.0
_DEFAULT_NUM_CTX = 4096
_MAX_LOGPROBS = 20
_DURATION = re.compile(r"(-?)(?:(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_FOR_EVER = timedelta(days=106_751)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A request to generate, understood. `prompt` is empty for one that only loads; `keep_alive_s` None is for ever."""

    model: LocalModelProfile
    is_chat: bool
    prompt: str
    user_text: str
    images: int
    streamed: bool
    load_options: LoadOptions
    keep_alive_s: float | None
    max_tokens: int | None
    top_logprobs: int | None
    is_raw: bool

    @property
    def asks_for_a_label(self) -> bool:
        """True for the classification prompt: raw, one token, with its log-probabilities (Ollama source, 2026-08)."""
        return self.is_raw and self.max_tokens == 1 and self.top_logprobs is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The durations of an answer in seconds, and its tokens."""

    total_s: float
    load_s: float
    prompt_s: float
    eval_s: float
    prompt_tokens: int
    output_tokens: int


def read_body(request: SimRequest) -> Json:
    """Return the body of a POST."""
    if not request.body:
        raise invalid("missing request body")
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"invalid JSON: {error}") from error
    if not isinstance(body, dict):
        raise invalid("json: cannot unmarshal into Go value")
    return body


def find(body: Json, pulled: Sequence[LocalModelProfile]) -> LocalModelProfile:
    """Return the model that is asked for, if it is on the disk."""
    name = body.get("model") or body.get("name")
    if not isinstance(name, str) or not name:
        raise invalid("model is required")
    for model in pulled:
        if model.id in {name, f"{name}:latest"}:
            return model
    raise Unreadable(Problem(Outcome.MODEL_NOT_FOUND, model=name))


def read_job(body: Json, pulled: Sequence[LocalModelProfile], *, is_chat: bool) -> Job:
    """Understand a generate or a chat request."""
    model = find(body, pulled)
    options = body.get("options") or {}
    prompt, user_text, images = _chat(body) if is_chat else _generate(body)
    top = body.get("top_logprobs") or 0
    if not isinstance(top, int) or not 0 <= top <= _MAX_LOGPROBS:
        raise invalid("top_logprobs must be between 0 and 20")
    if body.get("think") is True:
        raise invalid(f'"{model.id}" does not support thinking')
    bound = options.get("num_predict") or -1  # zero is dropped on the way (Ollama source, 2026-08)
    return Job(
        model=model,
        is_chat=is_chat,
        prompt=prompt,
        user_text=user_text,
        images=images,
        streamed=body.get("stream") is not False,
        load_options=tuple((name, options.get(name)) for name in _LOAD_OPTIONS),
        keep_alive_s=_keep_alive_s(body.get("keep_alive")),
        max_tokens=bound if bound > 0 else None,
        top_logprobs=top if body.get("logprobs") else None,
        is_raw=body.get("raw") is True,
    )


def error_body(message: str) -> bytes:
    """Return an error as Ollama says it."""
    return orjson.dumps({"error": message})


def problem(found: Problem) -> tuple[int, bytes]:
    """Return status and body of a failure."""
    match found.outcome:
        case Outcome.INVALID_REQUEST:
            return found.status, error_body(found.message)
        case Outcome.MODEL_NOT_FOUND:
            return 404, error_body(f"model '{found.model}' not found")
        case Outcome.OVERLOADED:
            return 503, error_body("server busy, please try again.  maximum pending requests exceeded")
        case _:
            return 500, error_body("llama runner process has terminated: exit status 2")


def line(job: Job, text: str, at: datetime) -> Json:
    """Return one line of a stream; with an `ending` it is the last one, or the only object."""
    said: Json = {"message": {"role": "assistant", "content": text}} if job.is_chat else {"response": text}
    return {"model": job.model.id, "created_at": stamp(at)} | said | {"done": False}


def pull_lines(model: LocalModelProfile, layers: int) -> list[Json]:
    """Return the progress of a pull; only the last line means that it worked."""
    name = digest(model)
    pulling: Json = {"status": f"pulling {name[:12]}", "digest": f"sha256:{name}", "total": model.size_bytes}
    parts = [pulling] + [pulling | {"completed": model.size_bytes * part // layers} for part in range(1, layers + 1)]
    last = ("verifying sha256 digest", "writing manifest", "success")
    return [{"status": "pulling manifest"}, *parts, *({"status": status} for status in last)]


def ending(timing: Timing, reason: str) -> Json:
    """Return the keys that close an answer."""
    return {
        "done": True,
        "done_reason": reason,
        "total_duration": _ns(timing.total_s),
        "load_duration": _ns(timing.load_s),
        "prompt_eval_count": timing.prompt_tokens,
        "prompt_eval_duration": _ns(timing.prompt_s),
        "eval_count": timing.output_tokens,
        "eval_duration": _ns(timing.eval_s),
    }


def logprobs(tokens: Sequence[tuple[str, float]], top: int) -> list[Json]:
    """Return the log-probabilities of one generated token, which is the first."""
    return [_token(*tokens[0]) | {"top_logprobs": [_token(*token) for token in tokens[:top]]}]


def tags(models: Sequence[LocalModelProfile]) -> Json:
    """Return what is on the disk."""
    return {
        "models": [
            {
                "name": model.id,
                "model": model.id,
                "modified_at": "2026-11-01T09:00:00Z",
                "size": model.size_bytes,
                "digest": digest(model),
                "details": details(model),
            }
            for model in models
        ]
    }


def ps(runners: Sequence[Runner], now: datetime, monotonic: float) -> Json:
    """Return what is in memory."""
    return {"models": [_resident(runner, now, monotonic) for runner in runners]}


def show(model: LocalModelProfile) -> Json:
    """Return what is known of a model."""
    return {
        "license": "Apache License Version 2.0",
        "modelfile": f"FROM {model.id}",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": details(model),
        "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 32_768},
        "capabilities": ["completion", "tools"],
        "modified_at": "2026-11-01T09:00:00Z",
    }


def details(model: LocalModelProfile) -> Json:
    """Return the family and size of a model."""
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "qwen2",
        "families": ["qwen2"],
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }


def digest(model: LocalModelProfile) -> str:
    """Return an invented digest of 64 hexadecimal figures."""
    return hashlib.sha256(model.id.encode()).hexdigest()


def stamp(at: datetime) -> str:
    """Return an instant as Ollama prints it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _resident(runner: Runner, now: datetime, monotonic: float) -> Json:
    stays = _FOR_EVER if runner.expires_at is None else timedelta(seconds=runner.expires_at - monotonic)
    num_ctx = dict(runner.options).get("num_ctx") or _DEFAULT_NUM_CTX
    return {
        "name": runner.model.id,
        "model": runner.model.id,
        "size": runner.model.size_bytes,
        "digest": digest(runner.model),
        "details": details(runner.model),
        "expires_at": stamp(now + stays),
        "size_vram": runner.model.size_bytes,
        "context_length": num_ctx,
    }


def _generate(body: Json) -> tuple[str, str, int]:
    if body.get("raw") and any(body.get(name) for name in ("template", "system", "context")):
        raise invalid("raw mode does not support template, system, or context")
    prompt = str(body.get("prompt") or "")
    return f"{body.get('system') or ''}{prompt}", prompt, len(body.get("images") or [])


def _chat(body: Json) -> tuple[str, str, int]:
    messages = body.get("messages") or []
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise invalid("json: cannot unmarshal messages")
    texts = [str(message.get("content") or "") for message in messages]
    return "\n".join(texts), texts[-1] if texts else "", sum(len(message.get("images") or []) for message in messages)


def _keep_alive_s(given: Any) -> float | None:  # noqa: ANN401 - unread JSON
    """Return seconds; None is for ever. A string needs a unit, "-1" has none (Ollama source, 2026-08)."""
    if given is None:
        return _DEFAULT_KEEP_ALIVE_S
    if isinstance(given, int | float):
        return None if given < 0 else float(given)
    if not isinstance(given, str) or not _DURATION.fullmatch(given):
        raise invalid(f'time: missing unit in duration "{given}"')
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(given))
    return None if given.startswith("-") else seconds


def _token(text: str, log_probability: float) -> Json:
    return {"token": text, "logprob": log_probability, "bytes": list(text.encode())}


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
