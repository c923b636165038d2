"""`pointsman eval`: how good, honest and fast the classifier of the settings is on prompts that somebody labelled."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from pointsman.cli.evaluation import evaluate_all
from pointsman.cli.evaluation_figures import Bounds, Figures, falls_short, summarise
from pointsman.cli.evaluation_page import page
from pointsman.cli.evaluation_table import show
from pointsman.cli.failure import Failure, Misuse
from pointsman.cli.labelled import read_labelled
from pointsman.cli.loop import run
from pointsman.cli.terminal import print_json, say, screen
from pointsman.config import Settings, load
from pointsman.config.settings import TelemetrySettings
from pointsman.domain.category import CATEGORIES
from pointsman.domain.clock import SystemClock
from pointsman.telemetry.setup import configure

Mode = Literal["embedded", "cascade", "ollama"]


def evaluate(file: Path, config: Path | None, *, mode: Mode, html: Path | None, bounds: Bounds, as_json: bool) -> None:
    """Print the figures, and write the page when a file is named for it.

    Raises SettingsError, Misuse for a file that cannot be used, and Failure when the small model is wanted and cannot
    be asked, or when a bound does not hold.
    """
    settings = load(config)
    if html is not None and not html.parent.is_dir():
        raise Misuse(f"--html {html}: there is no folder {html.parent}")
    prompts = read_labelled(file, known_categories(settings))
    # No spans: a collector is there for what callers asked, not for what was tried out.
    with configure(TelemetrySettings(log_level="error"), service="pointsman-eval"):
        chosen = replace(settings.classifier, mode=mode)
        found = summarise(run(evaluate_all(chosen, prompts, clock=SystemClock())))
    short = falls_short(found, bounds)
    if html is not None:
        _write(html, page(found, source=file.name, falls_short=short))
    if as_json:
        print_json({"ok": not short, "figures": found, "falls_short": short})
    else:
        _print(screen(), found, file, html)
    if short:
        raise Failure("the evaluation fell short: " + "; ".join(short))


def known_categories(settings: Settings) -> tuple[str, ...]:
    """Return what a label may be: the five, and whatever else has a pool."""
    return (*CATEGORIES, *(name for name in settings.pools if name not in CATEGORIES))


def _print(out: Console, found: Figures, file: Path, html: Path | None) -> None:
    say(out, f'{file}: classifier {found["classifier_version"]}, mode "{found["mode"]}"', style="bold")
    out.print()
    show(out, found)
    if html is not None:
        say(out, f"The report is in {html}.")


def _write(file: Path, content: str) -> None:
    try:
        file.write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror}") from error
