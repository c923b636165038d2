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


def key_advice(wire: str, variable: str) -> str:
    """Return how to give a provider its key."""
    page = KEY_PAGES.get(wire)
    return f"export {variable}=…" + (f" with a key from {page}" if page else "")
