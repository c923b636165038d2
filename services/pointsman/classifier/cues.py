"""The lexicon of `cues.toml` as dictionaries: which groups a word, a phrase, a stem or a run of Hangul or Han is in."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import resources
from types import MappingProxyType

_FIRST_RUN_CHARACTER = "\u1100"  # from the Hangul jamo on: scripts that are matched inside runs of text

_groups: dict[str, str] = tomllib.loads((resources.files(__package__) / "cues.toml").read_text(encoding="utf-8"))

GROUPS = tuple(_groups)
"""Names of the groups; the position is the number of the group."""

_Words = dict[str, list[tuple[str, bool, int]]]


def _sorted_into_tables() -> tuple[
    dict[str, tuple[int, ...]], _Words, dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]
]:
    words: dict[str, set[int]] = defaultdict(set)
    phrases: _Words = defaultdict(list)
    stems: dict[str, set[int]] = defaultdict(set)
    runs: dict[str, set[int]] = defaultdict(set)
    for number, entries in enumerate(_groups.values()):
        for entry in entries.split():
            cue = entry.replace("_", " ").casefold()
            if any(character >= _FIRST_RUN_CHARACTER for character in cue):
                runs[cue].add(number)
            elif cue.endswith("*") and " " not in cue:
                stems[cue[:-1]].add(number)
            elif " " in cue.strip():
                first, rest = cue.rstrip("*").strip().split(" ", 1)
                phrases[first].append((" " + rest, cue.endswith("*"), number))
            else:
                words[cue.strip()].add(number)
    return (
        {word: tuple(sorted(numbers)) for word, numbers in words.items()},
        dict(phrases),
        {stem: tuple(sorted(numbers)) for stem, numbers in stems.items()},
        {run: tuple(sorted(numbers)) for run, numbers in runs.items()},
    )


def _lengths(cues: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    lengths: dict[str, set[int]] = defaultdict(set)
    for cue in cues:
        lengths[cue[0]].add(len(cue))
    return MappingProxyType({first: tuple(sorted(of_first)) for first, of_first in lengths.items()})


_words, _phrases, _stems, _runs = _sorted_into_tables()

WORDS = MappingProxyType(_words)
"""Latin words, whole."""
PHRASES = MappingProxyType(_phrases)
"""First word of a Latin phrase → what follows it, whether its last word may go on, and the group."""
STEMS = MappingProxyType(_stems)
"""Beginnings of Latin words."""
STEM_LENGTHS = _lengths(_stems)
"""First character → how long the stems that begin with it can be."""
RUNS = MappingProxyType(_runs)
"""Pieces of Korean, Chinese or Japanese text."""
RUN_LENGTHS = _lengths(_runs)
"""First character → how long the pieces that begin with it can be."""
