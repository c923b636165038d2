"""What is known about models before anybody asks: the table in models.json, read into domain values."""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import orjson

from pointsman.domain.pool import Model

_TABLE: Final = files("pointsman.executor") / "models.json"


def model(provider_kind: str, model_id: str) -> Model | None:
    """Return the facts of `model_id` at providers of that kind ("openai", "ollama", …); None: not in the table.

    `max_output_tokens` is the ceiling of an answer that is not streamed, which is lower at some providers.
    """
    return _models().get((provider_kind, model_id))


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = orjson.loads(_TABLE.read_bytes())
    return document


@cache
def _models() -> dict[tuple[str, str], Model]:
    return {(row["provider"], row["model_id"]): _model(row) for row in _document()["models"]}


def _model(row: dict[str, Any]) -> Model:
    return Model(
        id=row["model_id"],
        context_tokens=row["context_window"],
        max_input_tokens=row["max_input_tokens"],
        max_output_tokens=row.get("max_output_tokens_nonstreaming", row["max_output_tokens"]),
        sees_images=row["vision"],
        takes_image_urls=row["takes_image_urls"],
        takes_tools=row["takes_tools"],
        follows_json_schema=row["follows_json_schema"],
        accepts_temperature=row["accepts_temperature"],
        accepts_stop=row["accepts_stop"],
    )
