"""Prints the learning curve and the figures across sittings: `python -m tests.eval.curve [--data FILE] [--draws 3]`.

A sitting is drawn whole or not at all: rows of one sitting resemble each other. Takes some ten minutes of one core.
"""

import argparse
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from random import Random
from statistics import mean, stdev

from pointsman.classifier import figures
from pointsman.classifier.embedded import Embedded
from pointsman.cli.evaluation import Evaluation
from pointsman.cli.evaluation_figures import summarise
from pointsman.cli.evaluation_table import show
from pointsman.cli.terminal import screen
from pointsman.domain.verdict import Verdict
from tests.eval import corpus, embedded, train

SIZES = (500, 1_000, 2_000, 4_000, 10**9)
FOLDS = 5
SEED = 20261127


def sittings(rows: Sequence[corpus.Row]) -> list[list[corpus.Row]]:
    """Return `rows` by sitting; a row's id begins with the name of its sitting."""
    return [list(group) for _, group in groupby(rows, key=lambda row: row.id.rpartition("-")[0])]


def draw(rows: Sequence[corpus.Row], size: int, chance: Random) -> list[corpus.Row]:
    """Return whole sittings drawn by lot until there are at least `size` rows, or all."""
    drawn: list[corpus.Row] = []
    shuffled = sittings(rows)
    chance.shuffle(shuffled)
    for sitting in shuffled:
        if len(drawn) >= size:
            break
        drawn += sitting
    return drawn


def across_sittings(rows: Sequence[corpus.Row]) -> Evaluation:
    """Return a verdict on each row by a classifier that saw no row of its sitting."""
    shuffled = sittings(rows)
    Random(SEED).shuffle(shuffled)
    prompts: list[corpus.Row] = []
    verdicts: list[Verdict] = []
    for fold in range(FOLDS):
        unseen = [row for sitting in shuffled[fold::FOLDS] for row in sitting]
        seen = [row for number in range(FOLDS) if number != fold for one in shuffled[number::FOLDS] for row in one]
        prompts += unseen
        verdicts += embedded.judge(Embedded(train.learn(seen)), unseen).verdicts
    return Evaluation(
        settings=embedded.SETTINGS, version="across sittings", prompts=prompts, verdicts=verdicts, turned=None
    )


def main() -> None:
    """Print a line a size, then the figures across sittings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a JSONL file to judge; without it, the held-out sittings")
    parser.add_argument("--draws", type=int, default=3, help="how often each size below the whole is drawn")
    arguments = parser.parse_args()
    rows = corpus.training()
    judged_on = corpus.read(arguments.data) if arguments.data else corpus.held_out()
    for size in SIZES:
        chance = Random(SEED)
        scores, learned = [], 0
        for _ in range(arguments.draws if size < len(rows) else 1):
            drawn = draw(rows, size, chance)
            learned = len(drawn)
            scores.append(figures.macro_f1(embedded.judge(Embedded(train.learn(drawn)), judged_on).judged()))
        spread = stdev(scores) if len(scores) > 1 else 0.0
        print(f"{learned:6} prompts: macro-F1 {mean(scores):.4f} ± {spread:.4f} over {len(scores)} draws", flush=True)
    print("across sittings:")
    show(screen(), summarise(across_sittings(rows)))


if __name__ == "__main__":
    main()
