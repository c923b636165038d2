"""`pointsman check-config`: read a settings file as the start does, and show what it amounts to."""

from collections.abc import Callable
from pathlib import Path

from pointsman.cli.terminal import print_json, screen
from pointsman.config import Settings, load, settings_hash
from pointsman.config.load import find
from pointsman.executor.pools import candidates


def check_config(path: Path | None, *, as_json: bool) -> None:
    """Print the summary of a settings file. Raises SettingsError as the start would."""
    settings = load(path)
    candidates(settings)  # the Executor's own check: a model of which too little is known
    source = str(find(path))
    if as_json:
        print_json(_summary(settings, source))
        return
    print_line = screen().print
    print_line(f"{source}: fine")
    _print_summary(settings, print_line)


def _summary(settings: Settings, source: str) -> dict[str, object]:
    return {
        "ok": True,
        "file": source,
        "hash": settings_hash(settings),
        "addresses": {room: getattr(settings, room).address for room in ("router", "classifier", "executor")},
        "mode": settings.classifier.mode,
        "pools": {
            name: {"policy": pool.policy, "candidates": list(pool.candidates)} for name, pool in settings.pools.items()
        },
        "fallback": settings.fallback.candidate,
    }


def _print_summary(settings: Settings, print_line: Callable[[str], None]) -> None:
    width = max(map(len, settings.pools), default=0)
    for name, pool in settings.pools.items():
        print_line(f"  {name:{width}}  {' → '.join(pool.candidates)}  ({pool.policy})")
    print_line(f"  local fallback: {settings.fallback.candidate or 'none'}; classifier: {settings.classifier.mode}")
    counts = f"{len(settings.candidates)} candidates at {len(settings.providers)} providers"
    print_line(f"  {counts}, hash {settings_hash(settings)}")
