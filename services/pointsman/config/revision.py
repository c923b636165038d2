"""What newer settings change, and which part of that a running process can take up."""

import dataclasses
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pointsman.config.parse import join
from pointsman.config.settings import Settings

Commit = Callable[[], None]
"""Takes settings in use that were prepared before: at once, and without fail."""

Prepare = Callable[[Settings], Awaitable[Commit]]
"""Builds all that settings need, and touches nothing that is in use. Raises SettingsError."""

Register = Callable[[Prepare], None]
"""How a service says that it can take newer settings up."""

RELOADABLE: Final = frozenset(
    {
        "router.default_category",
        "router.classifier_timeout_s",
        "router.default_deadline_s",
        "router.reply_reserve_s",
        "classifier.mode",
        "classifier.accept_confidence",
        "classifier.model_weight",
        "classifier.cache_entries",
        "classifier.ollama",
        "classifier.categories",
        "executor.default_deadline_s",
        "executor.max_attempts",
        "executor.attempt_timeout_s",
        "executor.first_token_timeout_s",
        "executor.idle_timeout_s",
        "executor.stream_timeout_s",
        "executor.attempt_floor_s",
        "executor.fallback_reserve_s",
        "executor.reply_reserve_s",
        "executor.coalesce_s",
        "executor.connections_per_provider",
        "executor.connect_timeout_s",
        "journal.content_characters",
        "limits.text_bytes",
        "limits.image_bytes",
        "limits.images",
        "telemetry.content_bytes",
        "callers",
        "providers",
        "groups",
        "candidates",
        "pools",
        "fallback",
    }
)
"""Dotted paths, each with all that is below. What is not here was built into a server, a ledger or a journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """Settings to be in force, the dotted paths that they change, and those that only a restart would change."""

    settings: Settings
    changed: tuple[str, ...]
    left: tuple[str, ...]


def revise(before: Settings, after: Settings) -> Revision:
    """Return what becomes of the settings in force when a file says `after`."""
    changed: list[str] = []
    left: list[str] = []
    settings: Settings = _revised("", before, after, (changed, left))
    return Revision(settings=settings, changed=tuple(changed), left=tuple(left))


def _revised(
    path: str,
    before: Any,  # noqa: ANN401 - any setting
    after: Any,  # noqa: ANN401 - as said
    named: tuple[list[str], list[str]],
) -> Any:  # noqa: ANN401 - as said
    """Return what is in force below a path, and name what changes and what is left."""
    changed, left = named
    if before == after:
        return before
    if path in RELOADABLE:
        changed.extend(_differences(path, before, after))
        return after
    if not dataclasses.is_dataclass(before):
        left.append(path)
        return before
    values = {
        field.name: _revised(join(path, field.name), getattr(before, field.name), getattr(after, field.name), named)
        for field in dataclasses.fields(before)
    }
    return dataclasses.replace(before, **values)  # type: ignore[type-var]  # a settings dataclass, never its type


def _differences(path: str, before: object, after: object) -> Iterator[str]:
    """Yield the paths that differ, as deep as both sides have them."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(join(path, key), before.get(key), after.get(key))
    elif dataclasses.is_dataclass(before) and type(before) is type(after):
        for field in dataclasses.fields(before):
            yield from _differences(join(path, field.name), getattr(before, field.name), getattr(after, field.name))
    else:
        yield path
