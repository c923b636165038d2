"""What calls are expected to use, and how that is learned."""

import math
from dataclasses import replace
from random import Random

import pytest

from pointsman.domain.answer import Usage
from pointsman.domain.prompt import Request, Tool
from pointsman.executor.estimate import (
    BYTES_PER_TOKEN,
    FIRST_OUTPUT_TOKENS,
    IMAGE_TOKENS,
    OVERHEAD_TOKENS,
    Estimator,
    output_limit,
)
from tests.unit.executor.making import LINK, MODEL, PNG, candidate, request, usage

A = candidate("a/m")
LONG = request(text="x" * 30_000)


def taught(*lessons: tuple[Request, Usage, float]) -> Estimator:
    estimator = Estimator()
    for asked, used, latency_s in lessons:
        estimator.learn(A, asked, used, latency_s)
    return estimator


@pytest.mark.parametrize(
    "asked, input_tokens",
    [
        pytest.param(request(text="x" * 300), 100, id="english"),
        pytest.param(request(text="가" * 100), 100, id="korean-three-bytes-a-syllable"),
        pytest.param(request(text="x"), 1, id="rounded-up"),
        pytest.param(request(PNG, LINK), 2 * IMAGE_TOKENS, id="images"),
        pytest.param(request(text="x" * 300, json_schema="s" * 30), 110, id="with-a-schema"),
        pytest.param(
            request(text="x" * 300, tools=(Tool(name="n" * 3, description="d" * 6, parameters_json_schema="p" * 21),)),
            110,
            id="with-a-tool",
        ),
    ],
)
def test_input_is_guessed_from_all_that_the_model_reads(asked: Request, input_tokens: int) -> None:
    assert Estimator().estimate(A, asked).input_tokens == input_tokens + OVERHEAD_TOKENS


@pytest.mark.parametrize(
    "asked, limit, expected",
    [
        pytest.param(request(), 1_000, FIRST_OUTPUT_TOKENS, id="the-candidates-default"),
        pytest.param(request(max_output_tokens=10), 10, 10, id="the-callers-bound"),
        pytest.param(request(max_output_tokens=99_999), 8_192, FIRST_OUTPUT_TOKENS, id="what-the-model-can-write"),
    ],
)
def test_output_is_bounded_by_what_is_asked_for(asked: Request, limit: int, expected: int) -> None:
    estimate = Estimator().estimate(A, asked)

    assert output_limit(A, asked) == limit
    assert estimate.output_tokens == expected
    assert estimate.admitted_tokens == estimate.input_tokens + limit


def test_a_model_that_writes_little_by_default_is_not_asked_for_more_than_it_can() -> None:
    small = candidate(model=replace(MODEL, max_output_tokens=100))

    assert output_limit(small, request()) == 100


def test_the_ratio_of_a_model_is_learned_a_tenth_too_high() -> None:
    estimator = taught(*[(LONG, usage(7_500 + OVERHEAD_TOKENS, 5), 1.0)] * 200)

    assert estimator.estimate(A, LONG).input_tokens == pytest.approx(7_500 / 0.9 + OVERHEAD_TOKENS, abs=2)


@pytest.mark.parametrize(
    "asked, used",
    [
        pytest.param(request(PNG), usage(5_000), id="images"),
        pytest.param(LONG, Usage(input_tokens=5_000, estimated=True), id="our-own-guess"),
        pytest.param(request(text="hi"), usage(60), id="a-short-prompt-is-mostly-overhead"),
        pytest.param(LONG, usage(0), id="nothing-counted"),
    ],
)
def test_what_tells_nothing_of_the_ratio_teaches_nothing(asked: Request, used: Usage) -> None:
    estimator = taught(*[(asked, used, 1.0)] * 50)

    assert estimator.habits[A.id].bytes_per_token == BYTES_PER_TOKEN


@pytest.mark.parametrize(
    "input_tokens, ratio", [pytest.param(10**9, 1.0, id="far-too-many"), pytest.param(201, 6.0, id="far-too-few")]
)
def test_an_absurd_count_moves_the_ratio_only_within_reason(input_tokens: int, ratio: float) -> None:
    estimator = taught(*[(LONG, usage(input_tokens), 1.0)] * 300)

    assert estimator.habits[A.id].bytes_per_token == pytest.approx(ratio, abs=0.01)


def test_nine_of_ten_answers_are_no_longer_than_estimated() -> None:
    random = Random(3)
    lengths = [round(random.lognormvariate(5, 0.6)) for _ in range(4_000)]
    estimator, over = Estimator(), 0

    for index, length in enumerate(lengths):
        over += index >= 2_000 and length > estimator.estimate(A, request(max_output_tokens=8_000)).output_tokens
        estimator.learn(A, request(), usage(20, length), 1.0)

    assert 0.05 < over / 2_000 < 0.15


def test_the_estimate_of_output_never_falls_to_nothing() -> None:
    estimator = taught(*[(request(), usage(20, 0), 1.0)] * 500)

    assert estimator.estimate(A, request()).output_tokens == 16


def test_latency_is_a_running_mean_that_begins_with_the_first() -> None:
    estimator = taught((request(), usage(20, 1), 10.0), (request(), usage(20, 1), 20.0))

    assert estimator.latency_s(A) == 11.0


def test_a_candidate_that_has_not_answered_has_no_latency_and_so_gets_its_chance() -> None:
    assert Estimator().latency_s(A) == 0.0


def test_candidates_are_learned_apart() -> None:
    estimator = taught(*[(LONG, usage(25_000, 5_000), 9.0)] * 50)

    other = estimator.estimate(candidate("b/m"), LONG)

    assert other.input_tokens == math.ceil(30_000 / BYTES_PER_TOKEN) + OVERHEAD_TOKENS
    assert other.output_tokens == FIRST_OUTPUT_TOKENS
