"""`pointsman pull`: bring both local models through Ollama, and show how far that is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bars

from pointsman.cli.failure import Failure
from pointsman.cli.loop import run
from pointsman.cli.ollama import OllamaFailed, Progress
from pointsman.cli.ollama import pull as pull_model
from pointsman.cli.terminal import gigabytes, print_json, printable, screen
from pointsman.config import Settings, load

Which = Literal["classifier", "fallback"]

RESUME: Final = "What has come is kept: run the same command again to go on."
_STEP: Final = 10  # percent between two plain lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A model to bring, from which server, and what for."""

    which: Which
    url: str
    model: str


class Shows(Protocol):
    """How progress is shown."""

    def __call__(self, wanted: Wanted, progress: Progress) -> None:
        """Show one line of a pull."""


def pull(config: Path | None, *, only: Which | None, as_json: bool) -> None:
    """Bring the models that the settings name. Raises SettingsError; Failure when a model could not be brought."""
    chosen = [wanted for wanted in models(load(config)) if only in (None, wanted.which)]
    if not chosen:
        raise Failure(f"the settings name no local model for {only or 'classifier and fallback'}; nothing to pull")
    with _shown(as_json=as_json) as show:
        run(_pull(chosen, show, as_json=as_json))


def models(settings: Settings) -> tuple[Wanted, ...]:
    """Return the models to bring, the large one first.

    Ollama loads a second model only into the memory that is left, so whoever starts a stack while this runs has them
    loaded in the order that fits.
    """
    found: list[Wanted] = []
    if settings.fallback.candidate:
        candidate = settings.candidates[settings.fallback.candidate]
        url = settings.providers[candidate.provider].base_url
        found.append(Wanted(which="fallback", url=url, model=candidate.model))
    if settings.classifier.mode != "embedded":
        ollama = settings.classifier.ollama
        found.append(Wanted(which="classifier", url=ollama.url, model=ollama.model))
    return tuple(found)


async def _pull(chosen: list[Wanted], show: Shows, *, as_json: bool) -> None:
    for wanted in chosen:
        try:
            async for progress in pull_model(wanted.url, wanted.model):
                show(wanted, progress)
        except OllamaFailed as failed:
            if as_json:
                print_json({"model": wanted.model, "ok": False, "error": str(failed)})
            raise Failure(_advised(str(failed), wanted)) from failed
        if as_json:
            print_json({"model": wanted.model, "ok": True})


def _advised(message: str, wanted: Wanted) -> str:
    if message.startswith("no Ollama"):
        return f"{message}; get it at https://ollama.com/download and start it: ollama serve"
    return f"{printable(message)}\ncould not bring {wanted.model}. {RESUME}"


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Shows]:
    """Choose how to show progress: an object a line for scripts, bars on a terminal, a line now and then elsewhere."""
    out = screen()
    if as_json:
        yield _object
    elif not out.is_terminal:
        yield PlainLines()
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        with Bars(*columns, console=out) as bars:
            yield MovingBars(bars)


def _object(wanted: Wanted, progress: Progress) -> None:
    print_json(
        {
            "model": wanted.model,
            "status": progress.status,
            "completed_bytes": progress.completed_bytes,
            "total_bytes": progress.total_bytes,
        }
    )


class MovingBars:
    """One bar a model."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks = dict[str, int]()

    def __call__(self, wanted: Wanted, progress: Progress) -> None:
        """Move the bar of the model."""
        if wanted.model not in self._tasks:
            self._tasks[wanted.model] = self._bars.add_task(wanted.model, total=None)
        task = self._bars.tasks[self._tasks[wanted.model]]
        self._bars.update(
            task.id,
            total=progress.total_bytes or None,
            completed=progress.completed_bytes,
            description=f"{wanted.model}: {printable(progress.status)}",
        )


class PlainLines:
    """A line when the status changes, and each tenth of the way."""

    def __init__(self) -> None:
        self._last = ("", "", -1)

    def __call__(self, wanted: Wanted, progress: Progress) -> None:
        """Print a line if there is news."""
        percent = 100 * progress.completed_bytes // progress.total_bytes if progress.total_bytes else 0
        news = (wanted.model, progress.status, percent // _STEP)
        if news != self._last:
            self._last = news
            size = f" {percent} % of {gigabytes(progress.total_bytes)}" if progress.total_bytes else ""
            print(f"{wanted.model}: {printable(progress.status)}{size}", flush=True)
