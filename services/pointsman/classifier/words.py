"""A piece of text as words, and the cues that stand in it.

Looked up, never searched for one by one: most words and most pairs of characters begin no cue.
"""

import re
from functools import lru_cache
from itertools import pairwise
from operator import add
from typing import Final

from pointsman.classifier.cues import PHRASES, RUNS, STEM_LENGTHS, STEMS, WORDS, Cue, Phrase

# A Latin word ends where Hangul, Han or kana begins: "SQL로" and "用Python写" name a language like "in SQL" does.
_WIDE = "\u1100-\u11ff\u3040-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
_LATIN = rf"[^\W_{_WIDE}]+"
_WORD = re.compile(rf"{_LATIN}(?:['’.#+/_-]+{_LATIN})*[#+*]*|[{_WIDE}]+")
# The same for casefolded ASCII, which is looked up in a table and takes half the time.
_ASCII_WORD = re.compile("[a-z0-9]+(?:['.#+/_-]+[a-z0-9]+)*[#+*]*")
_RUN_OPENINGS = frozenset(RUNS)
_START = 40
"""What begins within so many characters begins at the start."""

WORDS_REMEMBERED: Final = 4096
"""Of so many words the n-grams and the cues are kept: a few hundred make up most of any text. Some 2 MB at most."""


class Piece:
    """A zone of the text, casefolded, and its words in order."""

    __slots__ = ("text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[str] = (_ASCII_WORD if text.isascii() else _WORD).findall(text) if text else []


def cues_among(piece: Piece) -> list[tuple[Cue, bool]]:
    """Return every cue in a piece of text, and whether it begins at the start."""
    text, words = piece.text, piece.words
    begun = _begun(piece)
    found = [(cue, number < begun) for number, cues in enumerate(map(_cues_of, words)) if cues for cue in cues]
    # Few are left here, and mostly none, so that where each word ends is seldom worked out.
    likely = [
        (phrase, number)
        for number, (word, following) in enumerate(pairwise(words))
        if word in PHRASES
        for phrase in PHRASES[word].get(following[0], ())
        if phrase.cue[1] in text
    ]
    if likely:
        ends = _ends(piece)
        found += [(phrase.cue, number < begun) for phrase, number in likely if _stands(phrase, ends[number], text)]
    if not text.isascii():
        found += [
            (run, position < _START)
            for opening in ("", *_RUN_OPENINGS.intersection(map(add, text, text[1:])))
            for run in RUNS[opening]
            if (position := text.find(run[1])) >= 0
        ]
    return found


def _begun(piece: Piece) -> int:
    """Return how many words begin at the start."""
    end = 0
    for number, word in enumerate(piece.words):
        start = piece.text.find(word, end)  # exact: no word begins in what lies between two
        if start >= _START:
            return number
        end = start + len(word)
    return len(piece.words)


def _ends(piece: Piece) -> list[int]:
    """Return where each word ends."""
    ends, end = [], 0
    for word in piece.words:
        end = piece.text.find(word, end) + len(word)
        ends.append(end)
    return ends


def _stands(phrase: Phrase, end: int, text: str) -> bool:
    """Return whether the rest of a phrase follows its first word, which ends at `end`."""
    after = end + len(phrase.rest)
    return text.startswith(phrase.rest, end) and (phrase.goes_on or not text[after : after + 1].isalnum())


@lru_cache(maxsize=WORDS_REMEMBERED)
def _cues_of(word: str) -> tuple[Cue, ...]:
    """Return the cues that the word itself is, and the stems that it begins with."""
    stems = [cue for length in STEM_LENGTHS.get(word[0], ()) for cue in STEMS.get(word[:length], ())]
    return (*WORDS.get(word, ()), *stems)
