"""The check that added categories and pools fit together, and that a category says enough to be learned."""

import re
from collections.abc import Mapping
from typing import Final

from pointsman.config.parse import quoted, refuse
from pointsman.config.settings import CategorySettings, Settings
from pointsman.domain.category import CATEGORIES

FEWEST_EXAMPLES: Final = 4
DESCRIPTION_CHARACTERS: Final = 200

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{2,39}")


def check_categories(settings: Settings) -> None:
    """Raise SettingsError, naming the dotted path, for a category that cannot be used and for a pool without one."""
    added = settings.classifier.categories
    for name, category in added.items():
        path = f"classifier.categories.{quoted(name)}"
        _check_name(path, name, added)
        _check_words(path, category)
        if name not in settings.pools:
            refuse(path, name, f"no pool answers it; add [pools.{quoted(name)}] with candidates")
    for name in settings.pools:
        if name not in CATEGORIES and name not in added:
            advice = f"no category has that name; add [classifier.categories.{quoted(name)}], or rename the pool"
            refuse(f"pools.{quoted(name)}", name, advice)


def _check_name(path: str, name: str, added: Mapping[str, CategorySettings]) -> None:
    if name in CATEGORIES:
        refuse(path, name, "it is one of the five that are built in; choose another name")
    if not _NAME.fullmatch(name):
        refuse(path, name, "a name is 3 to 40 small letters, digits, - and _, and begins with a letter")
    # The small model answers with one token, which may be only the beginning of a name.
    for other in (*CATEGORIES, *added):
        if other != name and (other.startswith(name) or name.startswith(other)):
            refuse(path, name, f"one of it and {other!r} begins with the other; the small model could not say which")


def _check_words(path: str, category: CategorySettings) -> None:
    description, examples = category.description, category.examples
    if not description.strip() or "\n" in description or len(description) > DESCRIPTION_CHARACTERS:
        advice = f"say in one line of 1 to {DESCRIPTION_CHARACTERS} characters what it is"
        refuse(f"{path}.description", description, advice)
    if len(examples) < FEWEST_EXAMPLES:
        refuse(f"{path}.examples", list(examples), f"give at least {FEWEST_EXAMPLES} prompts; eight are better")
    for index, example in enumerate(examples):
        if not example.strip() or example in examples[:index]:
            refuse(f"{path}.examples[{index}]", example, "write a prompt that no other example is")
