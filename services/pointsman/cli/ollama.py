"""The only talk of the command line with Ollama: is a server there, what does it have, and bring a model."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from typing import Final, cast

import httpx
from ollama import AsyncClient, ProgressResponse, ResponseError

from pointsman.executor.adapters.replies import SIMULATED

LOGPROBS_VERSION: Final = (0, 12, 11)
"""The first version whose answers carry log-probabilities (Ollama release notes, 2025-11-11)."""

_CONNECT_S: Final = 1.0
_LOOK_S: Final = 3.0  # version and list are answered from memory
_PULL_SILENCE_S: Final = 300.0  # between two lines: hashing 16 GB on a slow disk says nothing for minutes


class OllamaFailed(Exception):
    """The server could not do what it was asked for; the message is a plain sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look at one server showed.

    `problem` is empty when it answered; `version` is as the server writes it; `is_simulated` when it says so itself.
    """

    url: str
    version: str = ""
    models: frozenset[str] = frozenset()
    problem: str = ""
    is_simulated: bool = False

    def has(self, model: str) -> bool:
        """Return whether the model is on its disk; a name without a tag means `latest`."""
        return (model if ":" in model else f"{model}:latest") in self.models

    @property
    def gives_logprobs(self) -> bool:
        """True when the version is new enough for the classifier's question."""
        return tuple(map(int, re.findall(r"\d+", self.version)[:3])) >= LOGPROBS_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line of a pull. `total_bytes` and `completed_bytes` speak of all layers seen so far; 0 when none was."""

    status: str
    completed_bytes: int
    total_bytes: int


@dataclass(slots=True)
class _Layers:
    """Bytes of each layer, because each line of a pull speaks of one of them."""

    totals: dict[str, int] = field(default_factory=dict)
    completed: dict[str, int] = field(default_factory=dict)

    def progress(self, status: str, digest: str | None, total: int | None, completed: int | None) -> Progress:
        if digest:
            self.totals[digest] = total or self.totals.get(digest, 0)
            # A line may leave `completed` out, and a layer that is taken up again never goes back.
            self.completed[digest] = max(completed or 0, self.completed.get(digest, 0))
        return Progress(
            status=status, completed_bytes=sum(self.completed.values()), total_bytes=sum(self.totals.values())
        )


async def look(url: str) -> Look:
    """Return what the server at `url` says about itself, within a few seconds. One that is away is no exception."""
    try:
        with _failures_named(url):
            # The client has no method for /api/version (ollama 0.6.3, 2026-11).
            async with httpx.AsyncClient(
                base_url=url, timeout=_timeout(_LOOK_S), trust_env=False, verify=url.startswith("https://")
            ) as http:
                answer = await http.get("/api/version")
            version = str(answer.raise_for_status().json()["version"])
            async with _client(url, _LOOK_S) as client:
                listed = await client.list()
    except OllamaFailed as failed:
        return Look(url=url, problem=str(failed))
    return Look(
        url=url,
        version=version,
        models=frozenset(model.model or "" for model in listed.models),
        is_simulated=SIMULATED in answer.headers,
    )


async def pull(url: str, model: str) -> AsyncIterator[Progress]:
    """Have the server bring `model`, and yield how far it is; returning means success.

    What came is kept by the server when this is left early: the next pull goes on from there. Raises OllamaFailed.
    """
    layers, succeeded = _Layers(), False
    with _failures_named(url):
        async with _client(url, _PULL_SILENCE_S) as client:
            lines = cast("AsyncGenerator[ProgressResponse, None]", await client.pull(model, stream=True))
            async with aclosing(lines):
                async for line in lines:
                    status = line.status or ""
                    succeeded = succeeded or status == "success"
                    yield layers.progress(status, line.digest, line.total, line.completed)
    if not succeeded:
        raise OllamaFailed(f"Ollama at {url} stopped in the middle of {model}; run the same command again to go on")


def _client(url: str, read_s: float) -> AsyncClient:
    # Without `trust_env=False` a proxy variable would capture calls to this machine.
    is_https = url.startswith("https://")  # else no authority is asked, nor loaded, for some 50 ms
    return AsyncClient(host=url, timeout=_timeout(read_s), trust_env=False, verify=is_https)


def _timeout(read_s: float) -> httpx.Timeout:
    return httpx.Timeout(read_s, connect=_CONNECT_S)


@contextmanager
def _failures_named(url: str) -> Iterator[None]:
    """Turn whatever the client raises into one plain sentence."""
    try:
        yield
    except ResponseError as error:
        raise OllamaFailed(f"Ollama at {url} says: {_one_line(error.error)}") from error
    except httpx.TimeoutException as error:
        raise OllamaFailed(f"Ollama at {url} does not answer in time") from error
    except httpx.HTTPStatusError as error:
        raise OllamaFailed(f"what listens at {url} is not Ollama: it answers {error.response.status_code}") from error
    except (ConnectionError, httpx.HTTPError) as error:
        raise OllamaFailed(f"no Ollama at {url}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # Bodies that are not JSON, or of another shape, surface from the client as these (ollama 0.6.3, 2026-11).
        raise OllamaFailed(f"what listens at {url} is not Ollama: its answer has another shape") from error


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
