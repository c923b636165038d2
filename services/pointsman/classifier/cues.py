"""The lexicon of `cues.toml` as dictionaries: which groups a word, a phrase, a stem or a run of Hangul or Han is in."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib import resources
from types import MappingProxyType
from typing import Final, NamedTuple

_FIRST_RUN_CHARACTER = "\u1100"  # from the Hangul jamo on: scripts that are matched inside runs of text

_groups: dict[str, str] = tomllib.loads((resources.files(__package__) / "cues.toml").read_text(encoding="utf-8"))

GROUPS = tuple(_groups)
"""Names of the groups; the position is the number of the group."""

OPENING: Final = 2
"""By so many characters phrases and runs are looked up, before they are compared as a whole."""

Cue = tuple[int, str]
"""The number of a group, and the entry of it that was met."""


class Phrase(NamedTuple):
    """What follows the first word of a Latin phrase, whether its last word may go on, and what it is a cue of."""

    rest: str
    goes_on: bool
    cue: Cue


_Cues = dict[str, list[Cue]]
_Phrases = dict[str, dict[str, list[Phrase]]]


def _sorted_into_tables() -> tuple[_Cues, _Phrases, _Cues, _Cues]:
    words: _Cues = defaultdict(list)
    phrases: _Phrases = defaultdict(lambda: defaultdict(list))
    stems: _Cues = defaultdict(list)
    runs: _Cues = defaultdict(list)
    for number, entries in enumerate(_groups.values()):
        for entry in dict.fromkeys(entries.split()):
            cue = entry.replace("_", " ").casefold()
            if any(character >= _FIRST_RUN_CHARACTER for character in cue):
                runs[cue[:OPENING] if len(cue) >= OPENING else ""].append((number, cue))
            elif cue.endswith("*") and " " not in cue:
                stems[cue[:-1]].append((number, cue[:-1]))
            elif " " in cue.strip():
                phrase = cue.rstrip("*").strip()
                first, _, after = phrase.partition(" ")
                rest = f" {after}"
                phrases[first][rest[:OPENING]].append(Phrase(rest, cue.endswith("*"), (number, phrase)))
            else:
                words[cue.strip()].append((number, cue.strip()))
    return words, phrases, stems, runs


def _fixed(cues: _Cues) -> Mapping[str, tuple[Cue, ...]]:
    return MappingProxyType({beginning: tuple(of_it) for beginning, of_it in cues.items()})


def _lengths(stems: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    lengths: dict[str, set[int]] = defaultdict(set)
    for stem in stems:
        lengths[stem[0]].add(len(stem))
    return MappingProxyType({first: tuple(sorted(of_first)) for first, of_first in lengths.items()})


_words, _phrases, _stems, _runs = _sorted_into_tables()

WORDS = _fixed(_words)
"""Latin words, whole."""
PHRASES: Final[Mapping[str, Mapping[str, tuple[Phrase, ...]]]] = {
    first: {opening: tuple(phrases) for opening, phrases in of_first.items()} for first, of_first in _phrases.items()
}
"""First word of a Latin phrase → the OPENING of what follows it → the phrases. Asked for each word of a text."""
STEMS = _fixed(_stems)
"""Beginnings of Latin words."""
STEM_LENGTHS = _lengths(_stems)
"""First character → how long the stems that begin with it can be."""
RUNS = _fixed(_runs)
"""OPENING of a piece of Korean, Chinese or Japanese text → the pieces; those of one character stand under ""."""
