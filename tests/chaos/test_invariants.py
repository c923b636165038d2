"""Every invariant holds of what is well, can be broken by what is not, and is excused by what explains it alone."""

import signal
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pointsman.domain.trail import Outcome
from tests.chaos import accounts, answers, capacity, upkeep
from tests.chaos.book import Called, id_of
from tests.chaos.journal import Noted
from tests.chaos.member import Life
from tests.chaos.outage import Fault, Outage
from tests.chaos.record import Kind, Record
from tests.chaos.spans import Seen
from tests.chaos.watch import Sample, Stall, WindowUse, used_in, uses

T = 1_000.0
WELL = Record(number=1, kind=Kind.STREAM, began=T, deadline_s=5.0, ended=T + 1, code="OK", starts=1, deltas=3, ends=1)
FAILED = replace(WELL, code="RESOURCE_EXHAUSTED", reason="POOL_EXHAUSTED", starts=0, deltas=0, ends=0)
BARE = replace(FAILED, code="UNAVAILABLE", reason="")
CALL = Called(
    kind="gemini", model="flash", id="a" * 24, began=T, ended=T + 1, outcome=Outcome.ANSWERED,
    input_tokens=10, output_tokens=20, cost_usd=Decimal("0.001"),
)  # fmt: skip
NOTED = Noted(
    candidate="gemini/flash", outcome="answered", id="a" * 24, http_status=200, input_tokens=10, output_tokens=20,
    cost_usd=Decimal("0.001"), is_estimated=False, is_local=False, started_at=datetime.fromtimestamp(T, UTC),
)  # fmt: skip
PEAK = datetime(2026, 11, 27, 9, tzinfo=UTC)
OF_THE_PEAK = replace(CALL, kind="deepseek", model="deepseek-v4-pro", began=PEAK.timestamp())
AT_NIGHT = replace(NOTED, cost_usd=Decimal("0.0005"), started_at=datetime(2026, 11, 27, 23, tzinfo=UTC))
MODELS = {"gemini/flash": "flash"}
REFUSED = replace(CALL, outcome=Outcome.RATE_LIMITED, began=T + 10, ended=T + 10)
FULL = WindowUse(at=T, scope="model:flash", window="requests|60", used=10, limit=10)
ROOT = Seen(
    trace="t", id="1", parent="", name="Route", service="pointsman-router", is_server=True, began=T, ended=T + 1
)
CHILD = replace(ROOT, id="2", parent="1", service="pointsman-executor")
SAMPLE = Sample(at=T, member="router", pid=7, rss_bytes=100 << 20, descriptors=30)
LIFE = Life(began=T, ended=T + 9, asked=signal.SIGTERM, code=0, took_s=2.0)
GRACE = {"router": 4.0}


def outage(fault: Fault, target: str, began: float = T, ended: float = T + 1, strength: float = 0.0) -> Outage:
    return Outage(fault=fault, target=target, began=began, ended=ended, strength=strength)


# --- What callers get


def test_one_ending_each_holds() -> None:
    given_up = replace(FAILED, code="CANCELLED", reason="", is_given_up=True, ends=1)

    assert answers.one_ending([WELL, FAILED, given_up]).holds


@pytest.mark.parametrize(
    "record",
    [
        replace(WELL, ends=0),
        replace(WELL, ends=2),
        replace(WELL, starts=0),
        replace(WELL, starts=2),
        replace(WELL, after_end=1),
        replace(FAILED, ends=1),
    ],
    ids=["no end", "two ends", "no start", "two starts", "something behind the end", "an end and an error"],
)
def test_any_other_number_of_endings_is_broken(record: Record) -> None:
    assert answers.one_ending([WELL, record]).broken == 1


def test_a_second_after_the_deadline_is_in_time_and_more_is_not() -> None:
    late = replace(WELL, ended=T + 6.001)

    assert answers.in_time([replace(WELL, ended=T + 5.999)]).holds
    assert answers.in_time([WELL, late]).broken == 1


def test_what_a_caller_slept_behind_its_deadline_is_its_own_affair() -> None:
    late = replace(WELL, ended=T + 7)

    assert answers.in_time([late], [Stall(at=T + 4, lasted_s=2.5)]).excused == 1
    assert answers.in_time([late], [Stall(at=T + 1, lasted_s=3.0)]).broken == 1


def test_an_error_with_a_reason_is_typed() -> None:
    assert answers.typed([WELL, FAILED], []).holds


@pytest.mark.parametrize(
    "record",
    [BARE, replace(FAILED, code="INTERNAL", reason="INTERNAL"), replace(BARE, code="UNKNOWN")],
    ids=["no reason", "a bug", "unknown"],
)
def test_an_error_without_a_reason_or_of_a_bug_is_broken(record: Record) -> None:
    assert answers.typed([record], []).broken == 1


@pytest.mark.parametrize(
    "code, fault, target, is_explained",
    [
        ("UNAVAILABLE", Fault.KILL, "router", True),
        ("UNAVAILABLE", Fault.TERM, "router", True),
        ("UNAVAILABLE", Fault.STOP, "router", False),
        ("UNAVAILABLE", Fault.KILL, "executor", False),
        ("UNAVAILABLE", Fault.KILL, "second", False),
        ("DEADLINE_EXCEEDED", Fault.STOP, "router", True),
        ("DEADLINE_EXCEEDED", Fault.SILENT, "router-executor", False),
        ("CANCELLED", Fault.TERM, "router", True),
        ("CANCELLED", Fault.KILL, "router", False),
        ("INTERNAL", Fault.KILL, "router", False),
    ],
)
def test_only_a_fault_of_the_server_that_was_called_explains_a_bare_status(
    code: str, fault: Fault, target: str, *, is_explained: bool
) -> None:
    found = answers.typed([replace(BARE, code=code)], [outage(fault, target)])

    assert (found.holds, found.excused) == (is_explained, int(is_explained))


def test_a_machine_that_was_late_explains_a_deadline_and_nothing_else() -> None:
    late, stalled = replace(BARE, code="DEADLINE_EXCEEDED"), [Stall(at=T + 0.5, lasted_s=0.3)]

    assert answers.typed([late], [], stalled).excused == 1
    assert answers.typed([late], [], [Stall(at=T - 5, lasted_s=0.3)]).broken == 1
    assert answers.typed([BARE], [], stalled).broken == 1


def test_a_fault_that_is_long_over_explains_nothing() -> None:
    before = outage(Fault.KILL, "router", T - 20, T - 10)

    assert answers.typed([BARE], [before]).broken == 1


# --- The ledger


def test_no_refusal_holds_and_a_scripted_one_is_the_scripts() -> None:
    assert capacity.refusals([CALL, replace(REFUSED, is_scripted=True)], []).holds


@pytest.mark.parametrize("outcome", [Outcome.RATE_LIMITED, Outcome.DAILY_QUOTA, Outcome.CONCURRENCY_LIMITED])
def test_a_refusal_without_an_excuse_is_broken(outcome: Outcome) -> None:
    assert capacity.refusals([CALL, replace(REFUSED, outcome=outcome)], []).broken == 1


@pytest.mark.parametrize(
    "excuses, is_excused",
    [
        ([outage(Fault.WIPE, "redis")], True),
        ([outage(Fault.KILL, "redis")], False),
        ([outage(Fault.CLOCK, "executor")], True),
        ([outage(Fault.CLOCK, "router")], False),
        ([outage(Fault.KILL, "executor")], False),
        ([outage(Fault.KILL, "executor"), outage(Fault.STOP, "redis")], True),
        ([outage(Fault.KILL, "router"), outage(Fault.STOP, "redis")], False),
        ([outage(Fault.SILENT, "executor-redis")], True),
        ([outage(Fault.RESET, "second-redis")], True),
        ([outage(Fault.LATE, "second-redis", strength=0.05)], False),
        ([outage(Fault.SILENT, "executors-gemini")], True),
        ([outage(Fault.SILENT, "executors-openai")], False),
        ([outage(Fault.LATE, "executors-gemini", strength=1.5)], True),
        ([outage(Fault.LATE, "executors-gemini", strength=0.3)], False),
        ([outage(Fault.STOP, "gemini")], True),
        ([outage(Fault.STOP, "openai")], False),
        ([outage(Fault.WIPE, "redis", T - 200, T - 190)], False),
    ],
)
def test_only_what_hid_it_from_the_ledger_excuses_a_refusal(excuses: list[Outage], *, is_excused: bool) -> None:
    found = capacity.refusals([CALL, REFUSED], excuses)

    assert (found.holds, found.excused) == (is_excused, int(is_excused))


def test_a_place_that_was_being_given_up_excuses_a_refusal_for_calls_at_once() -> None:
    leaving = replace(CALL, outcome=None, ended=REFUSED.began + 0.5)
    refused = replace(REFUSED, outcome=Outcome.CONCURRENCY_LIMITED)

    assert capacity.refusals([leaving, refused], []).holds
    assert capacity.refusals([replace(leaving, ended=T + 2), refused], []).broken == 1
    assert capacity.refusals([leaving, REFUSED], []).broken == 1


def test_a_window_at_its_limit_holds_and_one_over_it_is_broken_unless_redis_forgot() -> None:
    over = replace(FULL, used=11)

    assert capacity.windows([FULL], []).holds
    assert capacity.windows([FULL, over], []).broken == 1
    assert capacity.windows([over], [outage(Fault.WIPE, "redis")]).excused == 1


SLIDING = {"past": [960.0, 3, 950.0, 4, 939.0, 5], "held_amount": 2}


@pytest.mark.parametrize(
    "window, used",
    [
        (SLIDING, 9.0),
        ({**SLIDING, "ends_at": 1_010.0}, 5.0),
        ({**SLIDING, "ends_at": 1_000.0}, 2.0),
        ({"past": None, "held_amount": 2}, 2.0),
        ({"drains_per_s": 0.5, "level": 10.0, "seen_at": 990.0}, 5.0),
        ({"drains_per_s": 0.5, "level": 10.0, "seen_at": 1_001.0}, 10.0),
    ],
    ids=["sliding", "fixed", "fixed and over", "nothing past", "bucket", "bucket that has not begun to drain"],
)
def test_what_a_window_in_redis_holds_is_counted_without_its_margin(window: dict[str, Any], used: float) -> None:
    assert used_in(window, 60.0, T) == used


def test_a_window_of_which_the_provider_tells_is_left_to_the_provider() -> None:
    told = {
        "now": T,
        "scopes": {"model:a": {"requests|60": {**SLIDING, "is_stated": False}, "tokens|60": {}}},
    }
    limits = {("model:a", "requests|60"): 5.0}

    assert [(use.used, use.limit) for use in uses(told, limits)] == [(9.0, 5.0)]
    told["scopes"] = {"model:a": {"requests|60": {**SLIDING, "is_stated": True}}}
    assert [*uses(told, limits)] == []


# --- The journal


def test_a_journal_that_says_what_the_book_says_holds() -> None:
    assert accounts.sums([CALL], [NOTED], MODELS, lost=0).holds
    assert accounts.same_calls([CALL], [NOTED]).holds


def test_a_price_is_that_of_the_hour_that_the_executor_had() -> None:
    assert accounts.same_calls([OF_THE_PEAK], [AT_NIGHT]).holds
    assert accounts.same_calls([OF_THE_PEAK], [replace(AT_NIGHT, started_at=PEAK)]).broken
    assert accounts.same_calls([replace(OF_THE_PEAK, began=AT_NIGHT.started_at.timestamp())], [AT_NIGHT]).broken


def test_calls_that_are_in_no_journal_are_broken_beyond_what_was_lost() -> None:
    calls = [CALL, CALL, CALL]

    assert accounts.sums(calls, [NOTED], MODELS, lost=1).broken == 1
    assert accounts.sums(calls, [NOTED], MODELS, lost=2).holds


def test_attempts_with_an_answer_that_no_provider_gave_are_broken() -> None:
    unanswered = replace(NOTED, http_status=0)

    assert accounts.sums([CALL], [NOTED, NOTED], MODELS, lost=9).broken == 1
    assert accounts.sums([CALL], [NOTED, unanswered], MODELS, lost=0).holds


@pytest.mark.parametrize(
    "noted",
    [
        [NOTED, NOTED],
        [replace(NOTED, id="b" * 24)],
        [replace(NOTED, input_tokens=11)],
        [replace(NOTED, output_tokens=19)],
        [replace(NOTED, cost_usd=Decimal("0.0010001"))],
        [replace(NOTED, cost_usd=None)],
    ],
    ids=["twice", "unknown", "input", "output", "dollars", "no dollars"],
)
def test_a_call_that_stands_otherwise_in_the_journal_is_broken(noted: list[Noted]) -> None:
    assert accounts.same_calls([CALL], noted).broken == 1


def test_what_a_killed_executor_had_not_written_may_be_lost() -> None:
    kill = outage(Fault.KILL, "executor", T + 2.5, T + 5)
    full = outage(Fault.DISK, "journal", T - 20, T + 1)
    early = replace(WELL, number=2, began=T - 10, ended=T - 9)
    elsewhere = replace(WELL, number=3, kind=Kind.EXECUTE)

    assert accounts.endangered([WELL, early, elsewhere], [kill], dropped=0) == 5
    assert accounts.endangered([WELL, early, elsewhere], [kill, full], dropped=0) == 10
    assert accounts.endangered([WELL], [outage(Fault.TERM, "executor")], dropped=3) == 15


def test_the_id_of_a_call_is_found_in_what_the_answer_called_itself() -> None:
    assert (id_of(f"req_{'0f' * 12}"), id_of("nothing of ours")) == ("0f" * 12, "")


# --- The processes


def test_memory_that_grows_beyond_its_bound_is_broken() -> None:
    grown = replace(SAMPLE, at=T + 1, rss_bytes=SAMPLE.rss_bytes + upkeep.GROWTH_BYTES)

    assert upkeep.memory([SAMPLE, grown], ["router"]).holds
    assert upkeep.memory([SAMPLE, replace(grown, rss_bytes=grown.rss_bytes + 1)], ["router"]).broken == 1


def test_too_many_descriptors_or_too_many_left_over_are_broken() -> None:
    left = replace(SAMPLE, at=T + 1, descriptors=SAMPLE.descriptors + upkeep.LEFT_OVER)
    many = replace(SAMPLE, at=T + 1, descriptors=upkeep.MOST_DESCRIPTORS + 1)
    calm = replace(SAMPLE, at=T + 2)

    assert upkeep.descriptors([SAMPLE, left], ["router"]).holds
    assert upkeep.descriptors([SAMPLE, replace(left, descriptors=left.descriptors + 1)], ["router"]).broken == 1
    assert upkeep.descriptors([SAMPLE, many, calm], ["router"]).broken == 1


@pytest.mark.parametrize(
    "life",
    [replace(LIFE, asked=None), replace(LIFE, code=1), replace(LIFE, took_s=12.1)],
    ids=["by itself", "with another code", "too late"],
)
def test_an_end_out_of_order_is_broken(life: Life) -> None:
    killed = replace(LIFE, asked=signal.SIGKILL, code=-9)

    assert upkeep.orderly_ends([("router", LIFE), ("router", killed)], GRACE).holds
    assert upkeep.orderly_ends([("router", LIFE), ("router", life)], GRACE).broken == 1


def test_a_span_without_its_parent_is_broken_unless_the_process_of_the_parent_was_killed() -> None:
    killed, other = outage(Fault.KILL, "router", T + 0.5), outage(Fault.KILL, "executor", T + 0.5)

    assert upkeep.spans_ended([ROOT, CHILD], [], []).holds
    assert upkeep.spans_ended([CHILD], [], []).broken == 1
    assert upkeep.spans_ended([CHILD], [], [other]).broken == 1
    assert upkeep.spans_ended([CHILD], [], [killed]).excused == 1


def test_an_answer_whose_trace_has_no_root_is_broken() -> None:
    answered = replace(WELL, trace_id="u")

    assert upkeep.spans_ended([ROOT], [replace(WELL, trace_id="t")], []).holds
    assert upkeep.spans_ended([ROOT], [answered], []).broken == 1
    assert upkeep.spans_ended([ROOT], [answered], [outage(Fault.KILL, "router")]).excused == 1


def test_a_line_that_nobody_expected_is_broken() -> None:
    assert upkeep.no_cries([], 10).holds
    assert upkeep.no_cries(["router: Traceback"], 10).broken == 1


def test_a_stack_that_does_not_heal_or_too_late_is_broken() -> None:
    assert upkeep.healed(3.0, "").holds
    assert upkeep.healed(60.1, "").broken == 1
    assert upkeep.healed(None, "its ledger is redis-away").examples == ("its ledger is redis-away",)


def test_an_invariant_of_nothing_does_not_hold() -> None:
    assert not answers.one_ending([]).holds
    assert not capacity.windows([], []).holds
