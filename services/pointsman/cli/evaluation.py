"""Labelled prompts through the classifier of the settings, in this process: what it says about each, and how fast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pointsman.classifier.app import hop_of
from pointsman.classifier.classify import Classifier, Question
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.figures import Judged
from pointsman.classifier.hop import Hop, HopState
from pointsman.cli.failure import Failure
from pointsman.cli.invocation import program
from pointsman.cli.labelled import Labelled
from pointsman.cli.progress import bar
from pointsman.config.settings import ClassifierSettings
from pointsman.domain.clock import Clock
from pointsman.domain.verdict import ModelHop, Verdict

_LOOK_EVERY_S: Final = 0.05
_PATIENT_S: Final = 30.0
"""For the questions in another order: Ollama evaluates the turned instructions once, which takes longer than a slice
of the settings."""

_NOT_READY: Final = {
    HopState.MODEL_MISSING: f"Ollama does not have it; get it: {program()} pull --only classifier",
    HopState.SELF_TEST_FAILED: f"its self-test failed; see how: {program()} doctor",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Each prompt with its verdict.

    `turned` are the verdicts on prompts of which the model was asked again in another order, by the place of the
    prompt; None in mode "embedded", where nobody is asked.
    """

    settings: ClassifierSettings
    version: str
    prompts: Sequence[Labelled]
    verdicts: Sequence[Verdict]
    turned: Mapping[int, Verdict] | None

    def judged(self) -> list[Judged]:
        """Return what the arithmetic takes."""
        return [
            Judged(
                label=prompt.label,
                also_ok=prompt.also_ok,
                lang=prompt.lang,
                ruled=verdict.category,
                confidence=verdict.confidence,
                probabilities=verdict.probabilities,
            )
            for prompt, verdict in zip(self.prompts, self.verdicts, strict=True)
        ]


async def evaluate_all(
    settings: ClassifierSettings, prompts: Sequence[Labelled], *, clock: Clock, embedded: Embedded | None = None
) -> Evaluation:
    """Return the verdicts, one prompt at a time, nothing remembered; by the shipped weights unless others are given.

    Raises Failure when the model cannot be asked.
    """
    settings = replace(settings, cache_entries=0)
    embedded = embedded or Embedded.load()
    async with hop_of(settings, clock=clock) as hop:
        if hop is not None:
            await _until_ready(hop, settings, clock)
        classifier = Classifier(settings, embedded=embedded, hop=hop, clock=clock)
        await classifier.classify(_question(prompts[0]), budget_s=None)  # what is done once is no prompt's time
        verdicts = await _ruled(classifier, "ruling", prompts, clock)
    turned = None
    if hop is not None:
        heard = [at for at, verdict in enumerate(verdicts) if verdict.model_hop is ModelHop.ANSWERED]
        turned = await _asked_in_turn(settings, embedded, prompts, heard, clock)
    return Evaluation(settings=settings, version=classifier.version, prompts=prompts, verdicts=verdicts, turned=turned)


async def _asked_in_turn(
    settings: ClassifierSettings, embedded: Embedded, prompts: Sequence[Labelled], heard: Sequence[int], clock: Clock
) -> dict[int, Verdict]:
    """Return the verdicts with the categories in reverse order, of those prompts for which the model answers again."""
    patient = replace(settings, ollama=replace(settings.ollama, timeout_s=_PATIENT_S))
    async with hop_of(patient, clock=clock, in_reverse=True) as hop:
        if hop is None or not heard:
            return {}
        await _until_ready(hop, patient, clock)
        classifier = Classifier(patient, embedded=embedded, hop=hop, clock=clock)
        verdicts = await _ruled(classifier, "asking in another order", [prompts[at] for at in heard], clock)
    return {at: each for at, each in zip(heard, verdicts, strict=True) if each.model_hop is ModelHop.ANSWERED}


async def _ruled(classifier: Classifier, words: str, prompts: Sequence[Labelled], clock: Clock) -> list[Verdict]:
    verdicts = []
    with bar(words, len(prompts)) as tell:
        for prompt in prompts:
            verdicts.append(await classifier.classify(_question(prompt), budget_s=None))
            tell(len(verdicts))
            await clock.sleep(0)  # embedded verdicts wait for nothing: without it, Ctrl-C would have to
    return verdicts


async def _until_ready(hop: Hop, settings: ClassifierSettings, clock: Clock) -> None:
    with bar(f"loading {settings.ollama.model}", None):
        while hop.state is HopState.STARTING:
            await clock.sleep(_LOOK_EVERY_S)
    if hop.state is not HopState.READY:
        why = _NOT_READY.get(hop.state, f"no Ollama answers at {settings.ollama.url}; start it: ollama serve")
        raise Failure(
            f'mode "{settings.mode}" asks {settings.ollama.model}, but {why}\n'
            "or judge the embedded classifier alone: --mode embedded"
        )


def _question(prompt: Labelled) -> Question:
    return Question(text=prompt.text, context=prompt.context, has_image=prompt.has_image)
