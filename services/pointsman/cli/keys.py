"""`pointsman keys`: the keys of callers, made, listed and revoked in the file that the settings name."""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pointsman.cli.failure import Failure, Misuse
from pointsman.cli.invocation import program
from pointsman.cli.terminal import print_json, say, screen
from pointsman.config import Settings, keys, load
from pointsman.config.keys import Key
from pointsman.config.load import api_key, find
from pointsman.domain.clock import SystemClock


def create(name: str, config: Path | None, *, key_env: str, as_json: bool) -> None:
    """Make a key for a caller, or take in one that the environment holds, and print a made one once.

    Raises Misuse for a caller that the settings do not know and for a key that could be guessed, and Failure.
    """
    settings = load(config)
    if name not in settings.callers:
        there = f"known are {', '.join(settings.callers)}" if settings.callers else "none is known yet"
        raise Misuse(f"{name} is no caller of {find(config)} ({there}); add [callers.{name}] with what it may do")
    given = _given(key_env)
    made = given or keys.make()
    record = keys.record(made, caller=name, created=SystemClock().now())
    with _changing(settings) as known:
        if any(each.sha256 == record.sha256 for each in known):
            raise Misuse("that key is in the file already; each caller needs its own")
        known.append(record)
    if as_json:
        print_json({**_shown(record), **({} if given else {"key": made})})
        return
    out = screen(stderr=True)
    if given:
        say(out, f"Key {record.id} of {name} is known from now on.")
        return
    print(made, flush=True)
    say(out, f"Key {record.id} of {name}. It is shown this once: only its hash is kept.")
    say(out, f"Callers send it as `authorization: Bearer KEY`; to take it back: {_again('revoke', config)} {record.id}")


def list_keys(config: Path | None, *, as_json: bool) -> None:
    """Show every key of the file. Raises Failure."""
    settings = load(config)
    path = _path(settings)
    known = keys.read(path) if path.exists() else ()
    if as_json:
        print_json({"file": str(path), "keys": [_shown(key) for key in known]})
        return
    _tell(path, known)


def revoke(id_: str, config: Path | None, *, as_json: bool) -> None:
    """Take a key back; calls under way end as they would. Raises Misuse for an id that no key has, and Failure."""
    with _changing(load(config)) as known:
        place = next((place for place, key in enumerate(known) if key.id == id_), None)
        if place is None:
            raise Misuse(f"no key has the id {id_}; `{_again('list', config)}` shows them")
        if known[place].revoked is None:
            known[place] = replace(known[place], revoked=SystemClock().now())
        record = known[place]
    if as_json:
        print_json(_shown(record))
        return
    say(screen(), f"Key {record.id} of {record.caller} opens nothing any more.")


@contextmanager
def _changing(settings: Settings) -> Iterator[list[Key]]:
    path = _path(settings)
    try:
        with keys.changing(path) as known:
            yield known
    except OSError as error:
        raise Failure(f"{error.filename or path} cannot be written: {error.strerror}") from error


def _path(settings: Settings) -> Path:
    if not settings.router.keys:
        raise Failure('the settings name no file for keys; in [router] set keys = "keys.jsonl"')
    return Path(settings.router.keys)


def _again(command: str, config: Path | None) -> str:
    """Return what to type for another of these commands, about the same settings."""
    return f"{program()} keys {command}" + (f" --config {shlex.quote(str(config))}" if config else "")


def _given(variable: str) -> str:
    if not variable:
        return ""
    key = api_key(variable)
    if not key:
        raise Misuse(f"--key-env {variable}: that variable is not set")
    if why := keys.weakness(key):
        raise Misuse(f"the key in {variable} could be guessed: {why}; leave --key-env out, and one is made")
    return key


def _shown(key: Key) -> dict[str, object]:
    return {
        "id": key.id,
        "caller": key.caller,
        "created": key.created.isoformat(),
        "revoked": key.revoked.isoformat() if key.revoked else None,
    }


def _tell(path: Path, known: Iterable[Key]) -> None:
    out, lines = screen(), [*known]
    say(out, f"{path}: {len(lines)} {'key' if len(lines) == 1 else 'keys'}", style="bold")
    for key in lines:
        state = f"revoked {key.revoked:%Y-%m-%d %H:%M}" if key.revoked else "open"
        say(out, f"{key.caller}, made {key.created:%Y-%m-%d %H:%M}, {state}", lead=f"  {key.id}  ")
