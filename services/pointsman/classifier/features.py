"""Text in, numbers of features out: word and character n-grams by hash, cue words and shape by name.

Pure, and bounded in time.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence

from pointsman.classifier.cues import GROUPS, Cue
from pointsman.classifier.ngrams import FIRST, pairs
from pointsman.classifier.words import Piece, Word, cues_among
from pointsman.domain.frozen import frozen

# The order stands at the head or at the tail; what lies between is mostly the text that it is about.
_HEAD = 240
_TAIL = 160
_BODY = 800

_ZONES = ("start", "head", "body", "tail")
_HANGUL = re.compile("[\uac00-\ud7a3\u3131-\u318e]+")
_HAN_OR_KANA = re.compile("[\u3040-\u9fff]+")
_INNER_CAPITAL = re.compile("[A-Z](?<=[A-Za-z][A-Z])")  # begins with what is rare, so that little is tried
_LATIN_LETTERS = re.compile("[A-Za-z]+")
_WIDE_LETTERS = re.compile("[\u1100-\U0010ffff]+")
_CODE_LINE_ENDS = (";", "{", "}", "):", "):\\", ",)", "=>", "];")
_CODE_LINE_STARTS = (
    "def ", "class ", "import ", "from ", "function ", "const ", "let ", "var ", "public ", "private ", "#include",
    "<?php", "select ", "return ", "for (", "if (", "while (", "async ", "fn ", "func ", "package ", "using ", "$ ",
    "sudo ", "<div", "<html", "print(", "@", "traceback", "at ", "curl ", "docker ", "git ", "npm ", "pip ", "kubectl ",
)  # fmt: skip
_BULLETS = frozenset({"- ", "* ", "• ", "1.", "2.", "3."})
_QUOTES = frozenset('"“”「」『』«»')
_MATH_SIGNS = frozenset("=+×÷√∫∑≤≥^π²³∠°%")
_CODE_SIGNS = frozenset("{}();<>[]_\\")
_CALLS = ("()", "(self", "->", "=>", "==")
_CALL_SIGNS = frozenset("(>=")  # without one of these there is no call
_LATEX = ("\\frac", "\\begin", "\\sqrt")
_SIGNS = _QUOTES | _MATH_SIGNS | _CODE_SIGNS
# One scan finds all that is counted: these signs, question marks, and the first digit of each number.
_MARKS = re.compile(rf"[\d?？{re.escape(''.join(sorted(_SIGNS)))}](?<!\d\d)")
# The same for ASCII, which is looked up in a table.
_ASCII_MARKS = re.compile(rf"[0-9?{re.escape(''.join(sorted(filter(str.isascii, _SIGNS))))}](?<![0-9][0-9])")
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

    `words` are remembered ones; `besides` are the numbers of the n-grams that belong to none of them alone: pairs of
    words, and long words. `named` are positions in NAMES. All are without repetition.
    """

    words: frozenset[Word]
    besides: frozenset[int]
    named: frozenset[int]

    @property
    def ngrams(self) -> frozenset[int]:
        """The numbers, below BUCKETS, of all n-grams: words, pairs of words, and character n-grams inside words."""
        return self.besides.union(*[word.ngrams for word in self.words])


def extract(text: str) -> Features:
    """Return the features of `text`. Time grows with its length only up to some 1,200 characters."""
    head, body, tail = _zones(text)
    pieces = [Piece(zone.casefold()) for zone in (head, body, tail)]
    named = _cues(pieces)
    if not named:
        named.add(_SHAPE["no_cue"])
    named |= _shape(text, head, tail)
    read = [*pieces[0].words, *pieces[2].words]
    long = [word.ngrams for word in read if not word.is_remembered]
    besides = frozenset(_pairs(pieces[0].words) + _pairs(pieces[2].words)).union(*long)
    words = frozenset([word for word in read if word.is_remembered]) if long else frozenset(read)
    return Features(words=words, besides=besides, named=frozenset(named))


def _pairs(words: list[Word]) -> list[int]:
    """Return the numbers of "^ first", "first second" and so on."""
    return pairs((FIRST, *[word.checksum for word in words]), [word.encoded for word in words])


def _zones(text: str) -> tuple[str, str, str]:
    if len(text) <= _HEAD:
        return text, "", ""
    rest = text[_HEAD:]
    return text[:_HEAD], rest[:-_TAIL][:_BODY], rest[-_TAIL:]


def _cues(pieces: Sequence[Piece]) -> set[int]:
    """Return the numbers of the cue features: each group by zone, and groups that were met in several words."""
    met: set[Cue] = set()
    named: set[int] = set()
    for zone, piece in enumerate(pieces, 1):
        for cue, is_at_start in cues_among(piece) if piece.text else ():
            met.add(cue)
            named.add(cue[0] * len(_ZONES) + zone)
            if zone == 1 and is_at_start:
                named.add(cue[0] * len(_ZONES))
    groups = [group for group, _ in met]
    named.update([_MANY + group for group in groups if groups.count(group) > 1])
    return named


def _shape(text: str, head: str, tail: str) -> set[int]:
    seen = text if len(text) <= _HEAD + _TAIL + _BODY else head + text[_HEAD : _HEAD + _BODY] + tail
    lines = [line for line in map(str.strip, seen.split("\n")) if line]
    marks = "".join((_ASCII_MARKS if seen.isascii() else _MARKS).findall(seen))
    counts = {
        "length": len(text) if text.isascii() else _width(text, seen),
        "lines": len(lines),
        "numbers": sum(map(str.isdecimal, marks)),
        "code_lines": sum(map(_looks_like_code, lines)),
        "code_signs": sum(map(_CODE_SIGNS.__contains__, marks)) * 100 // (len(seen) + 1),
        "math_signs": sum(map(_MATH_SIGNS.__contains__, marks)),
        "quotes": sum(map(_QUOTES.__contains__, marks)),
    }
    shape = {first + bisect_right(limits, counts[name]) for name, (limits, first) in _STEPS.items()}
    shape.update([_SHAPE[name] for name, holds in _claims(seen, lines, head, marks).items() if holds])
    return shape


def _claims(seen: str, lines: list[str], head: str, marks: str) -> dict[str, bool]:
    first = lines[0] if lines else ""
    last = lines[-1] if lines else ""
    asks = marks.count("?") + marks.count("？")
    asks_at_end = last.endswith(("?", "？"))
    first_half = head[: len(head) // 2]
    scripts = _scripts(head)
    has_fence = "```" in seen
    return {
        "asks_at_end": asks_at_end,
        "asks_before_end": asks > 0 and not asks_at_end,
        "asks_often": asks > 1,
        "paragraphs": "\n\n" in seen,
        "order_then_text": len(lines) > 1
        and first.endswith((":", "：", ".", "요", "줘", "?"))
        and len(first) < len(last),
        "order_after_text": len(lines) > 1 and len(last) * 3 < len(first),
        "code_fence": has_fence,
        "backticks": "`" in seen and not has_fence,
        "joined_name": _has_joined_name(seen),
        "call": not _CALL_SIGNS.isdisjoint(marks) and any(map(seen.__contains__, _CALLS)),
        "url": ("://" in seen and ("http://" in seen or "https://" in seen)) or "www." in seen,
        "choices": "A)" in seen or "A." in seen or "1)" in seen or "①" in seen,
        "bullets": len(lines) > 1 and sum([line[:2] in _BULLETS for line in lines]) > 1,
        "hangul": scripts[0] > 0,
        "han_or_kana": scripts[1] > 0,
        "latin": scripts[2] > 0,
        "mixed_scripts": sorted(scripts)[1] > 5,  # noqa: PLR2004 - a word or two of the other script
        "latex": "$$" in seen or ("\\" in marks and any(map(seen.__contains__, _LATEX))),
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
