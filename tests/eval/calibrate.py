"""Fits the temperature on real prompts, shows what confidence is worth: `python -m tests.eval.calibrate --data FILE`.

The file's rows name their source. A temperature is judged only on sources that it was not fitted on.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from pointsman.classifier import figures, instructions
from pointsman.classifier.calibration import Distribution, softmax
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.features import extract
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus

TEMPERATURES = tuple(number / 100 for number in range(30, 201, 2))
ACCEPT = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
FOLDS = 7
STEPS = 400
RATE = 0.5
TIGHTNESS = 0.02
"""How strongly vector scaling is held to the one temperature: with some hundred prompts, ten numbers fit the noise."""

Calibrator = Callable[[Sequence[float]], Distribution]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A row with its raw scores, one for each of CATEGORIES; the temperature is not yet in them."""

    row: corpus.Row
    source: str
    logits: tuple[float, ...]


def score(embedded: Embedded, path: Path) -> list[Scored]:
    """Return the rows of `path` that a text alone decides, scored. Rows with an image are left out: a rule has them."""
    raw = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Scored(
            row=row,
            source=json.dumps(fields.get("source", ""), sort_keys=True),
            logits=tuple(embedded.logits(extract(instructions.clean(row.text)))),
        )
        for row, fields in zip(corpus.read(path), raw, strict=True)
        if not row.has_image
    ]


def fit(scored: Sequence[Scored]) -> float:
    """Return the temperature of TEMPERATURES under which the labels are least surprising."""
    return min(TEMPERATURES, key=lambda temperature: _surprise(scored, temperature))


def _surprise(scored: Sequence[Scored], temperature: float) -> float:
    return -sum(
        log(max(1e-9, softmax(one.logits, temperature=temperature)[CATEGORIES.index(one.row.label)])) for one in scored
    )


def tempered(scored: Sequence[Scored]) -> Calibrator:
    """Return what makes scores honest by one temperature, fitted on `scored`."""
    temperature = fit(scored)
    return lambda logits: softmax(logits, temperature=temperature)


def scaled(scored: Sequence[Scored]) -> Calibrator:
    """Return what makes scores honest by a factor and a constant for each category, fitted on `scored`."""
    start = 1 / fit(scored)
    factors, constants = [start] * len(CATEGORIES), [0.0] * len(CATEGORIES)

    def calibrated(logits: Sequence[float]) -> Distribution:
        return softmax([f * logit + c for f, logit, c in zip(factors, logits, constants, strict=True)])

    for _ in range(STEPS):
        slopes = [[TIGHTNESS * (factor - start), TIGHTNESS * c] for factor, c in zip(factors, constants, strict=True)]
        for one in scored:
            for number, probability in enumerate(calibrated(one.logits)):
                excess = (probability - (CATEGORIES[number] == one.row.label)) / len(scored)
                slopes[number][0] += excess * one.logits[number]
                slopes[number][1] += excess
        for number, (factor_slope, constant_slope) in enumerate(slopes):
            factors[number] -= RATE * factor_slope
            constants[number] -= RATE * constant_slope
    return calibrated


def judge(scored: Sequence[Scored], calibrated: Calibrator) -> list[figures.Judged]:
    """Return the verdict on each row, as sure as `calibrated` makes it."""
    judged = []
    for one in scored:
        distribution = calibrated(one.logits)
        confidence, ruled = max(zip(distribution, CATEGORIES, strict=True))
        judged.append(
            figures.Judged(
                label=one.row.label,
                also_ok=one.row.also_ok,
                lang=one.row.lang,
                ruled=ruled,
                confidence=confidence,
                probabilities=tuple(zip(CATEGORIES, distribution, strict=True)),
            )
        )
    return judged


def hands(scored: Sequence[Scored]) -> list[set[str]]:
    """Return the sources in FOLDS hands, the largest dealt first, each to the hand with the fewest rows."""
    dealt: list[set[str]] = [set() for _ in range(FOLDS)]
    sizes = [0] * FOLDS
    by_source = {source: sum(one.source == source for one in scored) for source in {one.source for one in scored}}
    for source, size in sorted(by_source.items(), key=lambda pair: (-pair[1], pair[0])):
        smallest = sizes.index(min(sizes))
        dealt[smallest].add(source)
        sizes[smallest] += size
    return dealt


def cross_fitted(
    scored: Sequence[Scored], method: Callable[[Sequence[Scored]], Calibrator] = tempered
) -> list[figures.Judged]:
    """Return verdicts, each as sure as what `method` fitted on the other hands of sources makes it."""
    judged = []
    for hand in hands(scored):
        calibrated = method([one for one in scored if one.source not in hand])
        judged += judge([one for one in scored if one.source in hand], calibrated)
    return judged


def compared(scored: Sequence[Scored]) -> list[str]:
    """Return a line a method: how right and how honest it is on sources that it was not fitted on."""
    lines = ["on sources not fitted on   accuracy    ECE  Brier  log loss"]
    for name, method in (("one temperature", tempered), ("a factor and a constant each", scaled)):
        judged = cross_fitted(scored, method)
        surprise = -sum(log(max(1e-9, dict(one.probabilities)[one.label])) for one in judged) / len(judged)
        lines.append(
            f"{name:28} {figures.accuracy(judged):6.3f} {figures.calibration_error(judged):6.3f} "
            f"{figures.brier_score(judged):6.3f} {surprise:9.3f}"
        )
    return lines


def reliability(judged: Sequence[figures.Judged]) -> list[str]:
    """Return a line a tenth of confidence: how many verdicts, how sure, how right."""
    return [
        "confidence    prompts   said  right",
        *(
            f"{held.low:.1f} to {held.high:.1f}  {held.right.of:9} {held.confidence:6.3f} {held.right.value:6.3f}"
            for held in figures.reliability(judged)
        ),
    ]


def risk_coverage(judged: Sequence[figures.Judged]) -> list[str]:
    """Return a line a threshold: what share is accepted, how right that is, and how right the rest is."""
    lines = ["accept from   share  accuracy   of the rest"]
    for confidence in ACCEPT:
        share, accuracy = figures.accepted(judged, confidence=confidence)
        rest = [one for one in judged if one.confidence < confidence]
        lines.append(f"{confidence:11.2f} {share:7.3f} {accuracy:9.3f} {figures.accuracy(rest) if rest else 1.0:13.3f}")
    return lines


def main() -> None:
    """Print the fitted temperature, the figures across sources, and both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a JSONL file of labelled prompts that name a source")
    scored = score(Embedded.load(), parser.parse_args().data)
    judged = cross_fitted(scored)
    print(f"{len(scored)} prompts without an image; temperature fitted on all: {fit(scored):.2f}")
    temperatures = (fit([one for one in scored if one.source not in hand]) for hand in hands(scored))
    print(f"fitted without each of {FOLDS} groups of sources: " + " ".join(f"{one:.2f}" for one in temperatures))
    print("\n".join(compared(scored)))
    print("\n".join(reliability(judged)))
    print("\n".join(risk_coverage(judged)))


if __name__ == "__main__":
    main()
