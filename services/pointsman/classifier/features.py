"""Text in, numbers of features out: word and character n-grams by hash, cue words and shape by name.

Pure, and bounded in time.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import add
from unicodedata import normalize
from zlib import crc32

from pointsman.classifier.cues import GROUPS, OPENING, PHRASES, RUNS, STEM_LENGTHS, STEMS, WORDS, Cue
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
_WORD = re.compile(rf"({_LATIN}(?:['’.#+/_-]+{_LATIN})*[#+*]*|[{_WIDE}]+)")
# The same for casefolded ASCII, which is looked up in a table and takes half the time.
_ASCII_WORD = re.compile("([a-z0-9]+(?:['.#+/_-]+[a-z0-9]+)*[#+*]*)")
_NUMBER = re.compile(r"\d+")
_HANGUL = re.compile("[\uac00-\ud7a3\u3131-\u318e]+")
_HAN_OR_KANA = re.compile("[\u3040-\u9fff]+")
_INNER_CAPITAL = re.compile("[A-Z](?<=[A-Za-z][A-Z])")  # begins with what is rare, so that little is tried
_LATIN_LETTERS = re.compile("[A-Za-z]+")
_WIDE_LETTERS = re.compile("[\u1100-\U0010ffff]+")
_RUN_OPENINGS = frozenset(RUNS)
_WORDS_REMEMBERED = 4096
"""Of so many words the n-grams and the cues are kept: a few hundred make up most of any text. Some 3 MB at most."""
_CODE_LINE_ENDS = (";", "{", "}", "):", "):\\", ",)", "=>", "];")
_CODE_LINE_STARTS = (
    "def ", "class ", "import ", "from ", "function ", "const ", "let ", "var ", "public ", "private ", "#include",
    "<?php", "select ", "return ", "for (", "if (", "while (", "async ", "fn ", "func ", "package ", "using ", "$ ",
    "sudo ", "<div", "<html", "print(", "@", "traceback", "at ", "curl ", "docker ", "git ", "npm ", "pip ", "kubectl ",
)  # fmt: skip
_BULLETS = frozenset({"- ", "* ", "• ", "1.", "2.", "3."})
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
    """A zone of the text, casefolded, its words in order, and where each of them starts and ends."""

    __slots__ = ("ends", "starts", "text", "words")

    def __init__(self, text: str) -> None:
        self.text = text
        parts = (_ASCII_WORD if text.isascii() else _WORD).split(text)  # between two words stands what parts them
        places = list(accumulate(map(len, parts)))
        self.words, self.starts, self.ends = parts[1::2], places[:-1:2], places[1::2]


def _zones(text: str) -> tuple[str, str, str]:
    if len(text) <= _HEAD:
        return text, "", ""
    rest = text[_HEAD:]
    return text[:_HEAD], rest[:-_TAIL][:_BODY], rest[-_TAIL:]


def _cues(pieces: Sequence[_Piece]) -> set[int]:
    """Return the numbers of the cue features: each group by zone, and groups that were met in several words."""
    met: set[Cue] = set()
    named: set[int] = set()
    for zone, piece in enumerate(pieces, 1):
        for cue, position in _found(piece) if piece.text else ():
            met.add(cue)
            named.add(cue[0] * len(_ZONES) + zone)
            if zone == 1 and position < _START:
                named.add(cue[0] * len(_ZONES))
    groups = [group for group, _ in met]
    named.update([_MANY + group for group in groups if groups.count(group) > 1])
    return named


def _found(piece: _Piece) -> list[tuple[Cue, int]]:
    """Return every cue in a piece of text, with a position; that of a run is its first."""
    text = piece.text
    found = [
        (cue, start)
        for cues, start in zip(map(_cues_of, piece.words), piece.starts, strict=True)
        if cues
        for cue in cues
    ]
    found += [
        (phrase.cue, start)
        for phrases, start, end in zip(map(PHRASES.get, piece.words), piece.starts, piece.ends, strict=True)
        if phrases
        for phrase in phrases.get(text[end : end + OPENING], ())
        if text.startswith(phrase.rest, end) and (phrase.goes_on or _ends_word(text, end + len(phrase.rest)))
    ]
    if not text.isascii():
        found += [
            (run, position)
            for opening in ("", *_RUN_OPENINGS.intersection(map(add, text, text[1:])))
            for run in RUNS[opening]
            if (position := text.find(run[1])) >= 0
        ]
    return found


def _ends_word(text: str, end: int) -> bool:
    return not text[end : end + 1].isalnum()


@lru_cache(maxsize=_WORDS_REMEMBERED)
def _cues_of(word: str) -> tuple[Cue, ...]:
    """Return the cues that the word itself is, and the stems that it begins with."""
    stems = [cue for length in STEM_LENGTHS.get(word[0], ()) for cue in STEMS.get(word[:length], ())]
    return (*WORDS.get(word, ()), *stems)


def _shape(text: str, head: str, tail: str) -> set[int]:
    seen = text if len(text) <= _HEAD + _TAIL + _BODY else head + text[_HEAD : _HEAD + _BODY] + tail
    lines = [line for line in map(str.strip, seen.split("\n")) if line]
    counts = {
        "length": len(text) if text.isascii() else _width(text, seen),
        "lines": len(lines),
        "numbers": len(_NUMBER.findall(seen)),
        "code_lines": sum(map(_looks_like_code, lines)),
        "code_signs": sum(map(seen.count, "{}();<>[]_\\")) * 100 // (len(seen) + 1),
        "math_signs": sum(map(seen.count, _MATH_SIGNS)),
        "quotes": sum(map(seen.count, _QUOTES)),
    }
    shape = {first + bisect_right(limits, counts[name]) for name, (limits, first) in _STEPS.items()}
    shape.update([_SHAPE[name] for name, holds in _claims(seen, lines, head).items() if holds])
    return shape


def _claims(seen: str, lines: list[str], head: str) -> dict[str, bool]:
    first = lines[0] if lines else ""
    last = lines[-1] if lines else ""
    asks = seen.count("?") + seen.count("？")
    asks_at_end = last.endswith(("?", "？"))
    first_half = head[: len(head) // 2]
    scripts = _scripts(head)
    return {
        "asks_at_end": asks_at_end,
        "asks_before_end": asks > 0 and not asks_at_end,
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
        "bullets": len(lines) > 1 and sum([line[:2] in _BULLETS for line in lines]) > 1,
        "hangul": scripts[0] > 0,
        "han_or_kana": scripts[1] > 0,
        "latin": scripts[2] > 0,
        "mixed_scripts": sorted(scripts)[1] > 5,  # noqa: PLR2004 - a word or two of the other script
        "latex": "\\frac" in seen or "$$" in seen or "\\begin" in seen or "\\sqrt" in seen,
        "long_quote": ": " in first_half or "：" in first_half,
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
    pairs: list[int] = []
    seen: set[str] = set()
    for words in pieces:
        if words:
            pairs += _pairs(words)
            seen.update(words)
    return frozenset().union(pairs, *map(_ngrams_of, seen))


def _pairs(words: list[str]) -> list[int]:
    """Return the numbers of "^ first", "first second" and so on; the sum of a pair goes on from that of its first."""
    firsts = " \n".join(("^", *words)).encode().split(b"\n")
    seconds = "\n".join(words).encode().split(b"\n")
    return [number & _MASK for number in map(crc32, seconds, map(crc32, firsts))]


@lru_cache(maxsize=_WORDS_REMEMBERED)
def _ngrams_of(word: str) -> tuple[int, ...]:
    """Return the numbers of a word and of its character n-grams. Hangul goes by jamo, so that endings of verbs show."""
    if word.isascii():
        slices = _slices(f"<{word}>".encode(), (4, 5), 1)
    elif word[0] >= "\uac00":
        slices = _slices(normalize("NFD", word).encode("utf-16-be"), (10, 14), 2)
    elif word[0] >= "\u3040":
        slices = _slices(word.encode("utf-16-be"), (2, 4, 6), 2)
    else:
        slices = _slices(f"<{word}>".encode("utf-16-be"), (8, 10), 2)
    return tuple([number & _MASK for number in map(crc32, (word.encode(), *slices))])


def _slices(encoded: bytes, sizes: tuple[int, ...], width: int) -> list[bytes]:
    """Return every run of so many bytes; `width` is that of a letter."""
    return [encoded[at : at + size] for size in sizes for at in range(0, len(encoded) - size + 1, width)]
