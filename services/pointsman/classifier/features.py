"""Text in, numbers of features out: word and character n-grams by hash, cue words and shape by name.

Pure, and bounded in time.
"""

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from unicodedata import normalize
from zlib import crc32

from pointsman.classifier.cues import GROUPS, PHRASES, RUN_LENGTHS, RUNS, STEM_LENGTHS, STEMS, WORDS
from pointsman.domain.frozen import frozen

BUCKETS = 1 << 16
"""Number of n-gram features; which n-gram falls into which is decided by crc32, the same on every machine."""
_MASK = BUCKETS - 1

# The order stands at the head or at the tail; what lies between is mostly the text that it is about.
_HEAD = 240
_TAIL = 160
_BODY = 800
_START = 40

_ZONES = ("start", "head", "body", "tail")
# A Latin word ends where Hangul, Han or kana begins: "SQL로" and "用Python写" name a language like "in SQL" does.
_WIDE = "\u1100-\u11ff\u3040-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
_LATIN = rf"[^\W_{_WIDE}]+"
_WORD = re.compile(rf"{_LATIN}(?:['’.#+/_-]+{_LATIN})*[#+*]*|[{_WIDE}]+")
_NUMBER = re.compile(r"\d+")
_HANGUL = re.compile("[\uac00-\ud7a3\u3131-\u318e]+")
_HAN_OR_KANA = re.compile("[\u3040-\u9fff]+")
_INNER_CAPITAL = re.compile("[A-Za-z][A-Z]")
_LATIN_LETTERS = re.compile("[A-Za-z]+")
_WIDE_LETTERS = re.compile("[\u1100-\U0010ffff]+")
_RUN_STARTS = re.compile(f"[{re.escape(''.join(RUN_LENGTHS))}]")
_WORDS_REMEMBERED = 4096
"""Of so many words the n-grams and the cues are kept: a few hundred make up most of any text. Some 2 MB at most."""
_CODE_LINE_ENDS = (";", "{", "}", "):", "):\\", ",)", "=>", "];")
_CODE_LINE_STARTS = (
    "def ", "class ", "import ", "from ", "function ", "const ", "let ", "var ", "public ", "private ", "#include",
    "<?php", "select ", "return ", "for (", "if (", "while (", "async ", "fn ", "func ", "package ", "using ", "$ ",
    "sudo ", "<div", "<html", "print(", "@", "traceback", "at ", "curl ", "docker ", "git ", "npm ", "pip ", "kubectl ",
)  # fmt: skip
_QUOTES = '"“”「」『』«»'
_MATH_SIGNS = "=+×÷√∫∑≤≥^π²³∠°%"
_SHAPES = (
    *(f"length<{limit}" for limit in (8, 16, 30, 50, 80, 120, 180, 260, 400, 700, 1500, 10**9)),
    *(f"lines<{limit}" for limit in (2, 3, 5, 10, 25, 10**9)),
    *(f"numbers<{limit}" for limit in (1, 2, 3, 5, 8, 10**9)),
    *(f"code_lines<{limit}" for limit in (1, 2, 4, 10**9)),
    *(f"code_signs<{limit}" for limit in (1, 4, 10, 10**9)),
    *(f"math_signs<{limit}" for limit in (1, 2, 4, 10**9)),
    *(f"quotes<{limit}" for limit in (1, 3, 10**9)),
    "asks_at_end", "asks_before_end", "asks_often", "paragraphs", "order_then_text", "order_after_text", "code_fence",
    "backticks", "joined_name", "call", "url", "choices", "bullets", "hangul", "han_or_kana", "latin", "mixed_scripts",
    "latex", "long_quote", "no_cue", "short_order_long_text",
)  # fmt: skip

NAMES = (
    tuple(f"{group}@{zone}" for group in GROUPS for zone in _ZONES) + tuple(f"{group}++" for group in GROUPS) + _SHAPES
)
"""Names of the features that are not n-grams, in the order of their numbers."""

_MANY = len(GROUPS) * len(_ZONES)
_SHAPE = {name: _MANY + len(GROUPS) + number for number, name in enumerate(_SHAPES)}


def _steps(name: str) -> tuple[tuple[int, ...], int]:
    """Return the limits of a measure, ascending, and the number of its first feature; the others follow it."""
    prefix = f"{name}<"
    limits = tuple(int(shape.removeprefix(prefix)) for shape in _SHAPES if shape.startswith(prefix))
    return limits, _SHAPE[f"{prefix}{limits[0]}"]


_STEPS = {
    name: _steps(name) for name in ("length", "lines", "numbers", "code_lines", "code_signs", "math_signs", "quotes")
}


@frozen
class Features:
    """What a text shows.

    `ngrams` are numbers below BUCKETS, `named` are positions in NAMES; both without repetition.
    """

    ngrams: frozenset[int]
    named: frozenset[int]


def extract(text: str) -> Features:
    """Return the features of `text`. Time grows with its length only up to some 1,200 characters."""
    head, body, tail = _zones(text)
    pieces = [_Piece(zone.casefold()) for zone in (head, body, tail)]
    named = _cues(pieces)
    if not named:
        named.add(_SHAPE["no_cue"])
    named |= _shape(text, head, tail)
    return Features(ngrams=_ngrams((pieces[0].words, pieces[2].words)), named=frozenset(named))


class _Piece:
    """A zone of the text, casefolded, and its words in order."""

    __slots__ = ("text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[str] = _WORD.findall(text) if text else []


def _zones(text: str) -> tuple[str, str, str]:
    if len(text) <= _HEAD:
        return text, "", ""
    rest = text[_HEAD:]
    return text[:_HEAD], rest[:-_TAIL][:_BODY], rest[-_TAIL:]


def _cues(pieces: Sequence[_Piece]) -> set[int]:
    """Return the numbers of the cue features: each group by zone, and groups that were met in several words."""
    met: dict[int, set[str]] = {}
    named: set[int] = set()
    for zone, piece in enumerate(pieces, 1):
        for group, cue, position in _found(piece):
            met.setdefault(group, set()).add(cue)
            named.add(group * len(_ZONES) + zone)
            if zone == 1 and position < _START:
                named.add(group * len(_ZONES))
    named.update(_MANY + group for group, cues in met.items() if len(cues) > 1)
    return named


def _found(piece: _Piece) -> list[tuple[int, str, int]]:
    """Return group, cue and position of every cue in a piece of text."""
    found: list[tuple[int, str, int]] = []
    end = 0
    for word in piece.words:
        position = piece.text.find(word, end)  # exact: no word begins in what lies between two
        end = position + len(word)
        cues = _cues_of(word)
        if cues:
            found += [(group, cue, position) for group, cue in cues]
        if word in PHRASES:
            found += [(group, phrase, position) for group, phrase in _phrases_at(word, piece.text, end)]
    if not piece.text.isascii():
        _add_runs(piece.text, found)
    return found


def _phrases_at(word: str, text: str, end: int) -> list[tuple[int, str]]:
    """Return group and phrase for each that begins with the word, which ends at `end`."""
    return [
        (group, word + rest)
        for rest, goes_on, group in PHRASES[word]
        if text.startswith(rest, end) and (goes_on or not text[end + len(rest) : end + len(rest) + 1].isalnum())
    ]


@lru_cache(maxsize=_WORDS_REMEMBERED)
def _cues_of(word: str) -> tuple[tuple[int, str], ...]:
    """Return group and cue for the word itself and for the stems that it begins with."""
    cues = [word] if word in WORDS else []
    stems = [word[:length] for length in STEM_LENGTHS.get(word[0], ()) if word[:length] in STEMS]
    return (
        *((group, cue) for cue in cues for group in WORDS[cue]),
        *((group, stem) for stem in stems for group in STEMS[stem]),
    )


def _add_runs(piece: str, found: list[tuple[int, str, int]]) -> None:
    for match in _RUN_STARTS.finditer(piece):
        position = match.start()
        for length in RUN_LENGTHS[match.group()]:
            run = piece[position : position + length]
            if run in RUNS:
                found += [(group, run, position) for group in RUNS[run]]


def _shape(text: str, head: str, tail: str) -> set[int]:
    seen = text if len(text) <= _HEAD + _TAIL + _BODY else head + text[_HEAD : _HEAD + _BODY] + tail
    lines = seen.split("\n")
    stripped = [line.strip() for line in lines if line.strip()]
    counts = {
        "length": len(text) if text.isascii() else _width(text, seen),
        "lines": len(stripped),
        "numbers": len(_NUMBER.findall(seen)),
        "code_lines": sum(_looks_like_code(line) for line in stripped),
        "code_signs": sum(map(seen.count, "{}();<>[]_\\")) * 100 // (len(seen) + 1),
        "math_signs": sum(map(seen.count, _MATH_SIGNS)),
        "quotes": sum(map(seen.count, _QUOTES)),
    }
    shape = {first + bisect_right(limits, counts[name]) for name, (limits, first) in _STEPS.items()}
    shape.update(_SHAPE[name] for name, holds in _claims(seen, stripped, head).items() if holds)
    return shape


def _claims(seen: str, lines: list[str], head: str) -> dict[str, bool]:
    first = lines[0] if lines else ""
    last = lines[-1] if lines else ""
    asks = seen.count("?") + seen.count("？")
    scripts = _scripts(head)
    return {
        "asks_at_end": last.endswith(("?", "？")),
        "asks_before_end": asks > 0 and not last.endswith(("?", "？")),
        "asks_often": asks > 1,
        "paragraphs": "\n\n" in seen,
        "order_then_text": len(lines) > 1
        and first.endswith((":", "：", ".", "요", "줘", "?"))
        and len(first) < len(last),
        "order_after_text": len(lines) > 1 and len(last) * 3 < len(first),
        "code_fence": "```" in seen,
        "backticks": "`" in seen and "```" not in seen,
        "joined_name": _has_joined_name(seen),
        "call": "()" in seen or "(self" in seen or "->" in seen or "=>" in seen or "==" in seen,
        "url": "http://" in seen or "https://" in seen or "www." in seen,
        "choices": "(A)" in seen or "A)" in seen or "A." in seen or "1)" in seen or "①" in seen,
        "bullets": sum(line[:2] in {"- ", "* ", "• ", "1.", "2.", "3."} for line in lines) > 1,
        "hangul": scripts[0] > 0,
        "han_or_kana": scripts[1] > 0,
        "latin": scripts[2] > 0,
        "mixed_scripts": sum(count > 5 for count in scripts) > 1,  # noqa: PLR2004 - a word or two of the other script
        "latex": "\\frac" in seen or "$$" in seen or "\\begin" in seen or "\\sqrt" in seen,
        "long_quote": ": " in head[: len(head) // 2] or "：" in head[: len(head) // 2],
        "short_order_long_text": len(lines) > 1 and len(first) < 80 < len(seen) // 3,  # noqa: PLR2004 - a line of order
    }


def _looks_like_code(line: str) -> bool:
    return line.endswith(_CODE_LINE_ENDS) or line.casefold().startswith(_CODE_LINE_STARTS)


def _has_joined_name(seen: str) -> bool:
    if "_" not in seen and not _INNER_CAPITAL.search(seen):
        return False
    return any("_" in word[1:-1] or _is_camel(word) for word in seen.split(maxsplit=120)[:120])


def _is_camel(word: str) -> bool:
    return (
        not word.islower() and word[1:].lower() != word[1:] and word.isalpha() and word.isascii() and not word.isupper()
    )


def _scripts(head: str) -> tuple[int, int, int]:
    """Return how many characters are Hangul, Han or kana, and Latin letters."""
    if head.isascii():
        return 0, 0, len(head)
    return _count(_HANGUL, head), _count(_HAN_OR_KANA, head), _count(_LATIN_LETTERS, head)


def _width(text: str, seen: str) -> int:
    """Return the length in Latin letters: a Hangul syllable or a Han character says as much as two of them."""
    wide = _count(_WIDE_LETTERS, seen)
    return len(text) + wide * len(text) // (len(seen) + 1)


def _count(letters: re.Pattern[str], text: str) -> int:
    return sum(map(len, letters.findall(text)))


def _ngrams(pieces: Iterable[list[str]]) -> frozenset[int]:
    """Return the numbers of words, pairs of words, and character n-grams inside words."""
    numbers: set[int] = set()
    seen: set[str] = set()
    for words in pieces:
        numbers.update(_numbers([f"{first} {second}".encode() for first, second in pairwise(["^", *words])]))
        seen.update(words)
    return frozenset(numbers.union(*map(_ngrams_of, seen)))


@lru_cache(maxsize=_WORDS_REMEMBERED)
def _ngrams_of(word: str) -> "array[int]":
    """Return the numbers of a word and of its character n-grams. Hangul goes by jamo, so that endings of verbs show."""
    if word.isascii():
        slices = _slices(f"<{word}>".encode(), (4, 5), 1)
    elif word[0] >= "\uac00":
        slices = _slices(normalize("NFD", word).encode("utf-16-be"), (5, 7), 2)
    elif word[0] >= "\u3040":
        slices = _slices(word.encode("utf-16-be"), (1, 2, 3), 2)
    else:
        slices = _slices(f"<{word}>".encode("utf-16-be"), (4, 5), 2)
    return array("H", _numbers([word.encode(), *slices]))


def _slices(encoded: bytes, sizes: tuple[int, ...], width: int) -> list[bytes]:
    """Return every run of so many letters; `width` is the bytes of one."""
    spans = [size * width for size in sizes]
    return [encoded[at : at + span] for span in spans for at in range(0, len(encoded) - span + 1, width)]


def _numbers(grams: list[bytes]) -> list[int]:
    return [number & _MASK for number in map(crc32, grams)]
