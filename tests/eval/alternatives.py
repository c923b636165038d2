"""Compares other learners with the shipped one, on the same features: `python -m tests.eval.alternatives --data FILE`.

Needs requirements-alternatives.txt in an environment of its own, so its imports have no types here.
Each learner is judged by whole sittings and by FILE. Some five minutes of one core.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np  # type: ignore[import-not-found]
from lightgbm import LGBMClassifier  # type: ignore[import-not-found]
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-not-found]
from sklearn.metrics import f1_score  # type: ignore[import-not-found]
from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-not-found]
from sklearn.neural_network import MLPClassifier  # type: ignore[import-not-found]
from sklearn.svm import LinearSVC  # type: ignore[import-not-found]

from pointsman.classifier import instructions
from pointsman.classifier.features import NAMES, extract
from pointsman.classifier.ngrams import BUCKETS
from pointsman.domain.category import CATEGORIES
from tests.eval import corpus, train
from tests.eval.curve import FOLDS, SEED, sittings


def _net(activation: str, width: int) -> MLPClassifier:
    """Return a net over the mean of one embedding a feature; with "identity" it is what fastText learns."""
    return MLPClassifier(
        (width,),
        activation=activation,
        alpha=1e-3,
        learning_rate_init=3e-3,
        batch_size=128,
        max_iter=8,
        random_state=SEED,
    )


LEARNERS: dict[str, Callable[[], Any]] = {
    "logistic regression, L-BFGS": lambda: LogisticRegression(C=3.0, max_iter=60, tol=1e-3),
    "linear SVM": lambda: LinearSVC(C=0.3),
    "nearest neighbours, 15 by cosine": lambda: KNeighborsClassifier(15, metric="cosine", weights="distance"),
    "hashed embeddings of 16, softmax (fastText)": lambda: _net("identity", 16),
    "averaged embeddings of 32, rectified": lambda: _net("relu", 32),
    "gradient boosting, 150 rounds": lambda: LGBMClassifier(
        n_estimators=150, num_leaves=15, min_child_samples=10, colsample_bytree=0.3, n_jobs=1, verbose=-1
    ),
}


def matrix(rows: Sequence[corpus.Row]) -> csr_matrix:
    """Return the inputs that the shipped learner sees."""
    columns, values, ends = [], [], [0]
    for row in rows:
        for number, value in train.inputs(extract(instructions.clean(row.text))):
            columns.append(number)
            values.append(value)
        ends.append(len(columns))
    return csr_matrix((values, columns, ends), shape=(len(rows), BUCKETS + len(NAMES)))


def main() -> None:
    """Print a line a learner: macro-F1 across sittings, and on the file, images known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a JSONL file of labelled prompts")
    rows, judged_on = corpus.training(), corpus.read(parser.parse_args().data)
    inputs, unseen = matrix(rows), matrix(judged_on)
    met = np.flatnonzero(np.diff(inputs.tocsc().indptr))  # what no prompt shows teaches nothing
    inputs, unseen = inputs[:, met], unseen[:, met]
    labels = np.array([row.label for row in rows])
    wanted = np.array([row.label for row in judged_on])
    images = np.array([row.has_image for row in judged_on])
    folds = _folds(rows)
    for name, make in LEARNERS.items():
        ruled = np.empty_like(labels)
        for fold in range(FOLDS):
            ruled[folds == fold] = (
                make().fit(inputs[folds != fold], labels[folds != fold]).predict(inputs[folds == fold])
            )
        on_file = make().fit(inputs, labels).predict(unseen)
        on_file[images] = "vision"
        across, outside = (
            f1_score(*pair, labels=CATEGORIES, average="macro") for pair in ((labels, ruled), (wanted, on_file))
        )
        sys.stdout.write(f"| {name} | {across:.3f} | {outside:.3f} |\n")
        sys.stdout.flush()


def _folds(rows: Sequence[corpus.Row]) -> np.ndarray:
    """Return the number of the fold of each row; a sitting is in one fold."""
    shuffled = sittings(rows)
    Random(SEED).shuffle(shuffled)
    number = {row.id: place % FOLDS for place, sitting in enumerate(shuffled) for row in sitting}
    return np.array([number[row.id] for row in rows])


if __name__ == "__main__":
    main()
