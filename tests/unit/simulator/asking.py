"""Requests as well-behaved adapters make them, for tests of the simulator."""

import json
from pathlib import Path

from pointsman.simulator.exchange import SimRequest, SimResponse
from pointsman.simulator.reading import Json
from pointsman.simulator.scenario import ModelProfile, ProviderProfile, Scenario

EXAMPLES = Path(__file__).parents[2] / "adapters" / "examples"

MODELS = {
    "openai": "gpt-6.2-sol",
    "deepseek": "deepseek-v4-pro",
    "moonshot": "kimi-k3.1-pro",
    "anthropic": "claude-sonnet-5-5",
    "gemini": "gemini-3.8-flash",
}
_PATHS = {
    "openai": "/openai/v1/chat/completions",
    "deepseek": "/deepseek/chat/completions",
    "moonshot": "/moonshot/v1/chat/completions",
    "anthropic": "/anthropic/v1/messages",
}
_HEADERS = {
    "authorization": "Bearer key",
    "x-api-key": "key",
    "x-goog-api-key": "key",
    "anthropic-version": "2026-10-21",
}
LABEL_PROMPT = (
    "<|im_start|>system\nName the category.<|im_end|>\n"
    "<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\nCategory:"
)

LABEL_OPTIONS = {"num_ctx": 4096, "num_predict": 1, "temperature": 0}


def chat(
    kind: str,
    text: str = "Name one prime above 90.",
    *,
    model: str = "",
    max_output_tokens: int = 800,
    streamed: bool = False,
    headers: dict[str, str] | None = None,
    **extra: object,
) -> SimRequest:
    """Return a request for text in the dialect of `kind`; `extra` keys go into the body, None takes one out."""
    model = model or MODELS[kind]
    path = _PATHS.get(
        kind, f"/gemini/v1beta/models/{model}:{'streamGenerateContent' if streamed else 'generateContent'}"
    )
    return post(path, _body(kind, text, model, max_output_tokens, streamed=streamed) | extra, headers=headers)


def _body(kind: str, text: str, model: str, bound: int, *, streamed: bool) -> Json:
    turns = [{"role": "user", "content": text}]
    match kind:
        case "gemini":
            contents = [{"role": "user", "parts": [{"text": text}]}]
            return {"contents": contents, "generationConfig": {"maxOutputTokens": bound}}
        case "anthropic" | "deepseek":
            return {"model": model, "messages": turns, "max_tokens": bound, "stream": streamed}
        case _:
            usage = {"stream_options": {"include_usage": True}} if streamed else {}
            return {"model": model, "messages": turns, "max_completion_tokens": bound, "stream": streamed} | usage


def generate(prompt: str = "Hello", *, model: str = "qwen2.5:1.5b-instruct", **extra: object) -> SimRequest:
    """Return a request to Ollama that is not streamed."""
    return post("/ollama/api/generate", {"model": model, "prompt": prompt, "stream": False} | extra)


def label(text: str, **extra: object) -> SimRequest:
    """Return the classification prompt of the Classifier."""
    asked: Json = {"raw": True, "logprobs": True, "top_logprobs": 20, "keep_alive": -1, "options": LABEL_OPTIONS}
    return generate(LABEL_PROMPT.format(text=text), **(asked | extra))


def post(path: str, body: Json | bytes, *, headers: dict[str, str] | None = None) -> SimRequest:
    """Return a POST; keys of the body that are None are left out."""
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if value is not None}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return SimRequest(method="POST", path=path, headers=_HEADERS if headers is None else headers, body=content)


def get(path: str) -> SimRequest:
    """Return a GET with every key."""
    return SimRequest(method="GET", path=path, headers=_HEADERS)


def parsed(response: SimResponse) -> Json:
    """Return the whole body as JSON."""
    body: Json = json.loads(whole(response))
    return body


def whole(response: SimResponse) -> bytes:
    """Return a body that came in one."""
    assert isinstance(response.body, bytes)
    return response.body


async def collected(response: SimResponse) -> bytes:
    """Return a body that comes in pieces, taken to its end."""
    assert not isinstance(response.body, bytes)
    pieces = [piece async for piece in response.body]
    await response.body.aclose()
    return b"".join(pieces)


def header(response: SimResponse, name: str) -> str | None:
    """Return a header; None when it is not there."""
    return dict(response.headers).get(name)


def example(name: str) -> Json:
    """Return an example body of the wire formats."""
    body: Json = json.loads((EXAMPLES / f"{name}.json").read_text())
    return body


def world_of(provider: ProviderProfile) -> Scenario:
    """Return a world of one provider."""
    return Scenario(providers=(provider,))


def small(kind: str, model: ModelProfile) -> ProviderProfile:
    """Return an account with one model."""
    return ProviderProfile(kind=kind, models=(model,))
