"""How the simulated Ollama keeps models in memory: loads, slots, keep-alive, eviction (Ollama source, 2026-08)."""

import asyncio
from dataclasses import dataclass, field

from pointsman.domain.clock import Clock
from pointsman.simulator.scenario import LocalModelProfile, LocalProfile

LoadOptions = tuple[tuple[str, object], ...]
"""The options that a model is loaded with; other values mean another load."""


class QueueIsFull(Exception):
    """Too many requests wait for a load."""


@dataclass(slots=True, kw_only=True)
class Runner:
    """A model in memory. `expires_at` is on the monotonic clock; None while in use and when kept for ever."""

    model: LocalModelProfile
    options: LoadOptions
    slots: asyncio.Semaphore
    keep_alive_s: float | None
    users: int = 0
    expires_at: float | None = None
    last_prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A slot in a runner, and the seconds that the load took."""

    runner: Runner
    load_s: float


@dataclass(slots=True)
class Loads:
    """What was loaded.

    `begun` counts every start, `aborted` the ones whose caller left, `repeated` the ones for other options.
    """

    begun: int = 0
    aborted: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Runners:
    """The models in memory."""

    profile: LocalProfile
    clock: Clock
    loads: Loads = field(default_factory=Loads)
    _loaded: dict[str, Runner] = field(default_factory=dict)
    _loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _released: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: int = 0

    async def load(self, model: LocalModelProfile, options: LoadOptions, keep_alive_s: float | None) -> Runner:
        """Return a runner that stays until `let_go`; loads the model if need be. Raises QueueIsFull."""
        runner = self._warm(model, options) or await self._load(model, options)
        runner.users += 1
        runner.keep_alive_s = keep_alive_s
        runner.expires_at = None
        return runner

    def let_go(self, runner: Runner) -> None:
        """Use a runner no more; its keep-alive counts from here."""
        runner.users -= 1
        if runner.users == 0 and runner.keep_alive_s is not None:
            runner.expires_at = self.clock.monotonic() + runner.keep_alive_s
        self._released.set()

    async def hold(self, model: LocalModelProfile, options: LoadOptions, keep_alive_s: float | None) -> Hold:
        """Return a slot of a runner, to be given back once with `release`. Raises QueueIsFull."""
        begun = self.clock.monotonic()
        runner = await self.load(model, options, keep_alive_s)
        load_s = self.clock.monotonic() - begun
        try:
            await runner.slots.acquire()
        except asyncio.CancelledError:
            self.let_go(runner)
            raise
        return Hold(runner=runner, load_s=load_s)

    def release(self, hold: Hold) -> None:
        """Give back a slot."""
        hold.runner.slots.release()
        self.let_go(hold.runner)

    def unload(self, model: LocalModelProfile) -> None:
        """Take a model out of memory at once."""
        self._loaded.pop(model.id, None)

    @property
    def resident(self) -> list[Runner]:
        """The models in memory, the longest to stay first."""
        now = self.clock.monotonic()
        for runner in [r for r in self._loaded.values() if r.expires_at is not None and r.expires_at <= now]:
            del self._loaded[runner.model.id]
        return sorted(self._loaded.values(), key=_stays_until, reverse=True)

    def _warm(self, model: LocalModelProfile, options: LoadOptions) -> Runner | None:
        return next((r for r in self.resident if r.model.id == model.id and r.options == options), None)

    async def _load(self, model: LocalModelProfile, options: LoadOptions) -> Runner:
        if self._waiting >= self.profile.max_queue:
            raise QueueIsFull
        self._waiting += 1
        try:
            async with self._loading:
                return self._warm(model, options) or await self._load_now(model, options)
        finally:
            self._waiting -= 1

    async def _load_now(self, model: LocalModelProfile, options: LoadOptions) -> Runner:
        if self._loaded.pop(model.id, None):
            self.loads.repeated += 1
        await self._make_room()
        self.loads.begun += 1
        try:
            await self.clock.sleep(model.load_s)
        except asyncio.CancelledError:
            # The caller left: the real one kills the half-loaded runner, and the next caller begins from nothing.
            self.loads.aborted += 1
            raise
        slots = asyncio.Semaphore(self.profile.parallel)
        self._loaded[model.id] = Runner(model=model, options=options, slots=slots, keep_alive_s=None)
        return self._loaded[model.id]

    async def _make_room(self) -> None:
        while len(self.resident) >= self.profile.max_loaded:
            idle = [runner for runner in self.resident if runner.users == 0]
            if idle:
                self.unload(idle[-1].model)
            else:
                self._released.clear()
                await self._released.wait()


def _stays_until(runner: Runner) -> float:
    return float("inf") if runner.expires_at is None else runner.expires_at
