"""Every wire format with what the suite needs to know about it, and the examples of the wire reference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from pointsman.config.settings import ProviderSettings
from pointsman.domain.answer import Usage
from pointsman.domain.pool import Candidate, Model
from pointsman.domain.prompt import Message, Options, Prompt, Request, Role, Text
from pointsman.domain.secret import Secret
from pointsman.executor.adapters.anthropic import Anthropic
from pointsman.executor.adapters.base import Adapter, Call, HttpResponse, Wire
from pointsman.executor.adapters.gemini import Gemini
from pointsman.executor.adapters.ollama import Ollama
from pointsman.executor.adapters.openai import OpenAI
from pointsman.executor.adapters.openai_dialect import DEEPSEEK, MOONSHOT
from pointsman.executor.adapters.openai_dialect import OPENAI as OPENAI_DIALECT
from pointsman.executor.adapters.registry import make_adapter
from tests.fakes.clock import START, FakeClock

EXAMPLES = Path(__file__).parent / "examples"
NOW = START
KEY = Secret("sk-canary-0123456789")
Kind = Literal["openai", "deepseek", "moonshot", "anthropic", "gemini", "ollama"]


def example(tag: str) -> bytes:
    """Return a JSON block of the wire reference."""
    return (EXAMPLES / f"{tag}.json").read_bytes()


def example_document(tag: str) -> Any:  # noqa: ANN401 - JSON
    """Return the same, parsed."""
    return orjson.loads(example(tag))


DEEPSEEK_200 = {
    "id": "d1",
    "object": "chat.completion",
    "created": 1_795_305_600,
    "model": "deepseek-v4-pro",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "97", "reasoning_content": "90 < p"},
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 20,
        "completion_tokens": 30,
        "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 16},
        "completion_tokens_details": {"reasoning_tokens": 28},
        "prompt_cache_hit_tokens": 16,
        "prompt_cache_miss_tokens": 4,
    },
}
MOONSHOT_200 = {
    "id": "m1",
    "object": "chat.completion",
    "created": 1_795_305_600,
    "model": "kimi-k3.1-pro",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "97", "reasoning_content": "90 < p"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 21, "completion_tokens": 33, "total_tokens": 54, "cached_tokens": 8},
}
OLLAMA_200 = {
    "model": "qwen2.5:14b-instruct-q8_0",
    "created_at": "2026-11-22T10:00:00.123456Z",
    "message": {"role": "assistant", "content": "97"},
    "done": True,
    "done_reason": "stop",
    "total_duration": 5_000_000_000,
    "load_duration": 1_000_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 500_000_000,
    "eval_count": 3,
    "eval_duration": 2_000_000_000,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCase:
    """One provider: how its wire is made, what it answers when all is well, and how it states an error."""

    kind: Kind
    model_id: str
    wire: Callable[[Secret], Wire]
    answer: bytes = field(repr=False)
    usage: Usage
    path: str
    key_header: tuple[str, str]
    error: bytes = field(repr=False)
    """A body that says "server error" in this format."""

    def adapter(self, url: str, *, key: Secret = KEY) -> Adapter:
        """Return the adapter as the Executor makes it."""
        settings = ProviderSettings(wire=self.kind, base_url=url, api_key_env="KEY")
        return make_adapter(settings, api_key=key, clock=FakeClock(), connections=4, connect_timeout_s=2.0)

    def call(self, **changes: Any) -> Call:  # noqa: ANN401 - of `make_call`
        """Return a call for this provider's model."""
        return make_call(**({"model": self.model_id} | changes))


CASES = (
    WireCase(
        kind="openai",
        model_id="gpt-6.2-sol",
        wire=lambda key: OpenAI(OPENAI_DIALECT, key),
        answer=example("openai.chat.200"),
        usage=Usage(input_tokens=24, output_tokens=75, reasoning_tokens=64),
        path="/chat/completions",
        key_header=("authorization", "Bearer sk-canary-0123456789"),
        error=b'{"error":{"message":"sk-canary-0123456789 broke","type":"server_error","param":null,"code":null}}',
    ),
    WireCase(
        kind="deepseek",
        model_id="deepseek-v4-pro",
        wire=lambda key: OpenAI(DEEPSEEK, key),
        answer=orjson.dumps(DEEPSEEK_200),
        usage=Usage(input_tokens=20, cached_input_tokens=16, output_tokens=30, reasoning_tokens=28),
        path="/chat/completions",
        key_header=("authorization", "Bearer sk-canary-0123456789"),
        error=b'{"error":{"message":"sk-canary-0123456789 broke","type":"unknown_error","param":null,"code":null}}',
    ),
    WireCase(
        kind="moonshot",
        model_id="kimi-k3.1-pro",
        wire=lambda key: OpenAI(MOONSHOT, key),
        answer=orjson.dumps(MOONSHOT_200),
        usage=Usage(input_tokens=21, cached_input_tokens=8, output_tokens=33),
        path="/chat/completions",
        key_header=("authorization", "Bearer sk-canary-0123456789"),
        error=b'{"error":{"type":"server_error","message":"sk-canary-0123456789 broke"}}',
    ),
    WireCase(
        kind="anthropic",
        model_id="claude-sonnet-5-5",
        wire=Anthropic,
        answer=example("anthropic.200"),
        usage=Usage(input_tokens=25, output_tokens=70, reasoning_tokens=60),
        path="/v1/messages",
        key_header=("x-api-key", "sk-canary-0123456789"),
        error=b'{"type":"error","error":{"type":"api_error","message":"sk-canary-0123456789 broke"},"request_id":"r"}',
    ),
    WireCase(
        kind="gemini",
        model_id="gemini-3.8-flash",
        wire=Gemini,
        answer=example("gemini.200"),
        usage=Usage(input_tokens=23, output_tokens=63, reasoning_tokens=61),
        path="/v1beta/models/gemini-3.8-flash:generateContent",
        key_header=("x-goog-api-key", "sk-canary-0123456789"),
        error=b'{"error":{"code":500,"message":"sk-canary-0123456789 broke","status":"INTERNAL"}}',
    ),
    WireCase(
        kind="ollama",
        model_id="qwen2.5:14b-instruct-q8_0",
        wire=Ollama,
        answer=orjson.dumps(OLLAMA_200),
        usage=Usage(input_tokens=26, output_tokens=3),
        path="/api/chat",
        key_header=("authorization", "Bearer sk-canary-0123456789"),
        error=b'{"error":"sk-canary-0123456789 broke"}',
    ),
)
BY_KIND = {case.kind: case for case in CASES}


def make_model(model_id: str = "m", **changes: Any) -> Model:  # noqa: ANN401 - of Model
    """Return a model that can do everything but take a temperature and stop texts."""
    facts = {
        "context_tokens": 8_192,
        "max_input_tokens": 8_192,
        "max_output_tokens": 4_096,
        "sees_images": True,
        "takes_image_urls": True,
        "takes_tools": True,
        "follows_json_schema": True,
        "accepts_temperature": False,
        "accepts_stop": False,
    }
    return Model(id=model_id, **(facts | changes))


def make_call(
    *,
    model: str | Model = "m",
    messages: tuple[Message, ...] | None = None,
    options: Options | None = None,
    effort: str = "",
    max_output_tokens: int = 800,
    timeout_s: float = 10.0,
) -> Call:
    """Return a call that asks for a prime."""
    facts = make_model(model) if isinstance(model, str) else model
    candidate = Candidate(
        id="p/m",
        provider="p",
        model=facts,
        local=False,
        api_key_env="KEY",
        scopes=(),
        quota_scope="model:p/m",
        default_output_tokens=800,
        effort=effort,
    )
    if messages is None:
        messages = (say(Role.SYSTEM, "Answer briefly."), say(Role.USER, "Name one prime above 90."))
    request = Request(prompt=Prompt(messages=messages), options=options or Options())
    return Call(candidate=candidate, request=request, max_output_tokens=max_output_tokens, timeout_s=timeout_s)


def say(role: Role, text: str) -> Message:
    """Return a turn of plain text."""
    return Message(role=role, parts=(Text(text=text),))


def respond(body: bytes | object, *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """Return a response, from bytes or from JSON."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return HttpResponse(status=status, headers=headers or {}, body=raw)


NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
