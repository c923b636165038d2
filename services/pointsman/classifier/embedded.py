"""The classifier that needs no server: shipped weights in, a distribution over the categories out.

It always answers.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from hashlib import sha256
from importlib import resources
from math import sqrt
from operator import attrgetter, itemgetter

from pointsman.classifier.calibration import Distribution, softmax
from pointsman.classifier.features import NAMES, Features, extract
from pointsman.classifier.memory import Memory
from pointsman.classifier.ngrams import BUCKETS
from pointsman.classifier.words import WORDS_REMEMBERED, Word
from pointsman.domain.category import CATEGORIES
from pointsman.domain.frozen import frozen

FILE = "embedded.bin"

_MAGIC = b"pointsman weights 1\n"
_FIELD_BYTES = 3
_FIELD_BITS = 8 * _FIELD_BYTES
_FIELD_MASK = (1 << _FIELD_BITS) - 1
_OFFSET = 128  # makes an int8 a non-negative field
_NGRAMS = attrgetter("ngrams")
_IS_REMEMBERED = attrgetter("is_remembered")
_SHIFTED = bytes((weight + _OFFSET) % 256 for weight in range(256))  # of an int8 in two's complement


@frozen
class Header:
    """What goes with the int8 rows: what one step is worth, for n-grams and for named features, and the calibration."""

    features: str
    ngram_step: float
    named_step: float
    bias: Sequence[float]
    temperature: float


def features_digest() -> str:
    """Return a short hash of the named features and the categories. Weights trained for others must not be used."""
    return sha256("\n".join((str(BUCKETS), *NAMES, *CATEGORIES)).encode()).hexdigest()[:16]


def pack(header: Header, rows: bytes) -> bytes:
    """Return the file of weights; the same bytes for the same weights."""
    return _MAGIC + json.dumps(asdict(header), sort_keys=True).encode() + b"\n" + rows


def unpack(packed: bytes) -> tuple[Header, bytes]:
    """Return header and rows of a file of weights; raise ValueError when it is damaged or for other features."""
    if not packed.startswith(_MAGIC):
        raise ValueError("not a file of weights")
    line, _, rows = packed[len(_MAGIC) :].partition(b"\n")
    header = Header(**json.loads(line))
    if header.features != features_digest() or len(rows) != (BUCKETS + len(NAMES)) * len(CATEGORIES):
        raise ValueError("the weights are for other features; train them again (python -m tests.eval.train)")
    return header, rows


class Embedded:
    """Weights ready to score.

    The five weights of a feature are fields of one integer, so that one sum adds them all.
    """

    def __init__(self, packed: bytes) -> None:
        """Take a file of weights; raise ValueError when it cannot be used."""
        self._header, rows = unpack(packed)
        fields = _joined(rows)
        self._ngrams, self._named = fields[:BUCKETS], fields[BUCKETS:]
        self._sums = Memory(self._sum_of, size=WORDS_REMEMBERED, worth=_IS_REMEMBERED)
        self.version = f"e1-{sha256(packed).hexdigest()[:4]}"

    @classmethod
    def load(cls) -> "Embedded":
        """Return the classifier of the weights in the package."""
        return cls((resources.files("pointsman.classifier") / "weights" / FILE).read_bytes())

    def distribution(self, text: str) -> Distribution:
        """Return the probability of each of CATEGORIES, in their order."""
        return self.weigh(extract(text))

    def weigh(self, features: Features) -> Distribution:
        """Return the same for a text whose features are known."""
        return softmax(self.logits(features), temperature=self._header.temperature)

    def logits(self, features: Features) -> list[float]:
        """Return the score of each of CATEGORIES.

        N-grams are scaled by the root of their number, so that long texts do not shout.
        """
        header = self._header
        total, count = self._sum_of_ngrams(features)
        ngram_scale = header.ngram_step / sqrt(max(1, count))
        ngram_sums = _parted(total, count)
        named_sums = _parted(_sum(self._named, features.named), len(features.named))
        return [
            bias + ngram_scale * ngram + header.named_step * named
            for bias, ngram, named in zip(header.bias, ngram_sums, named_sums, strict=True)
        ]

    def _sum_of_ngrams(self, features: Features) -> tuple[int, int]:
        """Return the sum over all n-grams, each counted once, and how many they are.

        Words are added as a whole; what several have in common, mostly nothing, is taken off again.
        """
        seen = set(features.besides)
        total = sum(map(self._sums.__getitem__, features.words), _sum(self._ngrams, seen))
        for ngrams in map(_NGRAMS, features.words):
            if not seen.isdisjoint(ngrams):
                total -= _sum(self._ngrams, seen & ngrams)
            seen |= ngrams
        return total, len(seen)

    def _sum_of(self, word: Word) -> int:
        return _sum(self._ngrams, word.ngrams)


def _joined(rows: bytes) -> list[int]:
    """Return an integer a row, its first weight in the lowest field."""
    fields = bytearray(len(rows) * _FIELD_BYTES)
    fields[::_FIELD_BYTES] = rows.translate(_SHIFTED)
    width = len(CATEGORIES) * _FIELD_BYTES
    return [int.from_bytes(fields[at : at + width], "little") for at in range(0, len(fields), width)]


def _sum(table: Sequence[int], numbers: Collection[int]) -> int:
    # One call fetches all, in two thirds of the time; of a single number it would make no tuple.
    return sum(itemgetter(*numbers)(table) if len(numbers) > 1 else [table[number] for number in numbers])


def _parted(total: int, count: int) -> list[int]:
    """Return the five fields of the sum of so many rows."""
    offset = _OFFSET * count
    return [((total >> (number * _FIELD_BITS)) & _FIELD_MASK) - offset for number in range(len(CATEGORIES))]
