"""Words → numbers of n-grams: which n-gram falls into which bucket is decided by crc32, the same on every machine."""

from collections.abc import Iterable
from typing import Final
from unicodedata import normalize
from zlib import crc32

BUCKETS: Final = 1 << 16
"""Number of n-gram features."""
_MASK: Final = BUCKETS - 1

FIRST: Final = crc32(b"^ ")
"""What the number of a pair goes on from where its second word is the first of the text."""


def ngrams_of(word: str) -> frozenset[int]:
    """Return the numbers of a word and of its character n-grams. Hangul goes by jamo, so that endings of verbs show."""
    if word.isascii():
        slices = _slices(f"<{word}>".encode(), (4, 5), 1)
    elif word[0] >= "\uac00":
        slices = _slices(normalize("NFD", word).encode("utf-16-be"), (10, 14), 2)
    elif word[0] >= "\u3040":
        slices = _slices(word.encode("utf-16-be"), (2, 4, 6), 2)
    else:
        slices = _slices(f"<{word}>".encode("utf-16-be"), (8, 10), 2)
    return frozenset([number & _MASK for number in map(crc32, (word.encode(), *slices))])


def pairs(firsts: Iterable[int], seconds: Iterable[bytes]) -> list[int]:
    """Return the numbers of "first second" and so on: the checksum of each first with its space, and each second."""
    return [number & _MASK for number in map(crc32, seconds, firsts)]


def _slices(encoded: bytes, sizes: tuple[int, ...], width: int) -> list[bytes]:
    """Return every run of so many bytes; `width` is that of a letter."""
    return [encoded[at : at + size] for size in sizes for at in range(0, len(encoded) - size + 1, width)]
