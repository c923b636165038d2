"""Prints how good, honest and fast the embedded classifier is: `python -m tests.eval.embedded [--data FILE] [--json]`.

Judged are the sittings of the corpus that training never read, and any file of labelled prompts that is named.
Rows with an attached image go to the rule, as they do in the service; figures on texts alone stand beside.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pointsman.classifier import conversation, figures, instructions
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.rules import rule
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus

HELD_OUT_ACCURACY = 0.84
HELD_OUT_MACRO_F1 = 0.84
HELD_OUT_CALIBRATION_ERROR = 0.08
DATA_MACRO_F1 = 0.82
DATA_ACCEPTED_ACCURACY = 0.88
DATA_WORST_F1 = 0.72
DATA_KOREAN_BEHIND = 0.05
DATA_CALIBRATION_ERROR = 0.05
ACCEPT_CONFIDENCE = 0.8  # the default of classifier.accept_confidence
VERDICT_P50_MS = 0.3
VERDICT_P99_MS = 2.0

Figures = dict[str, float]


def judge(embedded: Embedded, rows: list[corpus.Row]) -> list[figures.Judged]:
    """Return each row with what rules and embedded classifier say about it."""
    return [_judged(embedded, row) for row in rows]


def _judged(embedded: Embedded, row: corpus.Row) -> figures.Judged:
    ruled = rule(category="", has_image=row.has_image)
    if ruled is not None:
        category, confidence = ruled.category, ruled.confidence
    else:
        read = instructions.excerpt(row.text, row.context)
        distribution = conversation.read(embedded.distribution, read.text, read.context)
        confidence, category = max(zip(distribution, CATEGORIES, strict=True))
    return figures.Judged(label=row.label, also_ok=row.also_ok, lang=row.lang, ruled=category, confidence=confidence)


def summarise(judged: list[figures.Judged], name: str) -> Figures:
    """Return the figures of one set of verdicts, each under `name`."""
    share, accepted_accuracy = figures.accepted(judged, confidence=ACCEPT_CONFIDENCE)
    summary = {
        "prompts": float(len(judged)),
        "accuracy": figures.accuracy(judged),
        "accuracy_lenient": figures.lenient_accuracy(judged),
        "macro_f1": figures.macro_f1(judged),
        "ece": figures.calibration_error(judged),
        "accepted_share": share,
        "accepted_accuracy": accepted_accuracy,
    }
    summary |= {f"f1.{category}": score for category, score in figures.f1_by_category(judged).items()}
    for lang in sorted({one.lang for one in judged}):
        of_lang = [one for one in judged if one.lang == lang]
        summary[f"accuracy.{lang}"] = figures.accuracy(of_lang)
    return {f"{name}.{key}": round(value, 4) for key, value in summary.items()}


def speed(embedded: Embedded, rows: list[corpus.Row]) -> Figures:
    """Return the time of one verdict, in milliseconds and as a multiple of a fixed loop run beside it.

    All texts are ruled on three times in turn, and the shortest time of each counts: what else a machine does is no
    property of the classifier.
    """
    texts = [row.text for row in rows]
    _rule_on(embedded, texts[0])
    rounds = [[_timed_ms(partial(_rule_on, embedded, text)) for text in texts] for _ in range(3)]
    taken_ms = sorted(map(min, zip(*rounds, strict=True)))
    loop_ms = statistics.median(_timed_ms(_calibration_loop) for _ in range(200))
    p50, p99 = statistics.median(taken_ms), taken_ms[int(len(taken_ms) * 0.99)]
    return {
        "verdict.p50_ms": round(p50, 4),
        "verdict.p99_ms": round(p99, 4),
        "verdict.p50_loops": round(p50 / loop_ms, 2),
    }


def _rule_on(embedded: Embedded, text: str) -> None:
    embedded.distribution(instructions.clean(text))


def _calibration_loop() -> None:
    total = 0
    for number in range(1_000):
        total += number & 7


def _timed_ms(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1_000


def falls_short(found: Figures) -> list[str]:
    """Return a sentence for each bound that does not hold; those of a named file count where there is one."""
    bounds = _BOUNDS + (_DATA_BOUNDS if "data.prompts" in found else ())
    found = found | _derived(found)
    return [
        f"{name} is {found[name]}, wanted {'≥' if at_least else '≤'} {bound}"
        for name, at_least, bound in bounds
        if name in found and not (found[name] >= bound if at_least else found[name] <= bound)
    ]


def _derived(found: Figures) -> Figures:
    """Return the worst F1, and how far Korean is behind English, of a named file that has both."""
    scores = [value for name, value in found.items() if name.startswith("data.f1.")]
    derived = {"data.worst_f1": min(scores)} if scores else {}
    if "data.accuracy.ko" in found and "data.accuracy.en" in found:
        derived["data.korean_behind"] = round(found["data.accuracy.en"] - found["data.accuracy.ko"], 4)
    return derived


_BOUNDS = (
    ("held_out.accuracy", True, HELD_OUT_ACCURACY),
    ("held_out.macro_f1", True, HELD_OUT_MACRO_F1),
    ("held_out.ece", False, HELD_OUT_CALIBRATION_ERROR),
    ("verdict.p50_ms", False, VERDICT_P50_MS),
    ("verdict.p99_ms", False, VERDICT_P99_MS),
)
_DATA_BOUNDS = (
    ("data.macro_f1", True, DATA_MACRO_F1),
    ("data.accepted_accuracy", True, DATA_ACCEPTED_ACCURACY),
    ("data.worst_f1", True, DATA_WORST_F1),
    ("data.korean_behind", False, DATA_KOREAN_BEHIND),
    ("data.ece", False, DATA_CALIBRATION_ERROR),
)
"""Name, whether the figure must be at least or at most the bound, and the bound."""


def main() -> None:
    """Print the figures; exit with 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a JSONL file of labelled prompts to judge beside the held-out ones")
    parser.add_argument("--json", action="store_true", help='end with one line {"ok", "figures", "falls_short"}')
    arguments = parser.parse_args()
    embedded = Embedded.load()
    held_out = corpus.held_out()
    found = summarise(judge(embedded, held_out), "held_out")
    if arguments.data:
        judged = judge(embedded, corpus.read(arguments.data))
        found |= summarise(judged, "data")
        of_text = [one for one, row in zip(judged, corpus.read(arguments.data), strict=True) if not row.has_image]
        found |= summarise(of_text, "data_without_images")
    found |= speed(embedded, corpus.read(arguments.data) if arguments.data else held_out)
    for name, value in found.items():
        print(f"{name:40} {value:10.4f}")
    short = falls_short(found)
    if arguments.json:
        print(json.dumps({"ok": not short, "figures": found, "falls_short": short}))
    else:
        print("\n".join(short) or "every bound holds")
    raise SystemExit(1 if short else 0)


if __name__ == "__main__":
    main()
