"""When the small model may be asked: start-up, health, breaker and slots.

Asking never waits for a slot and never starts a load.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from enum import StrEnum

import structlog

from pointsman.classifier.calibration import Distribution, mean
from pointsman.classifier.instructions import Excerpt, Instructions
from pointsman.classifier.model import Model, ModelFault, Reading
from pointsman.classifier.voice import Voice, calibration_of
from pointsman.config.settings import OllamaSettings
from pointsman.domain.clock import Clock
from pointsman.domain.frozen import frozen
from pointsman.domain.verdict import ModelHop
from pointsman.telemetry import instruments, names
from pointsman.telemetry.spans import Span, SpanKind, span

_WARM_UP_TEXTS = (
    "What is the capital of France?",
    "이 문장을 더 공손하게 고쳐줘: 자료 보내.",
    "write a bash loop over files",
)
"""Known prompts: they fill the prefix cache of the slots, and their answers are the self-test."""

_CONTENT_FREE_TEXTS = ("", "N/A", "…")
"""What the model says about these is its habit: there is nothing to rule on."""

_CLIENT_ERRORS = range(400, 500)


class HopState(StrEnum):
    """Whether the model may be asked, and if not, why."""

    STARTING = "starting"
    READY = "ready"
    MODEL_MISSING = "model_missing"
    SELF_TEST_FAILED = "self_test_failed"
    DOWN = "down"
    COOLING = "cooling"


_WITHHELD = {
    HopState.STARTING: ModelHop.STARTING,
    HopState.MODEL_MISSING: ModelHop.MODEL_MISSING,
    HopState.SELF_TEST_FAILED: ModelHop.SELF_TEST_FAILED,
    HopState.DOWN: ModelHop.COOLING,
    HopState.COOLING: ModelHop.COOLING,
}
"""What a verdict says when the state forbids to ask. READY is missing: then the model is asked."""


@frozen
class Opinion:
    """What became of one question.

    `distribution`, as the model said it, and `voice` are set when `hop` is ANSWERED; `duration_s` when the model was
    asked at all.
    """

    hop: ModelHop
    distribution: Distribution | None = None
    voice: Voice | None = None
    duration_s: float | None = None


class Hop:
    """The way to the small model.

    One task watches the server: it brings the model up, looks after it, and is the breaker's probe.
    """

    def __init__(self, settings: OllamaSettings, *, instructions: Instructions, clock: Clock) -> None:
        """Start nothing: `running` does."""
        self._settings = settings
        self._instructions = instructions
        self._clock = clock
        self._model = Model(settings, instructions.categories)
        self._voice: Voice | None = None
        self._state = HopState.STARTING
        self._failures = 0
        self._asking = 0
        self._look_now = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None

    @property
    def state(self) -> HopState:
        """Whether the model may be asked."""
        return self._state

    @property
    def version(self) -> str:
        """The version of the instructions."""
        return self._instructions.version

    @property
    def digest(self) -> str:
        """The digest of the model that was brought up last; empty before the first, or when the server tells none."""
        return self._voice.digest if self._voice else ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Hop"]:
        """Watch the server until the block ends; entering does not wait for it."""
        self.start()
        try:
            yield self
        finally:
            await self.close()

    def start(self) -> None:
        """Watch the server from now on."""
        self._watcher = asyncio.get_running_loop().create_task(self._watch(), name="model hop")

    async def close(self) -> None:
        """Watch no more; questions under way fail."""
        if self._watcher:
            self._watcher.cancel()
            await asyncio.wait({self._watcher})
        await self._model.close()

    async def ask(self, excerpt: Excerpt, *, timeout_s: float) -> Opinion:
        """Return the model's opinion, or at once why there is none. Takes at most `timeout_s`."""
        if self._state in _WITHHELD:
            return Opinion(hop=_WITHHELD[self._state])
        if self._asking >= self._settings.concurrency:
            return Opinion(hop=ModelHop.BUSY)
        started = self._clock.monotonic()
        self._asking += 1
        try:
            hop, distribution = await self._heard(self._instructions.write(excerpt), timeout_s)
        finally:
            self._asking -= 1
        voice = self._voice if distribution else None
        duration_s = self._clock.monotonic() - started
        error_type = "" if hop is ModelHop.ANSWERED else hop.value
        instruments.MODEL_DURATION.record(
            duration_s, names.OPERATION_TEXT_COMPLETION, "ollama", self._settings.model, error_type
        )
        return Opinion(hop=hop, distribution=distribution, voice=voice, duration_s=duration_s)

    async def _heard(self, prompt: str, timeout_s: float) -> tuple[ModelHop, Distribution | None]:
        with self._span() as current:
            try:
                async with asyncio.timeout(timeout_s):
                    reading = await self._model.ask(prompt)
            except TimeoutError:
                current.fail(ModelHop.LATE)
                self._failed(whole_slice=timeout_s >= self._settings.timeout_s)
                return ModelHop.LATE, None
            except ModelFault as fault:
                current.set(names.HTTP_STATUS_CODE, fault.http_status or None)
                current.fail(fault.hop)
                self._blame(fault)
                return fault.hop, None
            self._failures = 0
            _show(reading, current)
            if not self._is_clear(reading):
                return ModelHop.UNCLEAR, None
            return ModelHop.ANSWERED, reading.distribution

    def _span(self) -> AbstractContextManager[Span]:
        attributes = {
            names.GEN_AI_OPERATION_NAME: names.OPERATION_TEXT_COMPLETION,
            names.GEN_AI_PROVIDER_NAME: "ollama",
            names.GEN_AI_REQUEST_MODEL: self._settings.model,
        }
        name = f"{names.OPERATION_TEXT_COMPLETION} {self._settings.model}"
        return span(name, kind=SpanKind.CLIENT, attributes=attributes)

    def _is_clear(self, reading: Reading) -> bool:
        return reading.distribution is not None and reading.coverage >= self._settings.min_coverage

    def _blame(self, fault: ModelFault) -> None:
        # A 4xx will not go away by asking again: the model is gone, or the request is wrong for it.
        if fault.http_status in _CLIENT_ERRORS:
            self._enter(_state_after(fault), fault.detail)
            self._look_now.set()
        else:
            self._failed(whole_slice=True)

    def _failed(self, *, whole_slice: bool) -> None:
        """Count a failure, and have the watcher look.

        A question that had less than its slice of time says nothing about the server.
        """
        if whole_slice:
            self._failures += 1
        if self._failures >= self._settings.breaker_failures:
            self._enter(HopState.COOLING, f"{self._failures} failures in a row")
        self._look_now.set()

    async def _watch(self) -> None:
        """Bring the model up, then look after it until cancelled. After failures, this is the breaker's one probe."""
        self._enter(*await self._brought_up())
        while True:
            if self._state is HopState.READY:
                await self._rest_until_alarmed()
                await self._look()
            else:
                cooling = self._state is HopState.COOLING
                await self._clock.sleep(self._settings.breaker_cooldown_s if cooling else self._settings.recheck_s)
                self._enter(*await self._brought_up())

    async def _rest_until_alarmed(self) -> None:
        """Return at the next regular check, or as soon as a question failed."""
        alarm = asyncio.ensure_future(self._look_now.wait())
        pause = asyncio.ensure_future(self._clock.sleep(self._settings.recheck_s))
        try:
            await asyncio.wait({alarm, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            alarm.cancel()
            pause.cancel()
            self._look_now.clear()

    async def _look(self) -> None:
        """Load the model again when it was evicted, and withhold questions meanwhile.

        The next question would start the load, and its short limit would abort it.
        """
        if self._state is not HopState.READY:
            return
        try:
            loaded = await self._model.loaded()
        except ModelFault as fault:
            self._enter(HopState.DOWN, fault.detail)
            return
        if loaded is None:
            self._enter(HopState.STARTING, "the model was evicted")
            self._enter(*await self._brought_up())
        elif loaded != self.digest:
            self._enter(HopState.STARTING, "another model has the name now")
            self._enter(*await self._brought_up())

    async def _brought_up(self) -> tuple[HopState, str]:
        """Find, load and test the model; return the state that follows and why."""
        try:
            version = await self._model.find()
            await self._model.preload()
            slots = range(self._settings.concurrency)
            readings = await asyncio.gather(*(self._known(_WARM_UP_TEXTS[n % len(_WARM_UP_TEXTS)]) for n in slots))
            told = f"Ollama {version}: label coverage {min(reading.coverage for reading in readings):.2f}"
            if not all(self._is_clear(reading) for reading in readings):
                return HopState.SELF_TEST_FAILED, told
            self._voice = await self._listened()
        except ModelFault as fault:
            return _state_after(fault), fault.detail
        return HopState.READY, f"{told}, {self._calibration_told()}"

    async def _listened(self) -> Voice:
        """Return what there is to know of the model before it is believed. Raises ModelFault."""
        digest = await self._model.loaded() or ""
        readings = [await self._known(text) for text in _CONTENT_FREE_TEXTS]
        clear = [reading.distribution for reading in readings if self._is_clear(reading) and reading.distribution]
        count = len(self._instructions.categories)
        prior = mean(clear) if clear else (1.0 / count,) * count
        return Voice(digest=digest, prior=prior, calibration=calibration_of(digest, self._instructions.version))

    async def _known(self, text: str) -> Reading:
        return await self._model.warm_up(self._instructions.write(Excerpt(text=text)))

    def _calibration_told(self) -> str:
        pair = f"model {self.digest[:12] or 'without a digest'} under instructions {self._instructions.version}"
        is_fitted = self._voice is not None and self._voice.calibration.is_fitted
        return f"{'calibrated' if is_fitted else 'uncalibrated'} ({pair})"

    def _enter(self, state: HopState, detail: str) -> None:
        if state is HopState.READY or state is HopState.COOLING:
            self._failures = 0
        if state is self._state:
            return
        self._state = state
        level = structlog.get_logger().info if state is HopState.READY else structlog.get_logger().warning
        level(names.EVENT_MODEL_HOP_CHANGED, state=state.value, detail=detail, model=self._settings.model)


def _show(reading: Reading, current: Span) -> None:
    """Put Ollama's own timings on the span, and how much of the first token was about categories."""
    durations = reading.durations
    current.set(names.OLLAMA_LABEL_COVERAGE, reading.coverage)
    current.set(names.OLLAMA_TOTAL_DURATION, durations.total_s)
    current.set(names.OLLAMA_LOAD_DURATION, durations.load_s)
    current.set(names.OLLAMA_PROMPT_EVAL_DURATION, durations.prompt_eval_s)
    current.set(names.OLLAMA_EVAL_DURATION, durations.eval_s)
    current.set(names.OLLAMA_SLOT_WAIT_DURATION, durations.slot_wait_s)


def _state_after(fault: ModelFault) -> HopState:
    if fault.http_status == 404:  # noqa: PLR2004 - the one status that Ollama has for a model that is not there
        return HopState.MODEL_MISSING
    if fault.http_status in _CLIENT_ERRORS:
        return HopState.SELF_TEST_FAILED
    return HopState.DOWN
