"""The running Classifier taking newer settings up. A question that has begun is ruled on as it began."""

import asyncio
from typing import Final

from pointsman.classifier.classify import Classifier
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.hop import Hop
from pointsman.classifier.instructions import instructions_of
from pointsman.classifier.service import ClassifierServicer
from pointsman.config import Settings
from pointsman.config.revision import Commit
from pointsman.config.settings import ClassifierSettings, LimitsSettings
from pointsman.domain.clock import Clock

_SPARE_S: Final = 0.5
"""Beyond the time that a question to the small model may take, before a way to it is closed that is not used now."""


class Reload:
    """One Classifier: its way to the small model, None in mode "embedded", and what rules by it."""

    def __init__(
        self, settings: ClassifierSettings, categories: tuple[str, ...], limits: LimitsSettings, *, clock: Clock
    ) -> None:
        """Watch nothing yet. Raises SettingsError when the settings leave the small model no room to read."""
        self._settings, self._clock = settings, clock
        self._embedded = Embedded.load()
        self.hop = self._new_hop(settings)
        self.classifier = Classifier(settings, embedded=self._embedded, hop=self.hop, clock=clock)
        self.servicer = ClassifierServicer(self.classifier, categories=categories, limits=limits)
        self._closing: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Bring the small model up, and watch it."""
        if self.hop:
            self.hop.start()

    async def prepare(self, settings: Settings) -> Commit:
        """Build what rules by these settings. Raises SettingsError."""
        wanted, categories, limits = settings.classifier, tuple(settings.pools), settings.limits
        if wanted == self._settings:  # and so what it remembers holds
            return lambda: self.servicer.go_by(self.classifier, categories=categories, limits=limits)
        hop = self.hop if self._keeps_hop(wanted) else self._new_hop(wanted)
        classifier = Classifier(wanted, embedded=self._embedded, hop=hop, clock=self._clock)

        def commit() -> None:
            self.servicer.go_by(classifier, categories=categories, limits=limits)
            if hop is not self.hop:
                self._close_later(self.hop)
                if hop:
                    hop.start()
            self._settings, self.hop, self.classifier = wanted, hop, classifier

        return commit

    async def close(self) -> None:
        """Close the ways to the small model."""
        for task in self._closing:
            task.cancel()
        if self._closing:
            await asyncio.wait(self._closing)
        if self.hop:
            await self.hop.close()

    def _keeps_hop(self, wanted: ClassifierSettings) -> bool:
        was = self._settings
        is_asked = (was.mode == "embedded") is (wanted.mode == "embedded")
        return is_asked and was.ollama == wanted.ollama and was.categories == wanted.categories

    def _new_hop(self, settings: ClassifierSettings) -> Hop | None:
        instructions = instructions_of(settings)
        if settings.mode == "embedded":
            return None
        return Hop(settings.ollama, instructions=instructions, clock=self._clock)

    def _close_later(self, hop: Hop | None) -> None:
        """Close a way to the small model when the questions are over that began with it."""
        if hop is None:
            return
        task = asyncio.create_task(self._closed(hop, self._settings.ollama.timeout_s + _SPARE_S))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _closed(self, hop: Hop, after_s: float) -> None:
        try:
            await self._clock.sleep(after_s)
        finally:
            await hop.close()
