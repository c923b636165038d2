"""What is tried, in which order, and why the rest is not."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from pointsman.domain.pool import Candidate, Policy, Pool
from pointsman.domain.prompt import Request, Tool
from pointsman.domain.trail import Skip, SkipReason
from pointsman.executor.plan import Prospect, ineligible, plan
from pointsman.executor.quota import Estimate
from tests.fakes.clock import START
from tests.unit.executor.making import LINK, MODEL, PNG, candidate, estimate, request

A, B, C = candidate("a/m"), candidate("b/m"), candidate("c/m")
LOCAL = candidate("local/m", local=True)


def pool(*candidates: Candidate, policy: Policy = Policy.ORDERED, patience_s: float = 0.0) -> Pool:
    return Pool(category="quick", candidates=candidates, policy=policy, patience=timedelta(seconds=patience_s))


def prospect(**more: Any) -> Prospect:  # noqa: ANN401 - fields of Prospect
    return Prospect(**{"estimate": estimate(), "cost_usd": Decimal("0.01"), **more})


def blocked(candidate: Candidate, in_s: float | None, reason: SkipReason = SkipReason.OUT_OF_QUOTA) -> Prospect:
    ready_at = None if in_s is None else START + timedelta(seconds=in_s)
    return prospect(blocked=Skip(candidate=candidate.id, reason=reason, ready_at=ready_at))


def sized(tokens: int) -> Prospect:
    return prospect(estimate=Estimate(input_tokens=tokens, output_tokens=1, admitted_tokens=tokens + 1))


SKIPPED: list[tuple[SkipReason, Candidate, Request, Prospect, str]] = [
    (SkipReason.NOT_LOCAL, A, request(local_only=True), prospect(), "must stay on this machine"),
    (SkipReason.NO_IMAGES, candidate(model=replace(MODEL, sees_images=False)), request(PNG), prospect(), "not see"),
    (
        SkipReason.NO_IMAGE_URLS,
        candidate(model=replace(MODEL, takes_image_urls=False)),
        request(LINK),
        prospect(),
        "by value only",
    ),
    (
        SkipReason.NO_TOOLS,
        candidate(model=replace(MODEL, takes_tools=False)),
        request(tools=(Tool(name="clock"),)),
        prospect(),
        "does not take tools",
    ),
    (
        SkipReason.NO_JSON_SCHEMA,
        candidate(model=replace(MODEL, follows_json_schema=False)),
        request(json_schema="{}"),
        prospect(),
        "does not promise schemas",
    ),
    (SkipReason.CONTEXT_TOO_SMALL, A, request(), sized(100_001), "about 100001 tokens; at most 100000"),
    (SkipReason.CONTEXT_TOO_SMALL, A, request(max_output_tokens=2), sized(99_999), "100000 together"),
    (SkipReason.OUTPUT_TOO_SMALL, A, request(max_output_tokens=8_193), prospect(), "8193 tokens asked; at most 8192"),
    (SkipReason.TOO_EXPENSIVE, A, request(max_cost_usd=Decimal("0.001")), prospect(), "$0.01; $0.001 allowed"),
    (SkipReason.TOO_EXPENSIVE, A, request(max_cost_usd=Decimal(9)), prospect(cost_usd=None), "$None; $9 allowed"),
    (SkipReason.NO_CREDENTIALS, A, request(), prospect(has_credentials=False), "set A_KEY"),
]

SKIPPED_IDS = [f"{row[0]}: {row[4]}" for row in SKIPPED]


@pytest.mark.parametrize("reason, candidate, request_, prospect", [row[:4] for row in SKIPPED], ids=SKIPPED_IDS)
def test_a_candidate_that_can_never_serve_is_left_out(
    reason: SkipReason, candidate: Candidate, request_: Request, prospect: Prospect
) -> None:
    planned = plan(pool(candidate), request_, {candidate.id: prospect}, START)

    assert planned.ready == ()
    assert [(skip.reason, skip.ready_at) for skip in planned.skips] == [(reason, None)]


@pytest.mark.parametrize("candidate, request_, prospect, detail", [row[1:] for row in SKIPPED], ids=SKIPPED_IDS)
def test_a_skip_says_what_was_wrong(candidate: Candidate, request_: Request, prospect: Prospect, detail: str) -> None:
    skip = ineligible(candidate, request_, prospect)

    assert skip
    assert detail in skip.detail


@pytest.mark.parametrize(
    "candidate, request_, prospect",
    [
        pytest.param(A, request(), sized(100_000), id="as-many-tokens-as-it-takes"),
        pytest.param(A, request(max_output_tokens=8_192), prospect(), id="as-long-an-answer-as-it-gives"),
        pytest.param(A, request(max_output_tokens=1), sized(99_999), id="context-full-to-the-brim"),
        pytest.param(A, request(max_cost_usd=Decimal("0.01")), prospect(), id="as-dear-as-allowed"),
        pytest.param(LOCAL, request(local_only=True), prospect(), id="local-only-on-a-local-model"),
        pytest.param(
            candidate(model=replace(MODEL, takes_image_urls=False)), request(PNG), prospect(), id="image-by-value"
        ),
        pytest.param(A, request(PNG, LINK), prospect(), id="both-kinds-of-image"),
    ],
)
def test_a_candidate_that_just_can_is_ready(candidate: Candidate, request_: Request, prospect: Prospect) -> None:
    assert ineligible(candidate, request_, prospect) is None


def test_what_the_ledger_has_against_it_leaves_a_candidate_out() -> None:
    planned = plan(pool(A, B), request(), {A.id: blocked(A, 5.0), B.id: prospect()}, START)

    assert [one.candidate for one in planned.ready] == [B]
    assert [(skip.candidate, skip.reason) for skip in planned.skips] == [(A.id, SkipReason.OUT_OF_QUOTA)]


def test_eligibility_comes_before_quota() -> None:
    small = candidate(model=replace(MODEL, sees_images=False))

    planned = plan(pool(small), request(PNG), {small.id: blocked(small, 5.0)}, START)

    assert planned.skips[0].reason is SkipReason.NO_IMAGES


def test_a_missing_key_is_named_only_where_it_would_help() -> None:
    small = candidate(model=replace(MODEL, sees_images=False))

    planned = plan(pool(small), request(PNG), {small.id: prospect(has_credentials=False)}, START)

    assert planned.skips[0].reason is SkipReason.NO_IMAGES


# --- Policies


def test_ordered_keeps_the_order_of_the_settings() -> None:
    prospects = {each.id: prospect(cost_usd=Decimal(cost)) for each, cost in ((C, 3), (A, 1), (B, 2))}

    planned = plan(pool(C, A, B), request(), prospects, START)

    assert [one.candidate for one in planned.ready] == [C, A, B]


def test_cheapest_goes_by_estimated_cost_and_puts_unknown_prices_last() -> None:
    prospects = {
        A.id: prospect(cost_usd=None),
        B.id: prospect(cost_usd=Decimal("0.02")),
        C.id: prospect(cost_usd=Decimal("0.01")),
    }

    planned = plan(pool(A, B, C, policy=Policy.CHEAPEST), request(), prospects, START)

    assert [one.candidate for one in planned.ready] == [C, B, A]


def test_fastest_goes_by_latency_and_lets_an_unknown_one_try_first() -> None:
    prospects = {A.id: prospect(latency_s=2.0), B.id: prospect(latency_s=1.0), C.id: prospect()}

    planned = plan(pool(A, B, C, policy=Policy.FASTEST), request(), prospects, START)

    assert [one.candidate for one in planned.ready] == [C, B, A]


@pytest.mark.parametrize("policy", [Policy.CHEAPEST, Policy.FASTEST])
def test_equals_keep_the_order_of_the_settings(policy: Policy) -> None:
    prospects = {each.id: prospect(latency_s=1.0) for each in (B, A, C)}

    planned = plan(pool(B, A, C, policy=policy), request(), prospects, START)

    assert [one.candidate for one in planned.ready] == [B, A, C]


# --- Patience


@pytest.mark.parametrize("reason", [SkipReason.OUT_OF_QUOTA, SkipReason.COOLING])
def test_the_preferred_candidate_is_waited_for_within_patience(reason: SkipReason) -> None:
    planned = plan(pool(A, B, patience_s=2.0), request(), {A.id: blocked(A, 2.0, reason), B.id: prospect()}, START)

    assert [(one.candidate, one.wait_s) for one in planned.ready] == [(A, 2.0), (B, 0.0)]
    assert planned.skips == ()


@pytest.mark.parametrize(
    "in_s, reason",
    [
        pytest.param(2.1, SkipReason.OUT_OF_QUOTA, id="too-long"),
        pytest.param(None, SkipReason.COOLING, id="nobody-knows-when"),
        pytest.param(1.0, SkipReason.OUT_OF_SERVICE, id="not-a-matter-of-waiting"),
    ],
)
def test_what_is_not_worth_waiting_for_is_left_out(in_s: float | None, reason: SkipReason) -> None:
    planned = plan(pool(A, B, patience_s=2.0), request(), {A.id: blocked(A, in_s, reason), B.id: prospect()}, START)

    assert [one.candidate for one in planned.ready] == [B]


def test_only_the_preferred_candidate_is_waited_for() -> None:
    planned = plan(pool(A, B, patience_s=9.0), request(), {A.id: prospect(), B.id: blocked(B, 1.0)}, START)

    assert [one.candidate for one in planned.ready] == [A]
    assert [skip.candidate for skip in planned.skips] == [B.id]


def test_an_instant_that_has_just_passed_is_not_waited_for() -> None:
    planned = plan(pool(A), request(), {A.id: blocked(A, -0.5)}, START)

    assert [one.wait_s for one in planned.ready] == [0.0]


def test_fastest_counts_the_wait_as_latency() -> None:
    prospects = {A.id: blocked(A, 5.0), B.id: prospect(latency_s=1.0)}

    planned = plan(pool(A, B, policy=Policy.FASTEST, patience_s=9.0), request(), prospects, START)

    assert [one.candidate for one in planned.ready] == [B, A]


def test_planning_twice_gives_the_same_and_touches_nothing() -> None:
    prospects = {A.id: blocked(A, 1.0), B.id: prospect(latency_s=1.0), C.id: prospect(has_credentials=False)}
    before = deepcopy(prospects)

    first = plan(pool(A, B, C), request(), prospects, START)
    second = plan(pool(A, B, C), request(), prospects, START)

    assert first == second
    assert prospects == before


def test_a_plan_carries_what_was_estimated() -> None:
    planned = plan(pool(A), request(), {A.id: prospect()}, START).ready[0]

    assert (planned.estimate, planned.cost_usd) == (estimate(), Decimal("0.01"))


@pytest.mark.parametrize("policy", list(Policy))
def test_who_is_risky_comes_last_whatever_the_policy(policy: Policy) -> None:
    planned = plan(pool(A, B, policy=policy), request(), {A.id: prospect(risk=1), B.id: prospect()}, START)

    assert [each.candidate for each in planned.ready] == [B, A]


def test_of_several_risky_ones_the_least_risky_comes_first() -> None:
    planned = plan(pool(A, B), request(), {A.id: prospect(risk=3), B.id: prospect(risk=2)}, START)

    assert [each.candidate for each in planned.ready] == [B, A]
