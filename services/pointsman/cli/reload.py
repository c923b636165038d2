"""Settings read again while a service runs: when their file changes, and at SIGHUP. All of it is taken up, or nothing.

Newer settings are validated and all that they need is built, before anything that serves is touched; then every
service of this process takes them up in one step of the loop.
"""

import asyncio
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Never

import structlog

from pointsman.config import Settings, load, settings_hash
from pointsman.config.revision import Prepare, revise
from pointsman.domain.errors import SettingsError
from pointsman.telemetry import instruments, names

LOOK_S: Final = 1.0
"""Between two looks at the file. One that changed is read when it has been still for so long: it is whole then."""

Stamp = tuple[int, int, int]


class Reloader:
    """Knows the settings in force of this process, and what serves by them."""

    def __init__(
        self, settings: Settings, source: Path, *, adapt: Callable[[Settings], Settings] = lambda read: read
    ) -> None:
        """Begin with what was read from a file; `adapt` makes of what is read what this process goes by."""
        self.settings = settings
        self._source = source
        self._adapt = adapt
        self._prepares: list[Prepare] = []
        self._asked = asyncio.Event()
        self._seen: Stamp | None = None
        self._read: Stamp | None = None
        self._was_refused = False
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

    def register(self, prepare: Prepare) -> None:
        """Have a service take newer settings up, too."""
        self._prepares.append(prepare)

    @property
    def hash(self) -> str:
        """That of the settings in force."""
        return settings_hash(self.settings)

    def ask(self) -> None:
        """Have the settings read again, as soon as they are watched."""
        self._asked.set()

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Read again when asked to or when the file changes, until the block ends."""
        task = asyncio.create_task(self._watch(), name="settings")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    async def look(self) -> None:
        """Read the file again if it has changed, and is not being written just now."""
        stamp = _stamp(self._source)
        was_still, self._seen = stamp == self._seen, stamp
        if was_still and stamp != self._read:
            await self.reload()

    async def reload(self, *, is_asked_for: bool = False) -> None:
        """Read the settings and take them up; on any error those in force stay. All of it is said in the log."""
        self._read = _stamp(self._source)
        before = self.hash
        try:
            revision = revise(self.settings, self._adapt(_load(self._source)))
            commits = [await prepare(revision.settings) for prepare in self._prepares] if revision.changed else []
        except SettingsError as error:
            self._was_refused = True
            instruments.SETTINGS_RELOADS.add(1, "refused")
            self._log.error(names.EVENT_SETTINGS_REFUSED, detail=error.message, settings_hash=before)
            return
        except Exception:  # noqa: BLE001 - it is logged, and the next file must be read all the same
            self._was_refused = True
            instruments.SETTINGS_RELOADS.add(1, "refused")
            detail = "a fault of Pointsman's; the settings in force stay"
            self._log.exception(names.EVENT_SETTINGS_REFUSED, detail=detail, settings_hash=before)
            return
        for commit in commits:
            commit()
        self.settings = revision.settings
        if revision.left:
            self._log.warning(names.EVENT_SETTINGS_UNTOUCHED, left=revision.left, detail="these need a restart")
        if revision.changed or is_asked_for or self._was_refused:
            instruments.SETTINGS_RELOADS.add(1, "taken up" if revision.changed else "unchanged")
            self._was_refused = False
            self._log.info(names.EVENT_SETTINGS_RELOADED, before=before, after=self.hash, changed=revision.changed)

    async def _watch(self) -> Never:
        while True:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._asked.wait()
            except TimeoutError:
                await self.look()
            else:
                self._asked.clear()
                await self.reload(is_asked_for=True)


def _load(source: Path) -> Settings:
    """Return what a file says now. Raises SettingsError; for a pipe, too: all would stand still until one wrote."""
    if not source.exists():
        message = f"settings file {source} is gone; put it back: those in force stay, but without it no start succeeds"
        raise SettingsError(message, file=str(source))
    if source.exists() and not source.is_file():
        message = f"settings file {source} is no file that can be read again; put one there, or start again"
        raise SettingsError(message, file=str(source))
    return load(source)


def _stamp(source: Path) -> Stamp | None:
    """Return what changes when the file does; None while there is none, or what is there is read only once."""
    try:
        about = source.stat()
    except OSError:
        return None
    if not stat.S_ISREG(about.st_mode):
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
