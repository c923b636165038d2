"""What is known of candidates for one request: what the ledger, the caller's limits, prices and habits say of each."""

from dataclasses import replace
from datetime import datetime

from pointsman.domain.pool import Candidate, Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Skip
from pointsman.executor.allowance import Allowance, Charge
from pointsman.executor.instant import Instant
from pointsman.executor.means import Means
from pointsman.executor.plan import Plan, Planned, Prospect, ineligible, is_priced, plan
from pointsman.executor.quota import Estimate


def plan_of(means: Means, pool: Pool, request: Request, at: Instant) -> Plan:
    """Return what would be tried now. Calls nobody. Raises CallerUnknown."""
    allowance, with_cost = means.allowances[request.caller], is_priced(request, pool.policy)
    prospects = {
        candidate.id: _prospect_of(means, candidate, request, allowance, at, with_cost=with_cost)
        for candidate in pool.candidates
    }
    return plan(pool, request, prospects, at.now)


def priced_plan_of(means: Means, pool: Pool, request: Request, at: Instant) -> Plan:
    """Return the same, with what each call would probably cost: for people, who want to know it in any case."""
    found, prices = plan_of(means, pool, request, at), means.caller.prices
    ready = [
        replace(planned, cost_usd=prices.estimate(planned.candidate, planned.estimate, at.now))
        for planned in found.ready
    ]
    return Plan(ready=tuple(ready), skips=found.skips)


def plan_of_fallback(means: Means, request: Request) -> Planned | Skip | None:
    """Return the fallback as it would be called, why it cannot be, or None when there is none."""
    if means.fallback is None:
        return None
    candidate, at = means.fallback.candidate, means.instant()
    prospect = prospect_of(means, candidate, request, at)
    if skip := ineligible(candidate, request, prospect) or prospect.blocked:
        return skip
    cost_usd = means.caller.prices.estimate(candidate, prospect.estimate, at.now)
    return Planned(candidate=candidate, estimate=prospect.estimate, cost_usd=cost_usd)


def has_able_fallback(means: Means, request: Request, now: datetime) -> bool:
    """Return whether there is a fallback that could serve the request, if it were free. Raises CallerUnknown."""
    if means.fallback is None:
        return False
    candidate, caller = means.fallback.candidate, means.caller
    estimate, cost_usd = caller.estimator.estimate(candidate, request), None
    if request.options.max_cost_usd is not None:
        cost_usd = caller.prices.estimate(candidate, estimate, now)
    ability = Prospect(
        estimate=estimate,
        is_allowed=means.allowances[request.caller].may_use(candidate.id),
        has_credentials=candidate.provider in means.credentials,
        cost_usd=cost_usd,
    )
    return ineligible(candidate, request, ability) is None


def prospect_of(means: Means, candidate: Candidate, request: Request, at: Instant) -> Prospect:
    """Return what is known of a candidate outside of any pool, for one request at this moment. Raises CallerUnknown."""
    with_cost = request.options.max_cost_usd is not None
    return _prospect_of(means, candidate, request, means.allowances[request.caller], at, with_cost=with_cost)


def _prospect_of(
    means: Means, candidate: Candidate, request: Request, allowance: Allowance, at: Instant, *, with_cost: bool
) -> Prospect:
    caller = means.caller
    estimate = caller.estimator.estimate(candidate, request)
    blocked = None
    if allowance.is_counted:
        blocked = allowance.skip(candidate.id, charge_of(means, candidate, estimate, at.now), at)
    return Prospect(
        estimate=estimate,
        blocked=blocked or means.ledger.skip(candidate, estimate),
        is_allowed=allowance.may_use(candidate.id),
        has_credentials=candidate.provider in means.credentials,
        cost_usd=caller.prices.estimate(candidate, estimate, at.now) if with_cost else None,
        latency_s=caller.estimator.latency_s(candidate),
        risk=_risk(means, candidate, at.monotonic_s),
    )


def charge_of(means: Means, candidate: Candidate, estimate: Estimate, now: datetime) -> Charge:
    """Return what a call will probably use, and cost at most: with all of the output that it may ask for."""
    longest = replace(estimate, output_tokens=estimate.admitted_tokens - estimate.input_tokens)
    return Charge(
        tokens=estimate.input_tokens + estimate.output_tokens,
        most_usd=means.caller.prices.estimate(candidate, longest, now),
    )


def _risk(means: Means, candidate: Candidate, now_s: float) -> int:
    """Return how much more than was ever let in a call would be, where nobody says what the provider allows."""
    return 0 if means.ledger.is_told(candidate) else means.experience.risk(candidate.quota_scope, now_s)
