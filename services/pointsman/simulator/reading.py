"""How the dialects read requests: keys, JSON and images. Whatever is wrong raises Unreadable."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from pointsman.domain.trail import Outcome
from pointsman.simulator.exchange import SimRequest
from pointsman.simulator.problem import Problem, Unreadable, invalid
from pointsman.simulator.scenario import ModelProfile, ProviderProfile

Json = dict[str, Any]


def bearer(request: SimRequest) -> str:
    """Return the key of the Authorization header; empty when there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def check_key(key: str, profile: ProviderProfile) -> None:
    """Let a good key pass."""
    if not key or (profile.keys and key not in profile.keys):
        raise Unreadable(Problem(Outcome.UNAUTHORIZED, code=None if key else "missing"))


def json_object(request: SimRequest) -> Json:
    """Return the body, which must be a JSON object."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise invalid("The body of your request must be a JSON object.")
    return body


def find_model(name: object, models: tuple[ModelProfile, ...]) -> ModelProfile:
    """Return the model of that name."""
    for model in models:
        if model.id == name:
            return model
    raise Unreadable(Problem(Outcome.MODEL_NOT_FOUND, model=str(name)))


def positive(body: Mapping[str, Any], field: str) -> int | None:
    """Return a positive whole number; None when the field is absent or null."""
    number = body.get(field)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool):
        raise invalid(f"Invalid type for '{field}': expected an integer.", param=field, code="invalid_type")
    if number < 1:
        raise invalid(f"Invalid '{field}': must be at least 1.", param=field, code="integer_below_min_value")
    return number


def check_image(content: object, mime_type: object) -> None:
    """Let base64 of a known image type pass."""
    if mime_type not in {"image/png", "image/jpeg", "image/gif", "image/webp"}:
        raise invalid(f"Unsupported image type: {mime_type}", code="invalid_image_format")
    try:
        base64.b64decode(str(content), validate=True)
    except binascii.Error as error:
        raise invalid("The image is not valid base64.", code="invalid_base64") from error


def check_input_fits(tokens: int, model: ModelProfile) -> None:
    """Let a prompt pass that the model can take in."""
    if tokens > model.max_input_tokens:
        raise Unreadable(
            Problem(Outcome.CONTEXT_TOO_LONG, model=model.id, requested=tokens, used=model.max_input_tokens)
        )
