import io
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from pointsman.cli.explain import DECIDERS, HOPS, tree
from pointsman.cli.trail_lines import skip_line, until
from pointsman.domain.trail import Skip, SkipReason
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop, Verdict
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2, router_pb2
from pointsman_client import Explanation

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)

VERDICT = Verdict(
    category="coding",
    confidence=0.93,
    decided_by=DecidedBy.FUSION,
    model_hop=ModelHop.ANSWERED,
    probabilities=(("coding", 0.93), ("review", 0.07)),
    model_duration_s=0.085,
)


def explanation(plan: executor_pb2.Plan, verdict: Verdict = VERDICT) -> Explanation:
    response = router_pb2.ExplainResponse(
        verdict=convert.verdict_to_pb(verdict), plan=plan, degraded_reasons=convert.degraded_to_pb(verdict.degraded)
    )
    return Explanation(category=verdict.category, confidence=verdict.confidence, candidates=(), response=response)


def shown(plan: executor_pb2.Plan, verdict: Verdict = VERDICT, *, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(tree(explanation(plan, verdict), NOW))
    return out.getvalue()


def test_every_way_to_decide_has_its_words() -> None:
    assert set(DECIDERS) == set(DecidedBy)


def test_every_fate_of_the_small_model_has_its_words() -> None:
    assert set(HOPS) == set(ModelHop)


def test_the_verdict_is_shown_with_all_its_grounds() -> None:
    text = shown(executor_pb2.Plan())

    for part in (
        "coding 0.93",
        "decided by the embedded classifier and the small local model together",
        "coding 0.93 · review 0.07",
        "small local model asked (85 ms)",
    ):
        assert part in text


def test_a_degraded_verdict_says_so() -> None:
    verdict = Verdict(
        category="reasoning",
        confidence=0.0,
        decided_by=DecidedBy.DEFAULT,
        model_hop=ModelHop.NOT_NEEDED,
        degraded=(DegradedReason.CLASSIFIER_DOWN,),
    )

    assert "degraded: classifier_down" in shown(executor_pb2.Plan(), verdict)


def test_candidates_stand_in_the_order_of_trying_with_estimates() -> None:
    ready = [
        executor_pb2.PlannedCandidate(
            candidate="a/first",
            model="m-1",
            input_tokens=30,
            output_tokens=800,
            cost_usd=0.0081,
            wait=convert.duration_to_pb(1.5),
        ),
        executor_pb2.PlannedCandidate(candidate="b/second", model="m-2", input_tokens=30, output_tokens=800),
    ]

    text = shown(executor_pb2.Plan(category="coding", ready=ready, policy="cheapest"))

    assert "pool coding (cheapest): 2 of 2 eligible, tried in this order" in text
    assert "1. a/first · m-1\n" in text
    assert "eligible · about 30 tokens in, 800 out, $0.0081 · after waiting 1.5 s\n" in text
    assert "2. b/second · m-2\n" in text
    assert "eligible · about 30 tokens in, 800 out, unknown cost\n" in text
    assert text.index("a/first") < text.index("b/second")


def test_every_candidate_of_the_pool_is_told_as_eligible_or_skipped_at_80_columns() -> None:
    skip = Skip(
        candidate="a/first",
        reason=SkipReason.OUT_OF_QUOTA,
        ready_at=NOW + timedelta(seconds=20),
        detail="0 of 5 requests a minute are left, and this request needs one of them, as it needs 900 tokens.",
    )
    ready = executor_pb2.PlannedCandidate(candidate="b/second", model="m-2", input_tokens=30, output_tokens=800)

    text = shown(executor_pb2.Plan(category="coding", ready=[ready], skips=[convert.skip_to_pb(skip)]), width=80)

    assert "1 of 2 eligible" in text
    assert "1. b/second · m-2\n" in text
    assert "a/first · skipped: out of quota · ready in 20.0 s\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_settings_behind_the_plan_are_named() -> None:
    assert "settings b63d015a4e34\n" in shown(executor_pb2.Plan(settings_hash="b63d015a4e34"))


def test_who_is_left_out_is_told_with_reason_and_time() -> None:
    skip = Skip(
        candidate="a/first", reason=SkipReason.OUT_OF_QUOTA, ready_at=NOW + timedelta(seconds=20), detail="0 of 5 left"
    )

    assert skip_line(skip, NOW) == "a/first: out of quota · 0 of 5 left · ready in 20.0 s"


@pytest.mark.parametrize(
    "plan, says",
    [
        pytest.param(
            executor_pb2.Plan(fallback=executor_pb2.PlannedCandidate(candidate="local/big", model="m")),
            "then the local fallback: local/big · m\n",
            id="it can serve",
        ),
        pytest.param(
            executor_pb2.Plan(
                fallback_skip=convert.skip_to_pb(Skip(candidate="local/big", reason=SkipReason.NOT_RUNNING))
            ),
            "the local fallback cannot serve: local/big · skipped: not running",
            id="it cannot",
        ),
        pytest.param(executor_pb2.Plan(), "no local fallback is set", id="there is none"),
    ],
)
def test_the_fallback_is_told(plan: executor_pb2.Plan, says: str) -> None:
    assert says in shown(plan)
    assert "none of 0 eligible" in shown(plan)


@pytest.mark.parametrize(
    "ready_at, words",
    [
        pytest.param(None, "", id="time does not help"),
        pytest.param(NOW, "ready now", id="now"),
        pytest.param(NOW + timedelta(minutes=3), "ready in 3 min", id="later"),
    ],
)
def test_an_instant_is_told_as_a_wait(ready_at: datetime | None, words: str) -> None:
    assert until(ready_at, NOW) == words
