"""Fits the temperature on real prompts, shows what confidence is worth: `python -m tests.eval.calibrate --data FILE`.

The file's rows name their source. A temperature is judged only on sources that it was not fitted on.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from pointsman.classifier import figures, instructions
from pointsman.classifier.calibration import softmax
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.features import extract
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus

TEMPERATURES = tuple(number / 100 for number in range(30, 201, 2))
ACCEPT = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
FOLDS = 7


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


def judge(scored: Sequence[Scored], temperature: float) -> list[figures.Judged]:
    """Return the verdict on each row at `temperature`."""
    judged = []
    for one in scored:
        confidence, ruled = max(zip(softmax(one.logits, temperature=temperature), CATEGORIES, strict=True))
        judged.append(
            figures.Judged(
                label=one.row.label, also_ok=one.row.also_ok, lang=one.row.lang, ruled=ruled, confidence=confidence
            )
        )
    return judged


def cross_fitted(scored: Sequence[Scored]) -> tuple[list[figures.Judged], list[float]]:
    """Return verdicts, each at the temperature that the other sources gave, and those temperatures.

    The sources are dealt to FOLDS hands, the largest first, each to the hand with the fewest rows.
    """
    hands: list[set[str]] = [set() for _ in range(FOLDS)]
    sizes = [0] * FOLDS
    by_source = {source: sum(one.source == source for one in scored) for source in {one.source for one in scored}}
    for source, size in sorted(by_source.items(), key=lambda pair: (-pair[1], pair[0])):
        smallest = sizes.index(min(sizes))
        hands[smallest].add(source)
        sizes[smallest] += size
    judged, temperatures = [], []
    for hand in hands:
        temperature = fit([one for one in scored if one.source not in hand])
        temperatures.append(temperature)
        judged += judge([one for one in scored if one.source in hand], temperature)
    return judged, temperatures


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
    judged, temperatures = cross_fitted(scored)
    print(f"{len(scored)} prompts without an image; temperature fitted on all: {fit(scored):.2f}")
    print(f"fitted without each of {FOLDS} groups of sources: " + " ".join(f"{one:.2f}" for one in temperatures))
    print(f"calibration error on sources not fitted on: {figures.calibration_error(judged):.4f}")
    print("\n".join(reliability(judged)))
    print("\n".join(risk_coverage(judged)))


if __name__ == "__main__":
    main()
