"""What to do about what is missing: one text for `up`, `doctor` and the refusals of the Executor."""

from collections.abc import Mapping
from typing import Final

KEY_PAGES: Final[Mapping[str, str]] = {
    "anthropic": "https://console.anthropic.com/settings/keys",
    "deepseek": "https://platform.deepseek.com/api_keys",
    "gemini": "https://aistudio.google.com/apikey",
    "moonshot": "https://platform.moonshot.ai/console/api-keys",
    "openai": "https://platform.openai.com/api-keys",
}
"""Where a person gets a key, by wire format (2026-11)."""

GET_OLLAMA: Final = "get it at https://ollama.com/download and start it: ollama serve"


def key_advice(wire: str, place: str) -> str:
    """Return how to give a provider its key, in the variable or the file that `place` names."""
    page = KEY_PAGES.get(wire)
    if _is_variable(place):
        return f"export {place}=…" + (f" with a key from {page}" if page else "")
    return f"write a key into {place}" + (f"; there are some at {page}" if page else "")


def key_missing(place: str) -> str:
    """Return what is wrong with a place of a key where there is none."""
    return f"{place} is not set" if _is_variable(place) else f"{place} holds no key that can be read"


def _is_variable(place: str) -> bool:
    return "/" not in place and "." not in place
