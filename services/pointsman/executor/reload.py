"""The running Executor taking newer settings up: what it knows and what is under way stay, the rest is made anew.

A request that has begun goes on with the engine it began with; new ones find the new one.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Final

from pointsman.config import Settings
from pointsman.config.revision import Commit
from pointsman.domain.clock import Clock
from pointsman.domain.pool import Candidate
from pointsman.executor.adapters.base import Adapter
from pointsman.executor.allowance import Allowances
from pointsman.executor.execute import Execute
from pointsman.executor.journal.records import Recorder
from pointsman.executor.journal.sequential import SequentialFallback
from pointsman.executor.keys import Keys
from pointsman.executor.pools import candidates
from pointsman.executor.presence import look_after
from pointsman.executor.purse import Term
from pointsman.executor.service import ExecutorServicer
from pointsman.executor.spent import recall

LOOK_S: Final = 0.5
"""Between two looks whether anybody still uses an adapter that the settings do not name any more."""

MakeAdapters = Callable[[Settings, Keys, tuple[str, ...]], dict[str, Adapter]]
"""Makes the adapters of the named providers."""

MakeEngine = Callable[[Settings, Mapping[str, Candidate], Mapping[str, Adapter], Keys], Execute]

MakeServicer = Callable[[Settings, Execute, Mapping[str, Candidate]], ExecutorServicer]


class Reload:
    """One Executor. `begun` with what it starts with; `close` ends what it has begun, adapters included."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        *,
        adapters: MakeAdapters,
        engine: MakeEngine,
        servicer: MakeServicer,
        clock: Clock,
    ) -> None:
        """Make the adapters of these settings."""
        self._settings, self._keys, self._clock = settings, keys, clock
        self._make_adapters, self._make_engine, self._make_servicer = adapters, engine, servicer
        self.adapters = adapters(settings, keys, tuple(settings.providers))
        self._servicer: ExecutorServicer | None = None
        self._recorder: Recorder | None = None
        self._presence: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._left: list[Execute] = []
        """Engines of earlier settings that requests under way began with."""

    def begin(self, servicer: ExecutorServicer, recorder: Recorder) -> None:
        """Go by what serves now, and look after its candidates."""
        self._servicer, self._recorder = servicer, recorder
        self._look_after(servicer)

    async def prepare(self, settings: Settings) -> Commit:
        """Build the engine of these settings. Raises SettingsError."""
        servicer, recorder = self._servicer, self._recorder
        if servicer is None or recorder is None:
            raise RuntimeError("settings are taken up by an Executor that serves")
        known = candidates(settings)
        keys = Keys(settings.providers, clock=self._clock, before=self._keys)
        kept = {name: self.adapters[name] for name in settings.providers if self._keeps(name, settings)}
        fresh = tuple(name for name in settings.providers if name not in kept)
        adapters = kept | self._make_adapters(settings, keys, fresh)
        engine = self._make_engine(settings, known, adapters, keys)
        if _has_new_purse(engine.allowances, servicer.engine.allowances):
            await recall(engine.allowances, servicer.engine.journal, clock=self._clock)

        def commit() -> None:
            before, changed = servicer.engine, self._changed(settings)
            self._go_on(engine, before, settings)
            engine.ledger.heed(known.values())
            for candidate in known.values():
                if candidate.id in changed:  # what kept it out may be what was changed
                    engine.ledger.revive(candidate)
            servicer.go_by(self._make_servicer(settings, engine, known))
            recorder.sequential = SequentialFallback(
                known.values(), engine.caller.prices, credentials=engine.credentials
            )
            engine.counts.begin()
            unused = [adapter for adapter in self.adapters.values() if adapter not in adapters.values()]
            self._settings, self._keys, self.adapters = settings, keys, adapters
            self._left = [engine for engine in (*self._left, before) if engine.under_way]
            self._end(self._close_unused(unused, tuple(self._left)))
            self._look_after(servicer)

        return commit

    async def close(self) -> None:
        """End what looks after candidates, and close all adapters."""
        ending = {*self._ending, *({self._presence} if self._presence else ())}
        for task in ending:
            task.cancel()
        if ending:
            # Not by awaiting them under `suppress`, which would swallow it too when whoever stops is cancelled here.
            await asyncio.wait(ending)
        for adapter in self.adapters.values():
            await adapter.close()
        for task in ending:
            if not task.cancelled():
                task.result()

    def _keeps(self, name: str, settings: Settings) -> bool:
        """Return whether a provider is reached as before."""
        return self._reached(name, self._settings) == self._reached(name, settings)

    @staticmethod
    def _reached(name: str, settings: Settings) -> object:
        provider, executor = settings.providers.get(name), settings.executor
        if provider is None:
            return None
        how = (provider.wire, provider.base_url, provider.api_version, provider.trace_context)
        key = (provider.api_key_env, provider.api_key_file)
        return how, key, executor.connections_per_provider, executor.connect_timeout_s

    def _changed(self, settings: Settings) -> set[str]:
        """Return the candidates of which anything is said that was not said before, of their providers included."""
        before = self._settings
        return {
            name
            for name, candidate in settings.candidates.items()
            if before.candidates.get(name) != candidate
            or before.providers.get(candidate.provider) != settings.providers[candidate.provider]
        }

    def _go_on(self, engine: Execute, before: Execute, settings: Settings) -> None:
        """Hand on what was learned, counted and set aside."""
        engine.ledger, engine.journal, engine.activity = before.ledger, before.journal, before.activity
        engine.experience = before.experience
        engine.caller = replace(engine.caller, estimator=before.caller.estimator, suspects=before.caller.suspects)
        engine.allowances.inherit(before.allowances)
        was, is_same = before.fallback, self._settings.fallback == settings.fallback
        if engine.fallback and was and is_same and was.candidate == engine.fallback.candidate:
            engine.fallback = was  # with whoever waits for it

    def _look_after(self, servicer: ExecutorServicer) -> None:
        if self._presence:
            self._presence.cancel()
            self._end(_over(self._presence))
        engine = servicer.engine
        self._presence = asyncio.create_task(
            look_after(
                servicer.candidates,
                adapters=self.adapters,
                credentials=engine.credentials,
                ledger=engine.ledger,
                clock=self._clock,
            )
        )

    async def _close_unused(self, adapters: list[Adapter], left: tuple[Execute, ...]) -> None:
        """Close adapters once no request is under way that began with them, by whichever of the earlier settings."""
        try:
            while any(engine.under_way for engine in left):
                await self._clock.sleep(LOOK_S)
        finally:
            for adapter in adapters:
                await adapter.close()

    def _end(self, work: Coroutine[None, None, None]) -> None:
        """Keep a task until it is over."""
        task = asyncio.create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)


async def _over(task: asyncio.Task[None]) -> None:
    await asyncio.wait({task})


def _has_new_purse(allowances: Allowances, before: Allowances) -> bool:
    """Return whether anybody has money for a term of which nothing was counted before."""
    return any(
        {caller for caller, _ in allowances.purses(term)} - {caller for caller, _ in before.purses(term)}
        for term in Term
    )
