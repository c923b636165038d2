"""What is heard of callers' use: put where it belongs, and nowhere else."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pointsman.executor.allowance import Allowances, Grant
from pointsman.executor.ledger.caller_mirror import CallerMirror
from pointsman.executor.purse import Purse
from tests.fakes.clock import FakeClock

MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture
def mirror() -> CallerMirror:
    """Return what is known of alice a moment after midnight, at which a month begins, too."""
    mirror = CallerMirror(FakeClock(MIDNIGHT))
    grant = Grant(requests_per_minute=5, tokens_per_minute=100, usd_per_day=Decimal(9), usd_per_month=Decimal(99))
    mirror.known = Allowances.of({"alice": grant}).known
    return mirror


def view(day: str, month: str) -> dict[str, object]:
    """Return alice's use, told of such a day and month."""
    return {
        "terms": {"day": day, "month": month},
        "requests": [-1.5, 1, 58.5, 2],
        "tokens": {},  # as Lua writes an empty list
        "held_tokens": "40",
        "held_usd": "1500000000",
        "day": "7000000000",
        "month": "70000000000",
    }


def purses(mirror: CallerMirror) -> tuple[Purse, ...]:
    return mirror.known["alice"].purses


def test_what_is_told_of_today_is_known(mirror: CallerMirror) -> None:
    mirror.take_in(("alice",), (view("2026-12-01", "2026-12-01"),), 100.0)

    alice = mirror.known["alice"]
    assert [purse.spent for purse in alice.purses] == [7, 70]
    assert [purse.held for purse in alice.purses] == [Decimal("1.5")] * 2
    assert alice.requests
    assert alice.tokens
    assert list(alice.requests.past.bins) == [(98.5, 1), (158.5, 2)]
    assert (alice.requests.past.amount, alice.tokens.past.amount, alice.tokens.held_amount) == (3, 0, 40)


def test_what_was_asked_before_midnight_does_not_charge_the_new_day_nor_the_new_month(mirror: CallerMirror) -> None:
    mirror.take_in(("alice",), (view("2026-11-30", "2026-11-01"),), 100.0)

    assert [purse.spent for purse in purses(mirror)] == [0, 0]
    assert [purse.held for purse in purses(mirror)] == [Decimal("1.5")] * 2


def test_what_is_told_of_a_day_before_leaves_what_is_known_of_today(mirror: CallerMirror) -> None:
    mirror.take_in(("alice",), (view("2026-12-01", "2026-12-01"),), 100.0)

    mirror.take_in(("alice",), (view("2026-11-30", "2026-11-01"),), 101.0)

    assert [purse.spent for purse in purses(mirror)] == [7, 70]


def test_whom_the_settings_do_not_name_any_more_is_not_listened_for(mirror: CallerMirror) -> None:
    mirror.take_in(("bob",), (view("2026-12-01", "2026-12-01"),), 100.0)

    assert set(mirror.known) == {"", "alice"}
