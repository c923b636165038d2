"""The tree of settings and the reference file tell the same."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from pointsman.config import load
from pointsman.config.settings import Settings

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"

CHOSEN = {"candidates.*.default_output_tokens": "the local model is slow, so it is asked for less"}
"""Values of the reference file that differ from the default on purpose, and why."""

TABLES = ("providers", "groups", "candidates", "pools")
OPEN = (*(f"{table}." for table in TABLES), "callers.", "classifier.categories.")
"""Where a reader puts names of their own."""


def below(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    """Return the dataclass that a hint leads to, through dictionaries; None when it leads to none."""
    if is_dataclass(hint):
        return hint
    return next((found for inner in get_args(hint) if (found := below(inner))), None)


def keys(kind: Any, path: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a dataclass
    """Yield every key that can be set, with the dataclass that holds it."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        name = f"{path}.{each.name}".lstrip(".")
        if inner := below(hints[each.name]):
            yield from keys(inner, name)
        else:
            yield name, each.name


def defaults(kind: Any, table: dict[str, Any], path: str) -> Iterator[tuple[str, object, object]]:  # noqa: ANN401 - a dataclass
    """Yield each value that a table states and whose default is known, with both."""
    hints = get_type_hints(kind)
    for each in fields(kind):
        if each.name not in table:
            continue
        name, value = f"{path}.{each.name}".lstrip("."), table[each.name]
        if inner := below(hints[each.name]):
            for key, inner_table in value.items() if each.name in TABLES else [("", value)]:
                yield from defaults(inner, inner_table, f"{name}.*" if key else name)
        elif each.default is not MISSING and not is_empty(each.default):
            yield name, value, each.default


def is_empty(default: object) -> bool:
    """Return whether a default stands for "not said", which a file has no reason to repeat."""
    return default in (None, "", False, ())


TEXT = REFERENCE.read_text(encoding="utf-8")
KEYS = sorted(set(keys(Settings)))


@pytest.mark.parametrize("path, key", KEYS, ids=[path for path, _ in KEYS])
def test_every_key_stands_in_the_reference_file(path: str, key: str) -> None:
    as_setting = re.compile(rf"^\s*(#\s*)?{key}\s*=|[{{,]\s*{key}\s*=", re.MULTILINE)

    assert as_setting.search(TEXT), f"{path} is neither set nor shown in a commented example"


def test_every_value_of_the_reference_file_is_the_default_or_chosen() -> None:
    stated = [*defaults(Settings, tomllib.loads(TEXT), "")]

    differing = {path for path, value, default in stated if value != default}

    assert len(stated) > 50
    assert differing == set(CHOSEN)


def test_every_scalar_of_the_fixed_tables_is_set_in_the_reference_file() -> None:
    table = tomllib.loads(TEXT)

    unset = [path for path, _ in KEYS if not path.startswith(OPEN) and not is_set(table, path.split("."))]

    assert unset == []


def is_set(table: Any, path: list[str]) -> bool:  # noqa: ANN401 - a table or a value
    return not path or (path[0] in table and is_set(table[path[0]], path[1:]))


def test_every_number_of_seconds_says_that_it_is_one() -> None:
    lines = re.findall(r"^[a-z_]+_s = .*", TEXT, re.MULTILINE)

    assert [line for line in lines if "second" not in line] == []


def test_no_key_of_a_provider_stands_in_the_file() -> None:
    assert not re.search(r"sk-|api_key\s*=|AIza", TEXT)


def test_the_defaults_alone_are_valid() -> None:
    settings = load(REFERENCE, environ={})

    assert settings.limits == type(settings.limits)()
    assert settings.executor == type(settings.executor)()


@pytest.mark.parametrize(
    "key",
    [path for path, _ in KEYS if path.split(".")[0] not in TABLES and not path.startswith("fallback.candidate")],
)
def test_a_list_where_a_value_belongs_is_refused_by_its_path(key: str) -> None:
    variable = "POINTSMAN__" + key.replace(".", "__").upper()

    with pytest.raises(Exception, match=re.escape(key)) as caught:
        load(REFERENCE, environ={variable: "[[]]"})

    assert type(caught.value).__name__ == "SettingsError"


@pytest.mark.parametrize(
    "key",
    [
        "limits.text_bytes",
        "limits.image_bytes",
        "limits.message_bytes",
        "limits.metadata_bytes",
        "limits.concurrent_calls",
        "limits.bytes_in_flight",
        "router.classifier_timeout_s",
        "router.default_deadline_s",
        "classifier.ollama.num_ctx",
        "classifier.ollama.timeout_s",
        "classifier.ollama.concurrency",
        "classifier.ollama.breaker_failures",
        "executor.default_deadline_s",
        "executor.max_attempts",
        "executor.attempt_timeout_s",
        "executor.connections_per_provider",
        "executor.connect_timeout_s",
        "fallback.concurrency",
        "fallback.num_ctx",
        "fallback.timeout_s",
        "candidates.local_qwen2_5_14b.default_output_tokens",
        "groups.gemini_flash.requests_per_day",
    ],
)
def test_nothing_where_something_is_needed_is_refused(key: str) -> None:
    variable = "POINTSMAN__" + key.replace(".", "__").upper()

    with pytest.raises(Exception, match="must be from") as caught:
        load(REFERENCE, environ={variable: "0"})

    assert type(caught.value).__name__ == "SettingsError"
