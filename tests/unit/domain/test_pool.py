"""What can be read off candidates and pools."""

from datetime import timedelta

from pointsman.domain.pool import Limit, Policy, Pool, Scope, Unit
from tests.unit.executor.making import candidate

REQUESTS = Limit(unit=Unit.REQUESTS, amount=3, period=timedelta(minutes=1))
CALLS = Limit(unit=Unit.CONCURRENCY, amount=2, period=None)


def test_limits_come_with_their_scope_the_widest_first() -> None:
    one = candidate("a/m", account_limits=[CALLS], limits=[REQUESTS], group="g")

    assert one.limits == (("provider:a", CALLS), ("group:g", REQUESTS))
    assert one.scopes[-1] == Scope(name="model:a/m", limits=())


def test_a_pool_is_ordered_and_impatient_by_default() -> None:
    pool = Pool(category="quick", candidates=())

    assert (pool.policy, pool.patience) == (Policy.ORDERED, timedelta(0))
