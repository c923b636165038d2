"""What can be wrong with everything that stands beside the prompt: options, ids and labels.

One violation a field, all of them at once.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

import orjson

from pointsman.domain.errors import Violation
from pointsman.v1 import types_pb2 as pb

MAX_ID_CHARACTERS: Final = 128
MAX_LABELS: Final = 16
MAX_LABEL_CHARACTERS: Final = 64
MAX_OUTPUT_TOKENS: Final = 1_000_000
MAX_TEMPERATURE: Final = 2.0
MAX_STOPS: Final = 4
MAX_STOP_CHARACTERS: Final = 64
MAX_TOOLS: Final = 128
MAX_ATTEMPTS: Final = 20

_SHOWN_CHARACTERS: Final = 40
_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def shown(value: str) -> str:
    """Return a value for a message: quoted, with nothing unprintable in it, and cut when it is long."""
    return repr(value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…")


def category_violations(category: str, categories: Collection[str], field: str) -> tuple[Violation, ...]:
    """Return what is wrong with a category that must be one of `categories`."""
    if category in categories:
        return ()
    message = f"{shown(category)} is no category here; name one of {', '.join(categories)}"
    return (Violation(field=field, reason="CATEGORY_UNKNOWN", message=message),)


def options_violations(options: pb.Options) -> Iterator[Violation]:
    """Yield what is wrong with the options, the category aside."""
    yield from _number_violations(options)
    if stops := options.stop:
        yield from _stop_violations(stops)
    if (json_schema := options.json_schema) and not is_json_object(json_schema):
        message = f"{shown(json_schema)} is not a JSON object; send a JSON Schema as text"
        yield Violation(field="options.json_schema", reason="JSON_SCHEMA_INVALID", message=message)
    if tools := options.tools:
        yield from _tools_violations(tools)


def _stop_violations(stops: Sequence[str]) -> Iterator[Violation]:
    if len(stops) > MAX_STOPS:
        message = f"{len(stops)} stop texts are too many; send at most {MAX_STOPS}"
        yield Violation(field="options.stop", reason="STOP_INVALID", message=message)
    for index, stop in enumerate(stops[:MAX_STOPS]):
        if not 1 <= len(stop) <= MAX_STOP_CHARACTERS:
            message = f"a stop text of {len(stop)} characters is not possible; send 1 to {MAX_STOP_CHARACTERS}"
            yield Violation(field=f"options.stop[{index}]", reason="STOP_INVALID", message=message)


def _number_violations(options: pb.Options) -> Iterator[Violation]:
    if options.HasField("max_output_tokens") and not 1 <= options.max_output_tokens <= MAX_OUTPUT_TOKENS:
        message = f"max_output_tokens is {options.max_output_tokens}; send 1 to {MAX_OUTPUT_TOKENS}, or leave it out"
        yield Violation(field="options.max_output_tokens", reason="MAX_OUTPUT_TOKENS_INVALID", message=message)
    # Written so that NaN, which is neither below nor above, is wrong too.
    if options.HasField("temperature") and not 0.0 <= options.temperature <= MAX_TEMPERATURE:
        message = f"temperature is {options.temperature}; send 0 to 2, or leave it out"
        yield Violation(field="options.temperature", reason="TEMPERATURE_INVALID", message=message)
    if options.HasField("max_cost_usd") and not (options.max_cost_usd > 0 and math.isfinite(options.max_cost_usd)):
        message = f"max_cost_usd is {options.max_cost_usd}; send a number of dollars above 0, or leave it out"
        yield Violation(field="options.max_cost_usd", reason="MAX_COST_INVALID", message=message)
    if options.HasField("max_attempts") and not 1 <= options.max_attempts <= MAX_ATTEMPTS:
        message = f"max_attempts is {options.max_attempts}; send 1 to {MAX_ATTEMPTS}, or leave it out"
        yield Violation(field="options.max_attempts", reason="MAX_ATTEMPTS_INVALID", message=message)


def _tools_violations(tools: Sequence[pb.Tool]) -> Iterator[Violation]:
    if len(tools) > MAX_TOOLS:
        message = f"{len(tools)} tools are too many; send at most {MAX_TOOLS}"
        yield Violation(field="options.tools", reason="TOOL_INVALID", message=message)
    seen: set[str] = set()
    for index, tool in enumerate(tools[:MAX_TOOLS]):
        field = f"options.tools[{index}]"
        if not _TOOL_NAME.fullmatch(tool.name):
            message = f"{shown(tool.name)} is no name of a tool; use 1 to 64 of a-z, A-Z, 0-9, _ and -"
            yield Violation(field=f"{field}.name", reason="TOOL_INVALID", message=message)
        elif tool.name in seen:
            message = f"two tools are named {shown(tool.name)}; give each its own name"
            yield Violation(field=f"{field}.name", reason="TOOL_INVALID", message=message)
        seen.add(tool.name)
        if tool.parameters_json_schema and not is_json_object(tool.parameters_json_schema):
            message = f"{shown(tool.parameters_json_schema)} is not a JSON object; send a JSON Schema, or nothing"
            yield Violation(field=f"{field}.parameters_json_schema", reason="TOOL_INVALID", message=message)


def id_violations(value: str, field: str) -> tuple[Violation, ...]:
    """Return what is wrong with `request_id` or `session_id`; empty is right."""
    if len(value) <= MAX_ID_CHARACTERS and value.isascii() and value.isprintable():
        return ()
    wanted = f"send at most {MAX_ID_CHARACTERS} printable ASCII characters"
    message = f"{field} {shown(value)} ({len(value)} characters) is not possible; {wanted}"
    return (Violation(field=field, reason=f"{field.upper()}_INVALID", message=message),)


def label_violations(labels: Mapping[str, str]) -> Iterator[Violation]:
    """Yield what is wrong with the labels."""
    if len(labels) > MAX_LABELS:
        message = f"{len(labels)} labels are too many; send at most {MAX_LABELS}"
        yield Violation(field="labels", reason="LABELS_INVALID", message=message)
        return
    for key, value in labels.items():
        if not key:
            message = "a label has no name; give it one"
            yield Violation(field="labels", reason="LABELS_INVALID", message=message)
        elif max(len(key), len(value)) > MAX_LABEL_CHARACTERS:
            message = f"label {shown(key)} is too long; each side has at most {MAX_LABEL_CHARACTERS} characters"
            yield Violation(field="labels", reason="LABELS_INVALID", message=message)


def is_json_object(text: str) -> bool:
    """Tell whether the text is one JSON object; NaN and endless nesting are not JSON."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False
