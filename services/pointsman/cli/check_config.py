"""`pointsman check-config`: read a settings file as the start does, and show what it amounts to."""

from pathlib import Path

from pointsman.classifier.instructions import instructions_of
from pointsman.cli.failure import Misuse
from pointsman.cli.invocation import program
from pointsman.cli.limits import limits, limits_known
from pointsman.cli.terminal import print_json, say, screen
from pointsman.config import Settings, load, settings_hash
from pointsman.domain.errors import SettingsError
from pointsman.executor.pools import candidates
from pointsman.rpc.server import refuse_the_open_network


def check_config(path: Path, *, as_json: bool) -> None:
    """Print the summary of a settings file. Raises SettingsError as the start would, Misuse when there is no file.

    Under JSON, standard output gets what is wrong as an object too.
    """
    try:
        settings = _read(path)
    except (SettingsError, Misuse) as error:
        if as_json:
            known = dict(error.metadata) if isinstance(error, SettingsError) else {}
            print_json({"ok": False, "file": str(path), "error": {"message": str(error)} | known})
        raise
    source = str(path)
    if as_json:
        print_json(_summary(settings, source))
        return
    out = screen()
    say(out, f"{source}: fine")
    width = max(map(len, settings.pools), default=0)
    for name, pool in settings.pools.items():
        say(out, f"{' → '.join(pool.candidates)}  ({pool.policy})", lead=f"  {name:{width}}  ")
    for line in limits(settings):
        say(out, line, lead="  ")
    fallback = settings.fallback.candidate or "none"
    say(out, f"local fallback: {fallback}; classifier: {settings.classifier.mode}", lead="  ")
    counts = f"{len(settings.candidates)} candidates at {len(settings.providers)} providers"
    say(out, f"{counts}, hash {settings_hash(settings)}", lead="  ")


def _read(path: Path) -> Settings:
    if not path.exists():
        raise Misuse(f"settings file {path} does not exist; name one that does: {program()} check-config FILE")
    settings = load(path)
    candidates(settings)  # the Executor's own check: a model of which too little is known
    instructions_of(settings.classifier)  # the Classifier's: a window in which its instructions leave no room
    if not settings.tls.certificate and not settings.tls.plaintext_on_open_network:
        for room, address in _addresses(settings).items():
            refuse_the_open_network(address, f"{room}.address")  # the server's
    return settings


def _summary(settings: Settings, source: str) -> dict[str, object]:
    return {
        "ok": True,
        "file": source,
        "hash": settings_hash(settings),
        "addresses": _addresses(settings),
        "mode": settings.classifier.mode,
        "pools": {
            name: {"policy": pool.policy, "candidates": list(pool.candidates)} for name, pool in settings.pools.items()
        },
        "fallback": settings.fallback.candidate,
        "limits": limits_known(settings),
    }


def _addresses(settings: Settings) -> dict[str, str]:
    return {room: getattr(settings, room).address for room in ("router", "classifier", "executor")}
