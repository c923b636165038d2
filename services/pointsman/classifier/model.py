"""The one call to Ollama: a prompt in, the probability of each category out.

When it may be made is decided in `hop.py`.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import exp, isfinite

import httpx
from ollama import AsyncClient, GenerateResponse, ResponseError

from pointsman.classifier.calibration import Distribution
from pointsman.config.settings import OllamaSettings
from pointsman.domain.frozen import frozen
from pointsman.domain.verdict import ModelHop

_CONNECT_S = 0.2
_LOOK_S = 2.0  # version, show, ps: answered from memory, even while a model loads
_BODY_BYTES = 4 * 1024 * 1024  # a page of `show` with its licence and template is far below
_TOP_LOGPROBS = 20  # the most that Ollama gives
_NANOSECONDS = 1e-9


class ModelFault(Exception):
    """The call failed.

    `hop` says how for the verdict, `http_status` is 0 when no answer came; no text of the server is kept.
    """

    def __init__(self, hop: ModelHop, detail: str, *, http_status: int = 0) -> None:
        """Keep our own sentence."""
        super().__init__(detail)
        self.hop = hop
        self.detail = detail
        self.http_status = http_status


@frozen
class Durations:
    """Ollama's own timings of one call.

    `load_s` holds the scheduler's queue too and is near 0 when the model is warm.
    """

    total_s: float
    load_s: float
    prompt_eval_s: float
    eval_s: float

    @property
    def slot_wait_s(self) -> float:
        """What the parts leave of the total: the wait for a slot."""
        return max(0.0, self.total_s - self.load_s - self.prompt_eval_s - self.eval_s)


@frozen
class Reading:
    """What the first token said about the categories, in the order that the model was made with.

    `coverage` is the probability that the token names a category at all, 0 to 1. `distribution` is None when it is 0.
    """

    distribution: Distribution | None
    coverage: float
    durations: Durations


class Model:
    """One small model on one Ollama server.

    Every call carries the same load options: another `num_ctx` would reload the model.
    """

    def __init__(self, settings: OllamaSettings, categories: Sequence[str]) -> None:
        """Open no connection yet. `categories` are the answers to look for."""
        self._categories = categories
        self._name = settings.model
        self._url = settings.url
        self._asking = _client(settings, read_s=settings.timeout_s, connections=settings.concurrency)
        self._loading = _client(settings, read_s=settings.preload_timeout_s, connections=settings.concurrency)
        self._looking = _client(settings, read_s=_LOOK_S, connections=1)
        self._options = {
            "num_ctx": settings.num_ctx,
            "num_predict": 1,
            "temperature": 0,
            "seed": 1,
            "repeat_penalty": 1,
        }

    async def close(self) -> None:
        """Close the connections."""
        for client in (self._asking, self._loading, self._looking):
            await client.close()  # type: ignore[no-untyped-call]  # ollama 0.6.3 leaves it without annotations

    async def ask(self, prompt: str) -> Reading:
        """Return what the model makes of `prompt`.

        The caller bounds the time; cancelling closes the socket. Raises ModelFault.
        """
        return await self._generate(self._asking, prompt)

    async def warm_up(self, prompt: str) -> Reading:
        """Ask with the time limit of a load, for the first calls after one. Raises ModelFault."""
        return await self._generate(self._loading, prompt)

    async def find(self) -> str:
        """Return the server's version once it is up and has the model.

        Raises ModelFault, with status 404 when the model is missing.
        """
        with _faults_mapped():
            # The client has no method for /api/version (ollama 0.6.3, 2026-11).
            bounded = _Bounded(httpx.AsyncHTTPTransport(trust_env=False))
            async with httpx.AsyncClient(base_url=self._url, timeout=_LOOK_S, transport=bounded) as http:
                answer = await http.get("/api/version")
            await self._looking.show(self._name)
            return str(answer.raise_for_status().json()["version"])

    async def preload(self) -> None:
        """Have the model loaded and kept; takes minutes when it is cold.

        Only this call may ever start a load. Raises ModelFault.
        """
        with _faults_mapped():
            await self._loading.generate(self._name, "", keep_alive=-1, options=self._options)

    async def loaded(self) -> str | None:
        """Return the digest of the model in memory, empty when the server tells none; None when it is not in memory.

        Raises ModelFault.
        """
        with _faults_mapped():
            running = await self._looking.ps()
            return next((m.digest or "" for m in running.models if _tagged(m.model or "") == _tagged(self._name)), None)

    async def _generate(self, client: AsyncClient, prompt: str) -> Reading:
        with _faults_mapped():
            answer = await client.generate(
                self._name,
                prompt,
                raw=True,
                stream=False,
                logprobs=True,
                top_logprobs=_TOP_LOGPROBS,
                keep_alive=-1,
                options=self._options,
            )
            return _reading(answer, self._categories)


def read_categories(
    tokens: Iterable[tuple[str, float]], categories: Sequence[str]
) -> tuple[Distribution | None, float]:
    """Return the distribution over `categories` and its coverage, from pairs of token and natural log-probability.

    A token counts for the category that it spells or begins, if it begins only one. A category that no token names
    could still have been just below the list: it gets the smallest listed probability, the most that it can have had.
    """
    found = dict.fromkeys(categories, 0.0)
    least = 1.0
    for token, logprob in tokens:
        if not isfinite(logprob):
            continue
        probability = min(1.0, exp(min(0.0, logprob)))
        least = min(least, probability)
        word = token.strip().casefold()
        begun = [category for category in categories if word and category.startswith(word)]
        if len(begun) == 1:
            found[begun[0]] += probability
    coverage = min(1.0, sum(found.values()))
    if coverage <= 0.0:
        return None, 0.0
    bounded = [probability or min(least, coverage) for probability in found.values()]
    return tuple(probability / sum(bounded) for probability in bounded), coverage


def _reading(answer: GenerateResponse, categories: Sequence[str]) -> Reading:
    # An end of sequence as first token gives an empty response and no logprobs; a server before 0.12.11 gives none at
    # all.
    first = next(iter(answer.logprobs or ()), None)
    tokens = [(top.token, top.logprob) for top in (first.top_logprobs or ())] if first else []
    distribution, coverage = read_categories(tokens, categories)
    return Reading(distribution=distribution, coverage=coverage, durations=_durations(answer))


def _durations(answer: GenerateResponse) -> Durations:
    return Durations(
        total_s=(answer.total_duration or 0) * _NANOSECONDS,
        load_s=(answer.load_duration or 0) * _NANOSECONDS,
        prompt_eval_s=(answer.prompt_eval_duration or 0) * _NANOSECONDS,
        eval_s=(answer.eval_duration or 0) * _NANOSECONDS,
    )


def _client(settings: OllamaSettings, *, read_s: float, connections: int) -> AsyncClient:
    """Return a client of one timeout class. Without `trust_env=False` a proxy variable would capture loopback calls."""
    is_https = settings.url.startswith("https://")  # else no authority is asked, nor loaded, for some 50 ms and 1 MB
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    return AsyncClient(
        host=settings.url,
        follow_redirects=False,  # a prompt goes where the settings say, and nowhere else
        transport=_Bounded(httpx.AsyncHTTPTransport(verify=is_https, limits=limits, trust_env=False)),
        timeout=httpx.Timeout(connect=_CONNECT_S, read=read_s, write=1.0, pool=_CONNECT_S),
        trust_env=False,
    )


class _Bounded(httpx.AsyncBaseTransport):
    """A transport whose answers end with an error beyond _BODY_BYTES: what is expected is a page at most."""

    def __init__(self, inner: httpx.AsyncHTTPTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        body = _BoundedBody(response)
        # Read as it comes: a few bytes that unpack into many would pass the bound.
        headers = [(name, value) for name, value in response.headers.raw if name.lower() != b"content-encoding"]
        return httpx.Response(response.status_code, headers=headers, stream=body, extensions=response.extensions)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _BoundedBody(httpx.AsyncByteStream):
    """The body of a response, which breaks off when it is too large."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._response.aiter_raw():
            size += len(chunk)
            if size > _BODY_BYTES:
                raise httpx.ReadError(f"the answer is over {_BODY_BYTES} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()


def _tagged(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


@contextmanager
def _faults_mapped() -> Iterator[None]:
    """Turn whatever the client raises into a ModelFault."""
    try:
        yield
    except ResponseError as error:
        raise ModelFault(
            ModelHop.FAILED, f"Ollama answered {error.status_code}", http_status=error.status_code
        ) from error
    except httpx.TimeoutException as error:
        raise ModelFault(ModelHop.LATE, "Ollama did not answer in time") from error
    except (ConnectionError, httpx.HTTPError) as error:
        raise ModelFault(ModelHop.FAILED, f"no connection to Ollama: {type(error).__name__}") from error
    except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        # Bodies that are not JSON, or JSON of another shape, surface from the client as these (ollama 0.6.3, tried
        # 2026-11).
        raise ModelFault(ModelHop.FAILED, f"Ollama answered nonsense: {type(error).__name__}") from error
