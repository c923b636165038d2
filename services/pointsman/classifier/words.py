"""A piece of text as words, and the cues that stand in it.

Looked up, never searched for one by one: most words and most pairs of characters begin no cue. What is known of a word
alone is worked out once and remembered.
"""

import re
from itertools import chain, pairwise
from operator import add
from typing import Final
from zlib import crc32

from pointsman.classifier.cues import PHRASES, RUNS, STEM_LENGTHS, STEMS, WORDS, Cue, Phrase
from pointsman.classifier.memory import Memory
from pointsman.classifier.ngrams import ngrams_of

# A Latin word ends where Hangul, Han or kana begins: "SQL로" and "用Python写" name a language like "in SQL" does.
_WIDE = "\u1100-\u11ff\u3040-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
_LATIN = rf"[^\W_{_WIDE}]+"
_WORD = re.compile(rf"{_LATIN}(?:['’.#+/_-]+{_LATIN})*[#+*]*|[{_WIDE}]+")
# The same for casefolded ASCII, which is looked up in a table and takes half the time.
_ASCII_WORD = re.compile("[a-z0-9]+(?:['.#+/_-]+[a-z0-9]+)*[#+*]*")
_RUN_OPENINGS = frozenset(RUNS)
_START = 40
"""What begins within so many characters begins at the start."""

WORDS_REMEMBERED: Final = 2048
"""So many words, and so many stretches without white space, are remembered: a few hundred make up most of any text.

Some 6 MB when full of words as people write them, some 25 MB at most of words that were made to fill it.
"""
_LONGEST_REMEMBERED: Final = 30
"""In bytes of UTF-8, because Hangul has four times the n-grams a letter: thirty Latin letters, or ten syllables."""


def is_short(text: str) -> bool:
    """Return whether a word or stretch is worth remembering: long ones seldom come again, and would fill the memory."""
    return len(text.encode()) <= _LONGEST_REMEMBERED


class Word:
    """A casefolded word, and what is known of it alone.

    `phrases` are those that it may begin, by the letter that begins the next word. A pair's number goes on from
    `checksum` by the next word's `encoded`.
    """

    __slots__ = ("checksum", "cues", "encoded", "is_remembered", "ngrams", "phrases", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_remembered = is_short(text)
        self.cues = _cues_of(text)
        self.phrases = PHRASES.get(text)
        self.ngrams = ngrams_of(text)
        self.encoded = text.encode()
        self.checksum = crc32(self.encoded + b" ")


class Piece:
    """A zone of the text, casefolded, and its words in order."""

    __slots__ = ("_stretches", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self._stretches = text.split()
        self.words = list(chain.from_iterable(map(_words_of.__getitem__, self._stretches)))

    def run_cues(self) -> frozenset[Cue]:
        """Return the Korean, Chinese and Japanese cues that may stand here: what white space parts is not compared."""
        if self.text.isascii():
            return frozenset()
        return frozenset().union(*map(_run_cues_of.__getitem__, self._stretches))


def cues_among(piece: Piece) -> list[tuple[Cue, bool]]:
    """Return every cue in a piece of text, and whether it begins at the start."""
    text, words = piece.text, piece.words
    found = [(cue, False) for word in words if word.cues for cue in word.cues]
    if found:
        begun = len(_split(text[:_START]))  # cut or whole, a word that begins there is one
        found += [(cue, True) for word in words[:begun] for cue in word.cues]
    likely = [
        phrase
        for word, following in pairwise(words)
        if word.phrases
        for phrase in word.phrases.get(following.text[0], ())
        if phrase.cue[1] in text
    ]
    found += [(phrase.cue, at < _START) for phrase in likely if (at := _place(phrase, text)) >= 0]
    found += [(run, at < _START) for run in piece.run_cues() if (at := text.find(run[1])) >= 0]
    return found


def _place(phrase: Phrase, text: str) -> int:
    """Return where a phrase first stands in `text`, from word border to word border; -1 when it does not."""
    whole = phrase.cue[1]
    at = text.find(whole)
    while at >= 0:
        after = at + len(whole)
        if phrase.goes_on or not text[after : after + 1].isalnum():
            first_ends = after - len(phrase.rest)
            # White space follows the first word, so that it is the last of the stretch that ends there, or no word.
            stretch = text[:first_ends].rsplit(maxsplit=1)[-1]
            if len(_words_of[stretch][-1].text) == first_ends - at:
                return at
        at = text.find(whole, at + 1)
    return -1


def _split(text: str) -> list[str]:
    words: list[str] = (_ASCII_WORD if text.isascii() else _WORD).findall(text)
    return words


def _read(stretch: str) -> tuple[Word, ...]:
    """Return the words of a text in which no white space stands; none spans any."""
    return tuple([_words[word] for word in _split(stretch)])


def _find_run_cues(stretch: str) -> frozenset[Cue]:
    """Return the runs that stand in `stretch`, and of those with white space the ones that may begin in it."""
    return frozenset(
        [
            run
            for opening in ("", *_RUN_OPENINGS.intersection(map(add, stretch, f"{stretch[1:]} ")))
            for run in RUNS[opening]
            if run[1] in stretch or " " in run[1]
        ]
    )


def _cues_of(word: str) -> tuple[Cue, ...]:
    """Return the cues that the word itself is, and the stems that it begins with."""
    stems = [cue for length in STEM_LENGTHS.get(word[0], ()) for cue in STEMS.get(word[:length], ())]
    return (*WORDS.get(word, ()), *stems)


_words = Memory(Word, size=WORDS_REMEMBERED, worth=is_short)
_words_of = Memory(_read, size=WORDS_REMEMBERED, worth=is_short)
_run_cues_of = Memory(_find_run_cues, size=WORDS_REMEMBERED, worth=is_short)
