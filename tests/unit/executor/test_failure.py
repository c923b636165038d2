"""Which error follows from which trail."""

from datetime import datetime, timedelta

import pytest

from pointsman.domain.errors import (
    CallerOverBudget,
    CallerOverRate,
    CandidatesForbidden,
    InvalidRequest,
    Missing,
    NoAnswer,
    NoCredentials,
    OutOfTime,
    PointsmanError,
    PoolExhausted,
)
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.executor.failure import CALLERS_OWN, UNABLE, UNEQUIPPED, failure
from tests.fakes.clock import START
from tests.unit.executor.making import attempt

SOON, LATER = START + timedelta(seconds=5), START + timedelta(seconds=9)


def skip(reason: SkipReason, ready_at: datetime | None = None, detail: str = "as said", id_: str = "a/m") -> Skip:
    return Skip(candidate=id_, reason=reason, ready_at=ready_at, detail=detail)


def local(outcome: Outcome) -> Attempt:
    return attempt("local/m", outcome, local=True, fallback=True)


OUT_OF_QUOTA = skip(SkipReason.OUT_OF_QUOTA, SOON)
NO_KEY = skip(SkipReason.NO_CREDENTIALS, detail="set A_KEY")
NO_IMAGES = skip(SkipReason.NO_IMAGES)
NOT_ALLOWED = skip(SkipReason.NOT_ALLOWED)
OVER_RATE, OVER_BUDGET = skip(SkipReason.CALLER_OVER_RATE, SOON), skip(SkipReason.CALLER_OVER_BUDGET, LATER)
LIMITED = attempt(outcome=Outcome.RATE_LIMITED, retry_after_s=3.0)
BROKEN = attempt(outcome=Outcome.SERVER_ERROR)


@pytest.mark.parametrize(
    "steps, kind, reason",
    [
        pytest.param([attempt(outcome=Outcome.INVALID_REQUEST)], InvalidRequest, "REQUEST_REJECTED", id="rejected"),
        pytest.param([BROKEN, attempt(outcome=Outcome.INVALID_REQUEST)], InvalidRequest, "REQUEST_REJECTED", id="late"),
        pytest.param([NO_IMAGES], InvalidRequest, "NO_CANDIDATE_ABLE", id="nobody-is-able"),
        pytest.param([skip(SkipReason.NOT_LOCAL)], InvalidRequest, "NO_CANDIDATE_ABLE", id="local-only-and-none-is"),
        pytest.param([NO_KEY], NoCredentials, "NO_CREDENTIALS", id="no-key"),
        pytest.param([NO_IMAGES, NO_KEY], NoCredentials, "NO_CREDENTIALS", id="the-able-one-has-no-key"),
        pytest.param([NO_KEY, local(Outcome.NETWORK)], NoCredentials, "NO_CREDENTIALS", id="and-ollama-is-down"),
        pytest.param(
            [skip(SkipReason.NOT_LOCAL), local(Outcome.MODEL_NOT_FOUND)],
            NoCredentials,
            "NO_CREDENTIALS",
            id="local-only-and-no-model-pulled",
        ),
        pytest.param([skip(SkipReason.NOT_RUNNING)], NoCredentials, "NO_CREDENTIALS", id="not-running"),
        pytest.param([NOT_ALLOWED], CandidatesForbidden, "CANDIDATES_FORBIDDEN", id="none-is-allowed"),
        pytest.param([NOT_ALLOWED, NO_IMAGES], InvalidRequest, "NO_CANDIDATE_ABLE", id="the-allowed-one-is-not-able"),
        pytest.param([NOT_ALLOWED, NO_KEY], NoCredentials, "NO_CREDENTIALS", id="the-allowed-one-has-no-key"),
        pytest.param([OVER_BUDGET, NOT_ALLOWED], CallerOverBudget, "CALLER_OVER_BUDGET", id="the-allowed-one-is-dear"),
        pytest.param([OVER_BUDGET, NO_KEY], CallerOverBudget, "CALLER_OVER_BUDGET", id="the-free-one-has-no-key"),
        pytest.param([OVER_BUDGET, OVER_RATE], CallerOverRate, "CALLER_OVER_RATE", id="the-limit-that-ends-first"),
        pytest.param([OVER_BUDGET, OUT_OF_QUOTA], PoolExhausted, "POOL_EXHAUSTED", id="the-other-is-only-busy"),
        pytest.param([OUT_OF_QUOTA], PoolExhausted, "POOL_EXHAUSTED", id="out-of-quota"),
        pytest.param([skip(SkipReason.COOLING)], PoolExhausted, "POOL_EXHAUSTED", id="a-probe-is-under-way"),
        pytest.param([skip(SkipReason.OUT_OF_QUOTA)], PoolExhausted, "POOL_EXHAUSTED", id="all-quota-under-way"),
        pytest.param([skip(SkipReason.OUT_OF_CONCURRENCY)], PoolExhausted, "POOL_EXHAUSTED", id="all-slots-taken"),
        pytest.param([LIMITED], PoolExhausted, "POOL_EXHAUSTED", id="refused-just-now"),
        pytest.param([OUT_OF_QUOTA, NO_IMAGES], PoolExhausted, "POOL_EXHAUSTED", id="the-fallback-is-not-able"),
        pytest.param([OUT_OF_QUOTA, NO_KEY], PoolExhausted, "POOL_EXHAUSTED", id="the-other-has-no-key"),
        pytest.param(
            [OUT_OF_QUOTA, skip(SkipReason.NO_TIME)], PoolExhausted, "POOL_EXHAUSTED", id="the-fallback-is-busy"
        ),
        pytest.param([skip(SkipReason.NO_TIME)], OutOfTime, "OUT_OF_TIME", id="no-time"),
        pytest.param([BROKEN, skip(SkipReason.NO_TIME)], OutOfTime, "OUT_OF_TIME", id="no-time-for-another"),
        pytest.param([BROKEN], NoAnswer, "NO_ANSWER", id="broken"),
        pytest.param([BROKEN, OUT_OF_QUOTA], NoAnswer, "NO_ANSWER", id="broken-and-out-of-quota"),
        pytest.param([OUT_OF_QUOTA, local(Outcome.TIMED_OUT)], NoAnswer, "NO_ANSWER", id="the-fallback-failed"),
        pytest.param([skip(SkipReason.OUT_OF_SERVICE)], NoAnswer, "NO_ANSWER", id="out-until-a-person-acts"),
        pytest.param([attempt(outcome=Outcome.BILLING)], NoAnswer, "NO_ANSWER", id="waiting-does-not-pay-bills"),
        pytest.param([attempt(outcome=Outcome.NETWORK)], NoAnswer, "NO_ANSWER", id="a-remote-one-is-not-missing"),
        pytest.param([BROKEN, skip(SkipReason.ATTEMPTS_SPENT)], NoAnswer, "NO_ANSWER", id="attempts-spent"),
        pytest.param([BROKEN, skip(SkipReason.TOO_EXPENSIVE)], NoAnswer, "NO_ANSWER", id="money-spent"),
    ],
)
def test_the_error_of_a_trail(steps: list[Skip | Attempt], kind: type[PointsmanError], reason: str) -> None:
    trail = Trail(steps=steps)

    error = failure(trail)

    assert type(error) is kind
    assert error.reason == reason
    assert error.trail is trail


def test_missing_keys_and_models_are_all_named() -> None:
    error = failure(Trail(steps=[NO_KEY, local(Outcome.NETWORK)]))

    assert isinstance(error, NoCredentials)
    assert error.missing == (
        Missing(subject="a/m", reason="NO_CREDENTIALS", advice="set A_KEY"),
        Missing(
            subject="local/m",
            reason="NETWORK",
            advice="Ollama does not answer; start it, then run `pointsman pull`",
        ),
    )
    assert "a/m: set A_KEY; local/m: Ollama does not answer" in error.message
    assert "`pointsman doctor`" in error.message


def test_a_model_that_is_not_there_is_to_be_pulled() -> None:
    error = failure(Trail(steps=[local(Outcome.MODEL_NOT_FOUND)]))

    assert isinstance(error, NoCredentials)
    assert error.missing == (
        Missing(
            subject="local/m",
            reason="MODEL_NOT_FOUND",
            advice="Ollama does not have the model; run `pointsman pull`",
        ),
    )


@pytest.mark.parametrize(
    "steps, ready_at",
    [
        pytest.param([skip(SkipReason.COOLING, LATER), OUT_OF_QUOTA], SOON, id="the-earliest"),
        pytest.param([OUT_OF_QUOTA, LIMITED], START + timedelta(seconds=4), id="what-a-refusal-asked-for"),
        pytest.param([skip(SkipReason.OUT_OF_CONCURRENCY)], None, id="nobody-can-say"),
    ],
)
def test_an_exhausted_pool_says_when_to_come_back(steps: list[Skip | Attempt], ready_at: datetime | None) -> None:
    error = failure(Trail(steps=steps))

    assert isinstance(error, PoolExhausted)
    assert error.ready_at == ready_at


def test_no_answer_says_when_to_come_back_if_anybody_knows() -> None:
    error = failure(Trail(steps=[BROKEN, OUT_OF_QUOTA]))

    assert isinstance(error, NoAnswer)
    assert error.ready_at == SOON
    assert "1 tried and failed, 1 left out" in error.message


@pytest.mark.parametrize(
    "steps, whom",
    [
        pytest.param([skip(SkipReason.NO_TIME)], "any", id="none-was-tried"),
        pytest.param([BROKEN, skip(SkipReason.NO_TIME)], "another", id="one-was-tried"),
    ],
)
def test_too_little_time_speaks_of_another_candidate_only_where_one_was_tried(
    steps: list[Skip | Attempt], whom: str
) -> None:
    error = failure(Trail(steps=steps))

    assert error.message == f"the deadline leaves too little time for {whom} candidate; allow more, or ask for less"


def test_nobody_being_able_says_why_of_each() -> None:
    error = failure(Trail(steps=[NO_IMAGES, skip(SkipReason.CONTEXT_TOO_SMALL, detail="at most 7", id_="b/m")]))

    assert error.message == "no candidate of the pool can serve this request: a/m: as said; b/m: at most 7"


def test_a_rejected_request_names_who_rejected_it() -> None:
    error = failure(Trail(steps=[attempt(outcome=Outcome.INVALID_REQUEST, http_status=400, detail="odd role")]))

    assert error.message == "a/m refused the request as malformed (HTTP 400): odd role"


def test_every_reason_that_lies_in_the_request_or_the_installation_stands_in_one_list() -> None:
    others = {
        SkipReason.COOLING,
        SkipReason.OUT_OF_QUOTA,
        SkipReason.OUT_OF_CONCURRENCY,
        SkipReason.OUT_OF_SERVICE,
        SkipReason.NO_TIME,
        SkipReason.ATTEMPTS_SPENT,
    }

    assert UNABLE.isdisjoint(UNEQUIPPED)
    assert UNABLE | UNEQUIPPED | others | set(CALLERS_OWN) == set(SkipReason)
