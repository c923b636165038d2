"""Learns the shipped weights from the project's own corpus.

The same corpus gives the same bytes: `python -m tests.eval.train`.

Plain Python on purpose: four thousand prompts take half a minute, and no library's summation order gets into the bytes.
"""

import argparse
from math import exp, sqrt
from pathlib import Path
from random import Random

from pointsman.classifier import instructions
from pointsman.classifier.embedded import FILE, Header, features_digest, pack
from pointsman.classifier.features import NAMES, Features, extract
from pointsman.classifier.ngrams import BUCKETS
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus

WEIGHTS = Path(__file__).parents[2] / "services" / "pointsman" / "classifier" / "weights" / FILE

EPOCHS = 10
RATE = 0.5
NGRAM_DECAY = 0.004
NAMED_DECAY = 0.004
NAMED_SHARE = 0.15  # the input value of a named feature: the smaller, the less the learner trusts a single one
SMOOTHING = 0.06  # labels have a few per cent of noise, and borders are borders
TEMPERATURE = (
    0.7  # fitted 0.64 on development prompts; a little more, because the lexicon was written with them in sight
)
SEED = 20261122

_INT8 = 127

Example = tuple[list[tuple[int, float]], list[float]]


def learn(rows: list[corpus.Row]) -> bytes:
    """Return the file of weights learned from `rows`.

    AdaGrad on the cross-entropy, decay once an epoch, then rounded to int8.
    """
    examples = [_example(row) for row in rows]
    size = BUCKETS + len(NAMES)
    weights = [[0.0] * size for _ in CATEGORIES]
    squares = [[1.0] * size for _ in CATEGORIES]
    bias = [0.0] * len(CATEGORIES)
    active = sorted({number for features, _ in examples for number, _ in features})
    order = list(range(len(examples)))
    chance = Random(SEED)
    for epoch in range(EPOCHS):
        chance.shuffle(order)
        rate = RATE / (1.0 + 0.1 * epoch)
        for index in order:
            _step(examples[index], weights, squares, bias, rate)
        _decay(weights, active, rate)
    return _packed(weights, bias)


def _example(row: corpus.Row) -> Example:
    accepted = {row.label: 1.0} | dict.fromkeys(row.also_ok, 0.25)
    total = sum(accepted.values())
    spread = SMOOTHING / len(CATEGORIES)
    target = [(1.0 - SMOOTHING) * accepted.get(category, 0.0) / total + spread for category in CATEGORIES]
    return inputs(extract(instructions.clean(row.text))), target


def inputs(features: Features) -> list[tuple[int, float]]:
    """Return number and value of every input that is not zero; named features stand behind the n-grams."""
    share = 1.0 / sqrt(max(1, len(features.ngrams)))
    return [(number, share) for number in sorted(features.ngrams)] + [
        (BUCKETS + number, NAMED_SHARE) for number in sorted(features.named)
    ]


def _step(
    example: Example, weights: list[list[float]], squares: list[list[float]], bias: list[float], rate: float
) -> None:
    values, target = example
    logits = [
        base + sum(row[number] * value for number, value in values) for base, row in zip(bias, weights, strict=True)
    ]
    highest = max(logits)
    powers = [exp(logit - highest) for logit in logits]
    total = sum(powers)
    for category, (power, wanted) in enumerate(zip(powers, target, strict=True)):
        slope = power / total - wanted
        row, seen = weights[category], squares[category]
        bias[category] -= 0.05 * rate * slope
        for number, value in values:
            gradient = slope * value
            seen[number] += gradient * gradient
            row[number] -= rate * gradient / sqrt(seen[number])


def _decay(weights: list[list[float]], active: list[int], rate: float) -> None:
    ngram, named = 1.0 - NGRAM_DECAY * rate / RATE, 1.0 - NAMED_DECAY * rate / RATE
    for row in weights:
        for number in active:
            row[number] *= ngram if number < BUCKETS else named


def _packed(weights: list[list[float]], bias: list[float]) -> bytes:
    ngram_step = max(abs(weight) for row in weights for weight in row[:BUCKETS]) / _INT8
    named_step = max(abs(weight) for row in weights for weight in row[BUCKETS:]) / _INT8
    rows = bytearray()
    for number in range(BUCKETS + len(NAMES)):
        step = ngram_step if number < BUCKETS else named_step
        rows += bytes(round(row[number] / step) & 0xFF for row in weights)
    header = Header(
        features=features_digest(),
        ngram_step=round(ngram_step, 8),
        named_step=round(named_step * NAMED_SHARE, 8),
        bias=[round(base, 5) for base in bias],
        temperature=TEMPERATURE,
    )
    return pack(header, bytes(rows))


def main() -> None:
    """Learn and write the weights; with --check, only say whether the shipped ones are what the corpus gives."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail when the shipped weights differ")
    check = arguments.parse_args().check
    rows = corpus.training()
    learned = learn(rows)
    if not check:
        WEIGHTS.write_bytes(learned)
    same = WEIGHTS.read_bytes() == learned
    print(f"{len(rows)} prompts, {len(learned)} bytes, {'as shipped' if same else 'not what is shipped'}")
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
