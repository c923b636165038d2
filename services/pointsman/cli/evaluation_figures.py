"""What an evaluation comes to, in the shape that scripts read, and which of the wanted bounds do not hold."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pointsman.classifier import figures
from pointsman.classifier.figures import Bin, Judged, Proportion
from pointsman.cli.evaluation import Evaluation

Figures = dict[str, Any]

MOST_MISTAKES: Final = 20

_DIGITS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What the caller wants to hold, shares from 0 to 1, time in milliseconds; None: whatever it is."""

    min_accuracy: float | None = None
    min_macro_f1: float | None = None
    min_worst_f1: float | None = None
    min_accepted_share: float | None = None
    min_accepted_accuracy: float | None = None
    max_ece: float | None = None
    max_p99_ms: float | None = None


def summarise(evaluation: Evaluation) -> Figures:
    """Return every figure by name; shares from 0 to 1, each `…_interval` holds 95 times of 100."""
    judged = evaluation.judged()
    scores = figures.f1_by_category(judged)
    accept_confidence = evaluation.settings.accept_confidence
    sure = figures.sure_of(judged, confidence=accept_confidence)
    durations_ms = [verdict.duration_s * 1_000 for verdict in evaluation.verdicts]
    return {
        "mode": evaluation.settings.mode,
        "classifier_version": evaluation.version,
        **_quality(judged),
        "worst_f1": _rounded(min(scores.values())),
        "brier": _rounded(figures.brier_score(judged)),
        "accept_confidence": accept_confidence,
        "accepted_share": _rounded(len(sure) / len(judged)),
        **(_share("accepted_accuracy", figures.right(sure)) if sure else {"accepted_accuracy": None}),
        "p50_ms": _rounded(figures.percentile(durations_ms, share=0.5)),
        "p99_ms": _rounded(figures.percentile(durations_ms, share=0.99)),
        **_hop(evaluation),
        "categories": [_of_category(category, judged) for category in figures.categories(judged)],
        "languages": _by_language(judged),
        "without_image": _without_image(evaluation, judged),
        "confusion": figures.confusion(judged),
        "reliability": [_of_bin(each) for each in figures.reliability(judged)],
        "risk_coverage": [
            {name: _rounded(value) for name, value in asdict(point).items()} for point in figures.risk_coverage(judged)
        ],
        "mistakes": _mistakes(evaluation, judged),
    }


def falls_short(found: Figures, bounds: Bounds) -> list[str]:
    """Return a sentence for each bound that does not hold."""
    rows = (
        ("accuracy", bounds.min_accuracy, True),
        ("macro_f1", bounds.min_macro_f1, True),
        ("worst_f1", bounds.min_worst_f1, True),
        ("accepted_share", bounds.min_accepted_share, True),
        ("accepted_accuracy", bounds.min_accepted_accuracy, True),
        ("ece", bounds.max_ece, False),
        ("p99_ms", bounds.max_p99_ms, False),
    )
    return [
        f"{name} is {'unknown' if found[name] is None else found[name]}, "
        f"wanted at {'least' if is_least else 'most'} {bound:g}"
        for name, bound, is_least in rows
        if bound is not None and not _holds(found[name], bound, is_least=is_least)
    ]


def _holds(value: float | None, bound: float, *, is_least: bool) -> bool:
    """Return whether a figure is within its bound; one that nobody knows is not."""
    return value is not None and (value >= bound if is_least else value <= bound)


def _quality(judged: Sequence[Judged]) -> Figures:
    """Return what is said of all prompts, and of those of one language."""
    return {
        "prompts": len(judged),
        **_share("accuracy", figures.right(judged)),
        **_share("accuracy_lenient", figures.acceptable(judged)),
        "macro_f1": _rounded(figures.macro_f1(judged)),
        "ece": _rounded(figures.calibration_error(judged)),
    }


def _hop(evaluation: Evaluation) -> Figures:
    """Return how many questions left for the small model, what became of them, and how many verdicts turned."""
    verdicts, turned = evaluation.verdicts, evaluation.turned
    asked = Proportion(sum(verdict.model_duration_s is not None for verdict in verdicts), len(verdicts))
    flips = None
    if turned:
        changed = sum(verdicts[at].category != verdict.category for at, verdict in turned.items())
        flips = {**_share("share", Proportion(changed, len(turned))), "asked_twice": len(turned)}
    return {
        "hop_share": _rounded(asked.value),
        "hop": dict(Counter(verdict.model_hop.value for verdict in verdicts).most_common()),
        "flips": flips,
    }


def _of_category(category: str, judged: Sequence[Judged]) -> Figures:
    labelled = [one for one in judged if one.label == category]
    ruled = [one for one in judged if one.ruled == category]
    return {
        "category": category,
        "prompts": len(labelled),
        "f1": _rounded(figures.f1_by_category(judged)[category]),
        **(_share("recall", figures.right(labelled)) if labelled else {"recall": None}),
        "recall_lenient": _rounded(figures.acceptable(labelled).value) if labelled else None,
        **(_share("precision", figures.right(ruled)) if ruled else {"precision": None}),
    }


def _of_bin(held: Bin) -> Figures:
    return {
        "low": held.low,
        "high": held.high,
        "prompts": held.right.of,
        "confidence": _rounded(held.confidence),
        **_share("accuracy", held.right),
    }


def _by_language(judged: Sequence[Judged]) -> list[Figures]:
    """Return the figures of each language, the one with the most prompts first."""
    counts = Counter(one.lang for one in judged)
    return [
        {"lang": lang, **_quality([one for one in judged if one.lang == lang])}
        for lang, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _without_image(evaluation: Evaluation, judged: Sequence[Judged]) -> Figures | None:
    """Return the figures of the texts alone, where a rule decided on the others; None where no prompt has an image."""
    pairs = list(zip(evaluation.prompts, judged, strict=True))
    texts = [one for prompt, one in pairs if not prompt.has_image]
    return _quality(texts) if texts and len(texts) < len(pairs) else None


def _mistakes(evaluation: Evaluation, judged: Sequence[Judged]) -> list[Figures]:
    """Return the surest rulings that no careful reader would accept; by id, so that no prompt gets into a report."""
    wrong = [(prompt, one) for prompt, one in zip(evaluation.prompts, judged, strict=True) if not one.is_acceptable]
    wrong.sort(key=lambda pair: -pair[1].confidence)
    return [
        {"id": prompt.id, "label": one.label, "ruled": one.ruled, "confidence": _rounded(one.confidence)}
        for prompt, one in wrong[:MOST_MISTAKES]
    ]


def _share(name: str, proportion: Proportion) -> Figures:
    return {
        name: _rounded(proportion.value),
        f"{name}_interval": [_rounded(bound) for bound in proportion.interval],
    }


def _rounded(value: float) -> float:
    return round(value, _DIGITS)
