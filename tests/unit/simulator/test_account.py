from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.simulator.account import Account, Admission
from pointsman.simulator.problem import Problem
from pointsman.simulator.scenario import Algorithm, LimitProfile, ModelProfile, PeakHours, ProviderProfile
from tests.unit.simulator.asking import small

NOW = 1_800_000_000.0


def limit(unit: Unit, amount: int, algorithm: Algorithm = Algorithm.FIXED_WINDOW) -> LimitProfile:
    return LimitProfile(unit=unit, amount=amount, algorithm=algorithm)


def admit(
    account: Account, model: ModelProfile, *, input_tokens: int = 10, requested: int = 0, now: float = NOW
) -> Admission | Problem:
    return account.admit(model, input_tokens=input_tokens, requested_tokens=requested, now=now)


def test_the_request_over_the_limit_is_refused_with_the_wait_until_the_window_renews() -> None:
    model = ModelProfile(id="m", limits=(limit(Unit.REQUESTS, 2),))
    account = Account(small("openai", model))

    ends = [admit(account, model) for _ in range(3)]

    assert [isinstance(end, Admission) for end in ends] == [True, True, False]
    assert ends[2] == Problem(Outcome.RATE_LIMITED, model="m", limit=model.limits[0], used=2, requested=1, wait_s=60.0)


def test_models_of_one_group_share_their_limit_and_others_do_not() -> None:
    one, other, alone = (
        ModelProfile(id=id, group=group, limits=(limit(Unit.REQUESTS, 1),))
        for id, group in (("one", "g"), ("other", "g"), ("alone", ""))
    )
    account = Account(ProviderProfile(kind="anthropic", models=(one, other, alone)))

    ends = [admit(account, model) for model in (one, other, alone)]

    assert [isinstance(end, Admission) for end in ends] == [True, False, True]


def test_a_limit_of_the_account_holds_for_all_its_models() -> None:
    one, other = ModelProfile(id="one"), ModelProfile(id="other")
    account = Account(ProviderProfile(kind="moonshot", models=(one, other), limits=(limit(Unit.REQUESTS, 1),)))

    ends = [admit(account, one), admit(account, other)]

    assert [isinstance(end, Admission) for end in ends] == [True, False]


@pytest.mark.parametrize(
    "counts_refused, left", [pytest.param(True, 1, id="counted"), pytest.param(False, 2, id="not counted")]
)
def test_a_request_refused_for_tokens_uses_up_a_request_where_refused_ones_count(
    *, counts_refused: bool, left: int
) -> None:
    model = ModelProfile(id="m", limits=(limit(Unit.REQUESTS, 3), limit(Unit.TOKENS, 100)))
    account = Account(replace(small("openai", model), counts_refused=counts_refused))
    admit(account, model, input_tokens=90)

    refused = admit(account, model, input_tokens=20)

    assert isinstance(refused, Problem)
    assert account.gauges(model, NOW)[0].left == left


def test_a_request_larger_than_the_window_is_told_so_and_leaves_the_budget_whole() -> None:
    model = ModelProfile(id="m", limits=(limit(Unit.REQUESTS, 3), limit(Unit.TOKENS, 100)))
    account = Account(replace(small("openai", model), counts_refused=True))

    refused = admit(account, model, input_tokens=101)

    assert isinstance(refused, Problem)
    assert (refused.outcome, refused.wait_s) == (Outcome.REQUEST_EXCEEDS_QUOTA, None)
    assert [gauge.left for gauge in account.gauges(model, NOW)] == [3, 100]


@pytest.mark.parametrize(
    "charges, left", [pytest.param(True, 40, id="charged"), pytest.param(False, 90, id="not charged")]
)
def test_the_output_asked_for_is_charged_at_admission_where_the_provider_does_so(*, charges: bool, left: int) -> None:
    model = ModelProfile(id="m", limits=(limit(Unit.TOKENS, 100),))
    account = Account(replace(small("openai", model), charges_requested_output=charges))

    admit(account, model, input_tokens=10, requested=50)

    assert account.gauges(model, NOW)[0].left == left


def test_output_tokens_are_charged_when_they_have_been_made_and_may_overdraw() -> None:
    model = ModelProfile(id="m", limits=(limit(Unit.OUTPUT_TOKENS, 100),))
    account = Account(small("anthropic", model))
    admission = admit(account, model)
    assert isinstance(admission, Admission)

    account.settle(admission, output_tokens=130, now=NOW)

    assert account.gauges(model, NOW)[0].left == -30
    assert isinstance(admit(account, model), Problem)


def test_a_slot_is_taken_until_the_request_is_settled() -> None:
    model = ModelProfile(id="m", limits=(LimitProfile(unit=Unit.CONCURRENCY, amount=1),))
    account = Account(small("deepseek", model))
    first = admit(account, model)
    assert isinstance(first, Admission)
    second = admit(account, model)

    account.settle(first, output_tokens=5, now=NOW)
    third = admit(account, model)

    assert isinstance(second, Problem)
    assert second.outcome is Outcome.CONCURRENCY_LIMITED
    assert isinstance(third, Admission)


def test_a_daily_limit_is_told_apart_from_one_of_a_minute() -> None:
    daily = LimitProfile(unit=Unit.REQUESTS, amount=1, period_s=86_400.0, algorithm=Algorithm.PACIFIC_DAY)
    model = ModelProfile(id="m", limits=(limit(Unit.REQUESTS, 10), daily))
    account = Account(small("gemini", model))
    admit(account, model)

    refused = admit(account, model)

    assert isinstance(refused, Problem)
    assert refused.outcome is Outcome.DAILY_QUOTA


def test_cached_input_is_cheaper() -> None:
    model = ModelProfile(
        id="m",
        cached_share=0.5,
        usd_per_mtok_input=Decimal(2),
        usd_per_mtok_cached_input=Decimal("0.2"),
        usd_per_mtok_output=Decimal(10),
    )

    admission = admit(Account(small("openai", model)), model, input_tokens=1_000)

    assert isinstance(admission, Admission)
    assert admission.cost_usd(output_tokens=100) == Decimal("0.0021")


FULL, HALF = Decimal(10), Decimal(5)


@pytest.mark.parametrize(
    "at, wanted",
    [
        (datetime(2026, 11, 25, 0, 59, 59, tzinfo=UTC), HALF),
        (datetime(2026, 11, 25, 1, tzinfo=UTC), FULL),
        (datetime(2026, 11, 25, 3, 59, 59, tzinfo=UTC), FULL),
        (datetime(2026, 11, 25, 4, tzinfo=UTC), HALF),
        (datetime(2026, 11, 28, 2, tzinfo=UTC), HALF),
    ],
    ids=["before", "at_the_beginning", "to_the_end", "after", "on_a_saturday"],
)
def test_outside_the_peak_hours_a_request_costs_its_share(at: datetime, wanted: Decimal) -> None:
    peak = PeakHours(spans=((1, 4),), share_outside=Decimal("0.5"))
    model = ModelProfile(id="m", usd_per_mtok_output=Decimal(10), peak_hours=peak)

    admission = admit(Account(small("deepseek", model)), model, now=at.timestamp())

    assert isinstance(admission, Admission)
    assert admission.cost_usd(output_tokens=1_000_000) == wanted


def test_a_request_costs_what_the_hour_asked_at_which_it_came_in_and_not_that_of_its_end() -> None:
    peak = PeakHours(spans=((1, 4),), share_outside=Decimal("0.5"))
    model = ModelProfile(id="m", usd_per_mtok_output=Decimal(10), peak_hours=peak)
    account = Account(small("deepseek", model))
    four = datetime(2026, 11, 25, 4, tzinfo=UTC).timestamp()
    early, late = admit(account, model, now=four - 1), admit(account, model, now=four)
    assert isinstance(early, Admission)
    assert isinstance(late, Admission)

    for admission in (early, late):
        account.settle(admission, output_tokens=1_000_000, now=four + 1)

    assert account.spent_usd == FULL + HALF


def test_an_account_without_money_answers_nobody() -> None:
    model = ModelProfile(id="m", usd_per_mtok_input=Decimal(2), usd_per_mtok_output=Decimal(10))
    account = Account(replace(small("openai", model), balance_usd=Decimal("0.012")))
    admission = admit(account, model, input_tokens=1_000)
    assert isinstance(admission, Admission)

    account.settle(admission, output_tokens=1_000, now=NOW)

    assert account.spent_usd == Decimal("0.012")
    assert admit(account, model) == Problem(Outcome.BILLING, model="m")
