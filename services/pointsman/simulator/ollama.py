"""The simulated Ollama server: pages, pulls, and generations that wait for a load and for a slot."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from os.path import commonprefix
from random import Random

import orjson

from pointsman.domain.clock import Clock
from pointsman.domain.trail import Outcome
from pointsman.simulator import ollama_wire as wire
from pointsman.simulator.breakage import DROP_BYTES, DROP_S, RAW, SILENCE_S, broken, ends_as
from pointsman.simulator.delivery import Delivery
from pointsman.simulator.exchange import (
    SIMULATED_HEADER,
    ConnectionLost,
    ConnectionRefused,
    Pieces,
    SimRequest,
    SimResponse,
)
from pointsman.simulator.faults import MID_STREAM, Fault, Script, ScriptedFault
from pointsman.simulator.labels import label_log_probabilities
from pointsman.simulator.problem import Problem, Unreadable
from pointsman.simulator.reading import Json
from pointsman.simulator.runners import Hold, QueueIsFull, Runners
from pointsman.simulator.scenario import LocalProfile
from pointsman.simulator.tally import CallCount, Tallies
from pointsman.simulator.wording import compose, count_tokens, cut

_KIND = "ollama"
_OK = 200
_JSON = "application/json; charset=utf-8"
_LINES = "application/x-ndjson"
_PIECE_CHARS = 16
_IMAGE_TOKENS = 700
_LAYERS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a model says: the text in pieces, and the log-probabilities of its first token, if there are any."""

    pieces: tuple[str, ...] = ()
    tokens: int = 1
    is_cut: bool = False
    logprobs: tuple[Json, ...] = ()


class Ollama:
    """One Ollama server. `runners.loads` tells what was loaded, and how often in vain."""

    def __init__(self, profile: LocalProfile, *, clock: Clock, seed: int, script: Script, tallies: Tallies) -> None:
        """Begin with nothing in memory."""
        self._profile = profile
        self._clock = clock
        self._seed = seed
        self._script = script
        self._tallies = tallies
        self._pulled = [model for model in profile.models if model.is_pulled]
        self.runners = Runners(profile, clock)
        self.is_down = False

    async def handle(self, request: SimRequest) -> SimResponse:
        """Answer one request. Raises ConnectionLost when there is to be no answer at all."""
        if self.is_down:
            self._tallies[_KIND, ""].outcomes[Outcome.NETWORK] += 1
            raise ConnectionRefused(_KIND)
        try:
            if request.method in {"GET", "HEAD"}:
                return self._page(request.path)
            return await self._post(request)
        except Unreadable as error:
            self._tallies[_KIND, ""].outcomes[error.problem.outcome] += 1
            return _refusal(error.problem)

    def _page(self, path: str) -> SimResponse:
        match path:
            case "/":
                return _response(b"Ollama is running", content_type="text/plain; charset=utf-8")
            case "/api/version":
                return _json({"version": self._profile.version})
            case "/api/tags":
                return _json(wire.tags(self._pulled))
            case "/api/ps":
                return _json(wire.ps(self.runners.resident, self._clock.now(), self._clock.monotonic()))
            case _:
                return _response(b"404 page not found", status=404, content_type="text/plain")

    async def _post(self, request: SimRequest) -> SimResponse:
        match request.path:
            case "/api/show":
                return _json(wire.show(wire.find(wire.read_body(request), self._pulled)))
            case "/api/pull":
                return await self._pull(wire.read_body(request))
            case "/api/generate":
                return await self._do(wire.read_job(wire.read_body(request), self._pulled, is_chat=False))
            case "/api/chat":
                return await self._do(wire.read_job(wire.read_body(request), self._pulled, is_chat=True))
            case _:
                return _response(b"404 page not found", status=404, content_type="text/plain")

    async def _do(self, job: wire.Job) -> SimResponse:
        """Do a job, and count it once, however it ends; one that only loads is not counted."""
        if not job.prompt:
            return await self._load_or_unload(job)
        scripted = self._script.next(_KIND, job.model.id, streamed=job.streamed)
        count = self._tallies.count(_KIND, job.model.id, is_scripted=scripted is not None)
        try:
            return await self._generate(job, count, scripted)
        except asyncio.CancelledError:
            count.end(None)
            raise
        except QueueIsFull:
            count.end(Outcome.OVERLOADED)
            return _refusal(Problem(Outcome.OVERLOADED, model=job.model.id))

    async def _load_or_unload(self, job: wire.Job) -> SimResponse:
        if job.keep_alive_s == 0:
            self.runners.unload(job.model)
            return _json(wire.line(job, "", self._clock.now()) | {"done": True, "done_reason": "unload"})
        try:
            self.runners.let_go(await self.runners.load(job.model, job.load_options, job.keep_alive_s))
        except QueueIsFull:
            return _refusal(Problem(Outcome.OVERLOADED, model=job.model.id))
        return _json(wire.line(job, "", self._clock.now()) | {"done": True, "done_reason": "load"})

    async def _generate(self, job: wire.Job, count: CallCount, scripted: ScriptedFault | None) -> SimResponse:
        """Return the answer; every way out but an exception ends the count."""
        fault = scripted.fault if scripted else None
        if fault and (failed := await self._failed(job, fault, count)):
            return failed
        begun = self._clock.monotonic()
        hold = await self.runners.hold(job.model, job.load_options, job.keep_alive_s)
        waited_s = self._clock.monotonic() - begun
        said = self._say(job, fault)
        timing = self._timing(job, hold, said, waited_s)

        def end(is_whole: bool) -> None:  # noqa: FBT001 - a callback of one argument
            count.use(timing.prompt_tokens, timing.output_tokens, Decimal(0))
            count.end(ends_as(scripted, Outcome.ANSWERED if is_whole else None))

        if job.streamed:

            def release(is_whole: bool) -> None:  # noqa: FBT001 - as above
                self.runners.release(hold)
                end(is_whole)

            each_s, lines = timing.eval_s / max(1, len(said.pieces)), [*self._lines(job, said, timing)]
            whole_body = Delivery(lines, clock=self._clock, first_s=timing.prompt_s, each_s=each_s, on_end=release)
            error = wire.problem(Problem(Outcome.SERVER_ERROR, model=job.model.id))[1] + b"\n"
            body = broken(whole_body, scripted, events=len(lines), error_event=error, clock=self._clock)
            return _response(body, content_type=_LINES)
        try:
            await self._clock.sleep(timing.prompt_s + timing.eval_s)
        finally:
            self.runners.release(hold)
        whole = orjson.dumps(self._closing(job, "".join(said.pieces), said, timing))
        if fault is Fault.SLOW_BYTES:
            drops = (whole[at : at + DROP_BYTES] for at in range(0, len(whole), DROP_BYTES))
            return self._delivered(drops, _JSON, DROP_S, DROP_S, end)
        end(True)  # noqa: FBT003 - as above
        return _response(whole)

    async def _failed(self, job: wire.Job, fault: Fault, count: CallCount) -> SimResponse | None:
        """Return what the fault makes of the call; None when the model answers after all."""
        if fault in {Fault.RESET, Fault.SILENCE}:
            await self._clock.sleep(SILENCE_S if fault is Fault.SILENCE else 0.0)
            count.end(Outcome.NETWORK)
            raise ConnectionLost(job.model.id)
        if fault in MID_STREAM | {Fault.SLOW_BYTES, Fault.NO_LABELS, Fault.OUTPUT_ALL_REASONING}:
            return None
        outcome = _OUTCOMES.get(fault, Outcome.SERVER_ERROR)
        count.end(outcome)
        if fault in RAW:
            status, headers, body = RAW[fault]
            return SimResponse(status=status, headers=(*headers, SIMULATED_HEADER), body=body)
        refusal = _refusal(Problem(outcome, model=job.model.id))
        if fault is Fault.OK_ERROR_INSIDE:
            return _response(refusal.body)
        return refusal

    def _say(self, job: wire.Job, fault: Fault | None) -> _Said:
        chance = Random(f"{self._seed}/{job.model.id}/{job.prompt}")
        if fault is Fault.OUTPUT_ALL_REASONING:
            return _Said()
        if job.asks_for_a_label:
            tokens = label_log_probabilities(job.prompt, chance, knows_labels=fault is not Fault.NO_LABELS)
            shown = self._logprobs(job, tokens)
            return _Said(pieces=(tokens[0][0],), is_cut=True, logprobs=shown)
        whole = compose(job.model.id, job.user_text, job.model.output_tokens, chance)
        text = cut(whole, job.max_tokens, job.model.id) if job.max_tokens else whole
        return _Said(
            pieces=tuple(text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS)),
            tokens=min(count_tokens(text), job.max_tokens or count_tokens(text)),
            is_cut=text != whole,
            logprobs=self._logprobs(job, [("[", -0.1)]),
        )

    def _logprobs(self, job: wire.Job, tokens: list[tuple[str, float]]) -> tuple[Json, ...]:
        if job.top_logprobs is None or not self._profile.has_logprobs:
            return ()
        return tuple(wire.logprobs(tokens, job.top_logprobs))

    def _timing(self, job: wire.Job, hold: Hold, said: _Said, waited_s: float) -> wire.Timing:
        """Return how long it takes; what the prompt shares with the last one of this runner is not evaluated again."""
        runner = hold.runner
        shared = commonprefix([runner.last_prompt, job.prompt])  # noqa: RUF071 - characters are meant, no paths
        runner.last_prompt = job.prompt
        images = job.images * _IMAGE_TOKENS
        prompt_s = (max(1, count_tokens(job.prompt[len(shared) :])) + images) / job.model.prompt_tokens_per_s
        eval_s = said.tokens / job.model.output_tokens_per_s
        return wire.Timing(
            total_s=waited_s + prompt_s + eval_s,
            load_s=hold.load_s,
            prompt_s=prompt_s,
            eval_s=eval_s,
            prompt_tokens=count_tokens(job.prompt) + images,
            output_tokens=said.tokens,
        )

    def _lines(self, job: wire.Job, said: _Said, timing: wire.Timing) -> Iterator[bytes]:
        yield b""  # nothing is sent before the prompt is evaluated
        for number, piece in enumerate(said.pieces):
            first = {"logprobs": said.logprobs} if said.logprobs and number == 0 else {}
            yield orjson.dumps(wire.line(job, piece, self._clock.now()) | first) + b"\n"
        yield orjson.dumps(self._closing(job, "", _Said(is_cut=said.is_cut), timing)) + b"\n"

    def _closing(self, job: wire.Job, text: str, said: _Said, timing: wire.Timing) -> Json:
        shown = {"logprobs": said.logprobs} if said.logprobs else {}
        ending = wire.ending(timing, "length" if said.is_cut else "stop")
        return wire.line(job, text, self._clock.now()) | shown | ending

    async def _pull(self, body: Json) -> SimResponse:
        """Pull a model of the scenario; any other name fails as an unknown one does."""
        name = body.get("model") or body.get("name")
        model = next((model for model in self._profile.models if model.id == name), None)
        streamed = body.get("stream") is not False
        if model is None:
            error = wire.error_body("pull model manifest: file does not exist")
            return _response(error + b"\n", content_type=_LINES) if streamed else _response(error, status=500)

        def end(is_whole: bool) -> None:  # noqa: FBT001 - a callback of one argument
            if is_whole and model not in self._pulled:
                self._pulled.append(model)

        lines = wire.pull_lines(model, _LAYERS)
        if streamed:
            each_s = self._profile.pull_s / len(lines)
            pieces = (orjson.dumps(line) + b"\n" for line in lines)
            return self._delivered(pieces, _LINES, each_s, each_s, end)
        await self._clock.sleep(self._profile.pull_s)
        end(True)  # noqa: FBT003 - as above
        return _json({"status": "success"})

    def _delivered(
        self, pieces: Iterator[bytes], content_type: str, first_s: float, each_s: float, on_end: Callable[[bool], None]
    ) -> SimResponse:
        body = Delivery(pieces, clock=self._clock, first_s=first_s, each_s=each_s, on_end=on_end)
        return _response(body, content_type=content_type)


_OUTCOMES = {Fault.OVERLOADED: Outcome.OVERLOADED, Fault.MODEL_GONE: Outcome.MODEL_NOT_FOUND}


def _response(body: bytes | Pieces, *, status: int = _OK, content_type: str = _JSON) -> SimResponse:
    return SimResponse(status=status, headers=(("content-type", content_type), SIMULATED_HEADER), body=body)


def _json(value: Json) -> SimResponse:
    return _response(orjson.dumps(value))


def _refusal(problem: Problem) -> SimResponse:
    status, body = wire.problem(problem)
    return _response(body, status=status)
