"""A small evaluation, made by hand: five prompts, of which three are ruled as they are labelled."""

from pointsman.cli.evaluation import Evaluation
from pointsman.cli.labelled import Labelled
from pointsman.config.settings import ClassifierSettings
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict

LABELS = ("coding", "coding", "quick", "review", "vision")
RULED = (("coding", 0.9), ("quick", 0.6), ("quick", 0.8), ("quick", 0.7), ("vision", 1.0))
LANGUAGES = ("en", "ko", "en", "en", "")


def verdict(category: str, confidence: float, hop: ModelHop = ModelHop.SWITCHED_OFF, number: int = 0) -> Verdict:
    return Verdict(
        category=category,
        confidence=confidence,
        decided_by=DecidedBy.EMBEDDED,
        model_hop=hop,
        duration_s=0.001 * (number + 1),
        model_duration_s=0.2 if hop in {ModelHop.ANSWERED, ModelHop.LATE} else None,
    )


def evaluation(
    hops: tuple[ModelHop, ...] = (ModelHop.SWITCHED_OFF,) * len(LABELS),
    *,
    turned: dict[int, Verdict] | None = None,
    lang: str | None = None,
    name: str = "",
) -> Evaluation:
    """Return the evaluation; `lang` and `name` stand in for every language and id."""
    prompts = [
        Labelled(
            id=name or f"line {number + 1}",
            text="as you like it",
            label=label,
            also_ok=("quick",) if number == 1 else (),
            lang=LANGUAGES[number] if lang is None else lang,
            has_image=label == "vision",
        )
        for number, label in enumerate(LABELS)
    ]
    verdicts = [
        verdict(category, confidence, hop, number)
        for number, ((category, confidence), hop) in enumerate(zip(RULED, hops, strict=True))
    ]
    settings = ClassifierSettings(mode="embedded" if turned is None else "cascade")
    return Evaluation(settings=settings, version="e1-test", prompts=prompts, verdicts=verdicts, turned=turned)
