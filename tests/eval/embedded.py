"""Prints how good and honest the embedded classifier is: `python -m tests.eval.embedded [--data FILE] [--json]`.

Judged are the sittings of the corpus that training never read, and any file of labelled prompts that is named. Figures
and tables are those of `pointsman eval`; how fast it is, `make bench ARGS="--only verdict"` says.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from pointsman.classifier.embedded import Embedded
from pointsman.cli.evaluation import Evaluation, evaluate_all
from pointsman.cli.evaluation_figures import Bounds, Figures, falls_short, summarise
from pointsman.cli.evaluation_page import page
from pointsman.cli.evaluation_table import show
from pointsman.cli.terminal import screen
from pointsman.config.settings import ClassifierSettings
from pointsman.domain.clock import SystemClock
from tests.eval import corpus

SETTINGS = ClassifierSettings(mode="embedded")
HELD_OUT = Bounds(min_accuracy=0.84, min_macro_f1=0.84, max_ece=0.08)
DATA = Bounds(min_macro_f1=0.82, min_worst_f1=0.72, min_accepted_accuracy=0.88, max_ece=0.05)
KOREAN_BEHIND = 0.05
"""How far Korean may stay behind English, in accuracy."""


def judge(embedded: Embedded, rows: Sequence[corpus.Row]) -> Evaluation:
    """Return what the service says about each row by these weights: an image is for the rule, earlier turns count."""
    return asyncio.run(evaluate_all(SETTINGS, rows, clock=SystemClock(), embedded=embedded))


def korean_behind(found: Figures) -> float | None:
    """Return by how much Korean accuracy is below that of English; None where one of the two is missing."""
    accuracy = {row["lang"]: row["accuracy"] for row in found["languages"]}
    return round(accuracy["en"] - accuracy["ko"], 4) if {"en", "ko"} <= accuracy.keys() else None


def shortfall(found: Figures, bounds: Bounds) -> list[str]:
    """Return a sentence for each bound that does not hold; Korean beside English is always one."""
    behind = korean_behind(found)
    languages = [f"Korean is {behind} behind English, wanted at most {KOREAN_BEHIND}"]
    return falls_short(found, bounds) + (languages if behind is not None and behind > KOREAN_BEHIND else [])


def flat(found: Figures, name: str) -> dict[str, float]:
    """Return the single numbers of an evaluation, each under `name`, and accuracy and F1 by language and category."""
    numbers = {key: value for key, value in found.items() if isinstance(value, float | int)}
    numbers |= {f"f1.{row['category']}": row["f1"] for row in found["categories"]}
    numbers |= {f"accuracy.{row['lang']}": row["accuracy"] for row in found["languages"]}
    return {f"{name}.{key}": value for key, value in numbers.items()}


def main() -> None:
    """Print the tables; exit with 1 when a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a JSONL file of labelled prompts to judge beside the held-out ones")
    parser.add_argument("--html", type=Path, help="where to write a page with plots, of the file if there is one")
    parser.add_argument("--json", action="store_true", help='end with one line {"ok", "figures", "falls_short"}')
    arguments = parser.parse_args()
    sets = [("held_out", corpus.held_out(), HELD_OUT)]
    if arguments.data:
        sets.append(("data", corpus.read(arguments.data), DATA))
    figures: dict[str, float] = {}
    short: list[str] = []
    embedded = Embedded.load()
    for name, rows, bounds in sets:
        found = summarise(judge(embedded, rows))
        here = shortfall(found, bounds)
        print(f"{name}, classifier {found['classifier_version']}")
        show(screen(), found)
        if arguments.html and name == sets[-1][0]:
            arguments.html.write_text(page(found, source=name, falls_short=here), encoding="utf-8")
        figures |= flat(found, name)
        short += [f"{name}: {sentence}" for sentence in here]
    if arguments.json:
        print(json.dumps({"ok": not short, "figures": figures, "falls_short": short}))
    else:
        print("\n".join(short) or "every bound holds")
    raise SystemExit(1 if short else 0)


if __name__ == "__main__":
    main()
