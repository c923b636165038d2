"""What a caller may use: rates, money, and who may ask for what."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.domain.errors import CallerOverRate, CallerUnknown, CategoryForbidden
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason
from pointsman.executor.allowance import Allowance, Allowances, Charge, Grant, Held
from pointsman.executor.instant import Instant
from pointsman.executor.purse import SOON, Term
from tests.fakes.clock import START
from tests.unit.executor.making import attempt, usage

NOW = Instant(now=START, monotonic_s=0.0)
A_DOLLAR = Charge(tokens=100, most_usd=Decimal(1))


def later(seconds: float) -> Instant:
    return Instant(now=START + timedelta(seconds=seconds), monotonic_s=seconds)


def alice(**grant: object) -> Allowance:
    return Allowance.of("alice", Grant(**grant))  # type: ignore[arg-type]  # as named


def held(allowance: Allowance, charge: Charge = A_DOLLAR, at: Instant = NOW) -> Held:
    taken = allowance.hold("a/m", charge, at)
    assert isinstance(taken, Held)
    return taken


def refused(allowance: Allowance, charge: Charge = A_DOLLAR, at: Instant = NOW) -> Skip:
    skip = allowance.hold("a/m", charge, at)
    assert isinstance(skip, Skip)
    return skip


def costing(usd: str) -> Attempt:
    return attempt(usage=usage(60, 20), cost_usd=Decimal(usd))


def test_without_a_grant_everything_is_allowed() -> None:
    anybody = alice()

    anybody.admit("quick", NOW)

    assert anybody.may_use("a/m")
    held(anybody, Charge(tokens=10**9, most_usd=None))


def test_one_request_more_than_a_minute_holds_is_refused_until_the_first_has_left() -> None:
    allowance = alice(requests_per_minute=2)
    allowance.admit("quick", NOW)
    allowance.admit("quick", later(10))

    with pytest.raises(CallerOverRate) as caught:
        allowance.admit("quick", later(20))

    assert caught.value.ready_at is not None
    assert timedelta(seconds=60) <= caught.value.ready_at - START <= timedelta(seconds=61)
    allowance.admit("quick", later(61))


def test_a_category_that_is_not_granted_is_forbidden_and_counts_nothing() -> None:
    allowance = alice(categories=frozenset({"quick"}), requests_per_minute=1)

    with pytest.raises(CategoryForbidden, match="alice may not ask for coding; it may for quick"):
        allowance.admit("coding", NOW)

    allowance.admit("quick", NOW)


def test_only_granted_candidates_may_be_used() -> None:
    allowance = alice(candidates=frozenset({"a/m"}))

    assert [allowance.may_use(name) for name in ("a/m", "b/m")] == [True, False]


def test_tokens_are_held_by_estimate_and_then_counted_as_they_were() -> None:
    allowance = alice(tokens_per_minute=150)

    first = held(allowance)
    assert refused(allowance).reason is SkipReason.CALLER_OVER_RATE
    allowance.settle(first, attempt(usage=usage(10, 20), cost_usd=Decimal(0)), NOW)

    held(allowance)


def test_a_call_of_more_tokens_than_a_minute_holds_never_fits() -> None:
    skip = refused(alice(tokens_per_minute=99))

    assert (skip.reason, skip.ready_at) == (SkipReason.CALLER_OVER_RATE, None)


def test_what_is_held_cannot_be_spent_again() -> None:
    allowance = alice(usd_per_day=Decimal("2.5"))

    held(allowance)
    held(allowance)
    skip = refused(allowance)
    assert (skip.reason, skip.ready_at) == (SkipReason.CALLER_OVER_BUDGET, START + SOON)
    assert skip.detail == "up to $1; $0.5 of alice's $2.5 a day are left"


def test_what_a_call_did_not_cost_comes_back() -> None:
    allowance = alice(usd_per_day=Decimal(1))

    allowance.settle(held(allowance), costing("0.25"), NOW)

    assert refused(allowance).ready_at == datetime(2026, 11, 23, tzinfo=UTC)
    held(allowance, replace(A_DOLLAR, most_usd=Decimal("0.75")))


def test_a_call_that_did_not_leave_costs_nothing() -> None:
    allowance = alice(usd_per_day=Decimal(1))

    allowance.settle(held(allowance), None, NOW)

    held(allowance)


@pytest.mark.parametrize("outcome", [Outcome.CANCELLED, Outcome.TIMED_OUT])
def test_a_call_cut_off_counts_as_what_it_could_cost(outcome: Outcome) -> None:
    allowance = alice(usd_per_day=Decimal(1))

    allowance.settle(held(allowance), attempt(outcome=outcome), NOW)

    assert allowance.purses[0].spent == Decimal(1)


def test_a_refused_call_costs_nothing() -> None:
    allowance = alice(usd_per_day=Decimal(1))

    allowance.settle(held(allowance), attempt(outcome=Outcome.RATE_LIMITED), NOW)

    assert allowance.purses[0].spent == 0


def test_an_unknown_price_is_over_every_budget() -> None:
    skip = refused(alice(usd_per_month=Decimal(100)), Charge(tokens=1, most_usd=None))

    assert skip.reason is SkipReason.CALLER_OVER_BUDGET
    assert skip.detail == "its price is unknown, and alice has a budget"


def test_what_costs_nothing_fits_when_all_is_spent() -> None:
    allowance = alice(usd_per_day=Decimal(1))
    allowance.settle(held(allowance), costing("1.75"), NOW)

    held(allowance, Charge(tokens=1, most_usd=Decimal(0)))


def test_a_new_day_brings_new_money_and_the_month_remembers() -> None:
    allowance = alice(usd_per_day=Decimal(1), usd_per_month=Decimal("1.5"))
    allowance.settle(held(allowance), costing("1"), NOW)

    skip = refused(allowance, at=later(86_400))

    assert skip.ready_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert "a month" in skip.detail
    held(allowance, replace(A_DOLLAR, most_usd=Decimal("0.5")), at=later(86_400))


@pytest.mark.parametrize(
    "term, now, begin, end",
    [
        (Term.DAY, datetime(2028, 2, 29, 23, 59, tzinfo=UTC), datetime(2028, 2, 29), datetime(2028, 3, 1)),  # noqa: DTZ001 - UTC is said below
        (Term.MONTH, datetime(2028, 2, 29, 23, 59, tzinfo=UTC), datetime(2028, 2, 1), datetime(2028, 3, 1)),  # noqa: DTZ001 - as above
        (Term.MONTH, datetime(2026, 12, 31, tzinfo=UTC), datetime(2026, 12, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - as above
    ],
)
def test_terms_are_those_of_the_calendar(term: Term, now: datetime, begin: datetime, end: datetime) -> None:
    assert (term.begin(now), term.end(now)) == (begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC))


def test_a_caller_whom_the_settings_do_not_know_may_nothing() -> None:
    with pytest.raises(CallerUnknown, match=r"add \[callers.bob\]"):
        Allowances.of({"alice": Grant()})["bob"]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.booleans()), max_size=40))
def test_however_calls_overlap_what_is_spent_and_held_is_never_over_the_limit(
    calls: list[tuple[int, int, bool]],
) -> None:
    allowance, under_way = alice(usd_per_day=Decimal(100)), list[tuple[Held, int]]()
    for most, cost, ends in calls:
        taken = allowance.hold("a/m", Charge(tokens=1, most_usd=Decimal(most)), NOW)
        if isinstance(taken, Held):
            under_way.append((taken, min(most, cost)))
        if ends and under_way:
            first, paid = under_way.pop(0)
            allowance.settle(first, costing(str(paid)), NOW)

        (purse,) = allowance.purses
        assert purse.spent + purse.held <= 100


def test_other_limits_hold_for_what_was_used_before() -> None:
    before = Allowances.of({"alice": Grant(requests_per_minute=2, tokens_per_minute=1_000, usd_per_day=Decimal(2))})
    before["alice"].admit("quick", NOW)
    under_way = held(before["alice"])

    after = Allowances.of({"alice": Grant(requests_per_minute=1, tokens_per_minute=150, usd_per_day=Decimal("1.5"))})
    after.inherit(before)

    with pytest.raises(CallerOverRate):
        after["alice"].admit("quick", later(1))
    assert refused(after["alice"]).reason is SkipReason.CALLER_OVER_RATE
    before["alice"].settle(under_way, costing("1"), later(2))
    assert refused(after["alice"], Charge(tokens=1, most_usd=Decimal(1)), later(2)).reason is (
        SkipReason.CALLER_OVER_BUDGET
    )


def test_what_is_set_aside_before_and_after_is_told_apart() -> None:
    before = Allowances.of({"alice": Grant(tokens_per_minute=1_000)})
    first = held(before["alice"])
    after = Allowances.of({"alice": Grant(tokens_per_minute=1_000)})
    after.inherit(before)

    second, third = held(after["alice"]), held(before["alice"])

    assert len({first.number, second.number, third.number}) == 3


def test_a_bound_that_is_new_counts_from_now() -> None:
    before = Allowances.of({"alice": Grant()})
    before["alice"].admit("quick", NOW)
    after = Allowances.of({"alice": Grant(requests_per_minute=1), "bob": Grant()})

    after.inherit(before)

    after["alice"].admit("quick", later(1))
    after["bob"].admit("quick", later(1))
