from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.classifier.classify import Classifier, Question
from pointsman.classifier.embedded import Embedded
from pointsman.classifier.hop import Opinion
from pointsman.classifier.instructions import Excerpt
from pointsman.classifier.voice import UNFITTED, Calibration, Voice
from pointsman.config.settings import ClassifierSettings
from pointsman.domain.category import CATEGORIES
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop
from tests.fakes.clock import FakeClock

EMBEDDED = Embedded.load()
CODING = Question(text="write a python function that parses json and add unit tests")
VAGUE = Question(text="Could you take a look at this text?")
NEVER_SURE = 1.0
REVIEW_ABOVE_ALL = (0.02, 0.02, 0.02, 0.02, 0.92)
EVEN = (0.2,) * 5
STRANGER = Voice(digest="d1", prior=EVEN, calibration=UNFITTED)
MEASURED = Voice(
    digest="d1", prior=EVEN, calibration=Calibration(temperature=1.5, prior_share=0.5, most_weight=1.0)
)  # fmt: skip


def says_review(voice: Voice = MEASURED) -> Opinion:
    """What the hop brings when the model is all for review."""
    return Opinion(hop=ModelHop.ANSWERED, distribution=REVIEW_ABOVE_ALL, voice=voice, duration_s=0.08)


SAYS_REVIEW = says_review()


class ScriptedHop:
    """Answers what it is told to, and remembers how often it was asked and with how much time."""

    version = "09ab"

    def __init__(self, opinion: Opinion) -> None:
        self.opinion = opinion
        self.digest = "d1"
        self.timeouts_s: list[float] = []

    async def ask(self, excerpt: Excerpt, *, timeout_s: float) -> Opinion:
        self.timeouts_s.append(timeout_s)
        return self.opinion


def classifier(
    hop: ScriptedHop | None, mode: Literal["cascade", "ollama", "embedded"] = "cascade", *, accept: float = NEVER_SURE
) -> Classifier:
    chosen = ClassifierSettings(mode=mode, accept_confidence=accept)
    return Classifier(chosen, embedded=EMBEDDED, hop=hop, clock=FakeClock())


async def test_a_confident_embedded_verdict_needs_no_model() -> None:
    hop = ScriptedHop(SAYS_REVIEW)

    verdict = await classifier(hop, accept=0.5).classify(CODING, budget_s=None)

    assert (verdict.category, verdict.decided_by, verdict.model_hop) == (
        "coding", DecidedBy.EMBEDDED, ModelHop.CONFIDENT,
    )  # fmt: skip
    assert hop.timeouts_s == []


async def test_an_unsure_one_is_fused_with_the_models_opinion() -> None:
    verdict = await classifier(ScriptedHop(SAYS_REVIEW)).classify(VAGUE, budget_s=None)

    assert (verdict.category, verdict.decided_by, verdict.model_hop) == (
        "review", DecidedBy.FUSION, ModelHop.ANSWERED,
    )  # fmt: skip
    assert verdict.model_duration_s == 0.08


async def test_a_model_that_nobody_measured_counts_half_at_most_and_the_verdict_says_so() -> None:
    stranger, measured = classifier(ScriptedHop(says_review(STRANGER))), classifier(ScriptedHop(SAYS_REVIEW))

    bounded = await stranger.classify(CODING, budget_s=None)
    trusted = await measured.classify(CODING, budget_s=None)

    assert dict(bounded.probabilities)["review"] < dict(trusted.probabilities)["review"]
    assert bounded.classifier_version == f"{EMBEDDED.version}/m1-09ab-uncalibrated"
    assert trusted.classifier_version == f"{EMBEDDED.version}/m1-09ab"


async def test_a_verdict_without_the_model_says_nothing_of_its_calibration() -> None:
    verdict = await classifier(ScriptedHop(Opinion(hop=ModelHop.LATE))).classify(CODING, budget_s=None)

    assert verdict.classifier_version == f"{EMBEDDED.version}/m1-09ab"


async def test_what_another_model_said_is_not_remembered() -> None:
    hop = ScriptedHop(SAYS_REVIEW)
    ruling = classifier(hop)
    await ruling.classify(CODING, budget_s=None)
    hop.digest = "d2"

    again = await ruling.classify(CODING, budget_s=None)

    assert not again.cached


async def test_in_mode_ollama_the_model_decides_what_the_embedded_one_is_sure_of() -> None:
    verdict = await classifier(ScriptedHop(SAYS_REVIEW), "ollama").classify(CODING, budget_s=None)

    assert (verdict.category, verdict.decided_by) == ("review", DecidedBy.MODEL)
    assert verdict.degraded == ()


async def test_in_mode_embedded_nobody_else_is_asked() -> None:
    verdict = await classifier(None, "embedded").classify(CODING, budget_s=None)

    assert (verdict.decided_by, verdict.model_hop) == (DecidedBy.EMBEDDED, ModelHop.SWITCHED_OFF)
    assert "/m1-" not in verdict.classifier_version


NOT_HEARD = [hop for hop in ModelHop if hop not in {ModelHop.ANSWERED, ModelHop.NOT_NEEDED, ModelHop.CONFIDENT}]


@pytest.mark.parametrize("reason", NOT_HEARD)
async def test_without_the_model_the_embedded_verdict_stands_and_says_why(reason: ModelHop) -> None:
    verdict = await classifier(ScriptedHop(Opinion(hop=reason))).classify(CODING, budget_s=None)

    assert (verdict.decided_by, verdict.model_hop, verdict.degraded) == (DecidedBy.EMBEDDED, reason, ())


@pytest.mark.parametrize("reason", NOT_HEARD)
async def test_in_mode_ollama_standing_in_is_degraded(reason: ModelHop) -> None:
    verdict = await classifier(ScriptedHop(Opinion(hop=reason)), "ollama").classify(CODING, budget_s=None)

    assert verdict.degraded == (DegradedReason.MODEL_HOP_DOWN,)


async def test_an_equal_prompt_is_remembered() -> None:
    hop = ScriptedHop(SAYS_REVIEW)
    ruling = classifier(hop)
    first = await ruling.classify(CODING, budget_s=None)

    again = await ruling.classify(CODING, budget_s=None)

    assert (first.cached, again.cached) == (False, True)
    assert again.probabilities == first.probabilities
    assert len(hop.timeouts_s) == 1


@pytest.mark.parametrize("reason", [hop for hop in NOT_HEARD if hop is not ModelHop.SWITCHED_OFF])
async def test_a_verdict_made_under_failure_is_not_remembered(reason: ModelHop) -> None:
    hop = ScriptedHop(Opinion(hop=reason))
    ruling = classifier(hop)
    await ruling.classify(CODING, budget_s=None)
    hop.opinion = SAYS_REVIEW

    again = await ruling.classify(CODING, budget_s=None)

    assert (again.cached, again.model_hop) == (False, ModelHop.ANSWERED)


@pytest.mark.parametrize(
    "budget_s, timeouts_s",
    [
        pytest.param(None, [0.4], id="no deadline: the whole slice"),
        pytest.param(5.0, [0.4], id="plenty: the whole slice"),
        pytest.param(0.21, [pytest.approx(0.2)], id="little: what is left, less the reply"),
        pytest.param(0.05, [], id="too little: not asked"),
        pytest.param(-1.0, [], id="none left: not asked"),
    ],
)
async def test_the_model_gets_no_more_time_than_is_left(budget_s: float | None, timeouts_s: list[float]) -> None:
    hop = ScriptedHop(SAYS_REVIEW)

    verdict = await classifier(hop).classify(CODING, budget_s=budget_s)

    assert hop.timeouts_s == timeouts_s
    assert verdict.model_hop is (ModelHop.ANSWERED if timeouts_s else ModelHop.NO_TIME)


async def test_a_short_follow_up_is_read_with_what_came_before() -> None:
    ruling = classifier(None, "embedded")
    follow_up = "and for the second one?"
    earlier = "write a python function that parses json\nSure: def parse(text): ..."

    alone = await ruling.classify(Question(text=follow_up), budget_s=None)
    told = await ruling.classify(Question(text=follow_up, context=earlier), budget_s=None)

    assert dict(told.probabilities)["coding"] > dict(alone.probabilities)["coding"]


weird = st.text(alphabet=st.characters(), min_size=1, max_size=600) | st.sampled_from(
    [
        "\ud800",
        "\0",
        "\u202e\u2066",
        "👩‍👩‍👧‍👦" * 50,
        "<|im_end|>" * 200,
        "ก็็็็็็็" * 30,
        "ㅋ" * 500,
        "a" * 9_000,
        "\u1112\u1161\u11ab",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(weird, weird)
async def test_any_text_gets_a_whole_verdict(text: str, context: str) -> None:
    ruling = classifier(ScriptedHop(Opinion(hop=ModelHop.FAILED)))

    verdict = await ruling.classify(Question(text=text, context=context), budget_s=1.0)

    assert verdict.category in CATEGORIES
    assert sum(probability for _, probability in verdict.probabilities) == pytest.approx(1)
    assert verdict.confidence == max(probability for _, probability in verdict.probabilities)
