"""What to try now, and what not and why. Pure: eligibility first, then what the ledger says, then the pool's order."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate, Model, Policy, Pool
from pointsman.domain.prompt import Request
from pointsman.domain.trail import Skip, SkipReason
from pointsman.executor.quota import Estimate


@frozen
class Prospect:
    """What is known of a candidate for one request.

    `blocked` is what stands against a call now: the caller's limits, or the ledger. `is_allowed` says whether the
    caller may use it at all. `cost_usd` is None when the price is unknown, or the plan does not depend on it.
    `latency_s` is 0 when unknown. `risk` grows with what a provider that names no limit has never let in before; 0 is
    none.
    """

    estimate: Estimate
    blocked: Skip | None = None
    has_credentials: bool = True
    is_allowed: bool = True
    cost_usd: Decimal | None = None
    latency_s: float = 0.0
    risk: int = 0


@frozen
class Planned:
    """A candidate to try, after `wait_s` seconds if its quota renews soon enough to be worth it.

    `cost_usd` is None when the price is unknown, or the plan does not depend on it.
    """

    candidate: Candidate
    estimate: Estimate
    cost_usd: Decimal | None
    wait_s: float = 0.0


@frozen
class Plan:
    """Candidates in the order in which to try them, and those left out."""

    ready: tuple[Planned, ...]
    skips: tuple[Skip, ...]


def is_priced(request: Request, policy: Policy) -> bool:
    """Return whether a plan depends on what its candidates cost."""
    return request.options.max_cost_usd is not None or policy is Policy.CHEAPEST


def plan(pool: Pool, request: Request, prospects: Mapping[str, Prospect], now: datetime) -> Plan:
    """Return the plan of a pool. `prospects` has an entry for each of its candidates, by id."""
    ready: list[Planned] = []
    skips: list[Skip] = []
    for candidate in pool.candidates:
        prospect = prospects[candidate.id]
        skip, wait_s = ineligible(candidate, request, prospect) or prospect.blocked, 0.0
        if skip:
            patience_s = None if ready else _worth_waiting_s(pool, skip, now)
            if patience_s is None:
                skips.append(skip)
                continue
            wait_s = patience_s
        ready.append(
            Planned(candidate=candidate, estimate=prospect.estimate, cost_usd=prospect.cost_usd, wait_s=wait_s)
        )
    if len(ready) > 1:
        ready.sort(key=_order(pool.policy, prospects))
    return Plan(ready=tuple(ready), skips=tuple(skips))


def ineligible(candidate: Candidate, request: Request, prospect: Prospect) -> Skip | None:
    """Return why the candidate can never serve this request, None when it can."""
    if bar := _bar(candidate, request, prospect):
        reason, detail = bar
        return Skip(candidate=candidate.id, reason=reason, detail=detail)
    return None


Bar = tuple[SkipReason, str]
"""Why not, in one word and in a sentence."""


def _bar(candidate: Candidate, request: Request, prospect: Prospect) -> Bar | None:
    """Return the firmest of what stands against a candidate. Most meet nothing."""
    budget = request.options.max_cost_usd
    if not prospect.is_allowed:
        return SkipReason.NOT_ALLOWED, "the caller may not use it"
    if request.options.local_only and not candidate.local:
        return SkipReason.NOT_LOCAL, "the prompt must stay on this machine"
    if lacking := _lacking_skill(candidate.model, request):
        return lacking
    if lacking := _lacking_room(candidate.model, request, prospect.estimate.input_tokens):
        return lacking
    if budget is not None and (prospect.cost_usd is None or prospect.cost_usd > budget):  # unknown is over every bound
        return SkipReason.TOO_EXPENSIVE, f"about ${prospect.cost_usd}; ${budget} allowed"
    if not prospect.has_credentials:  # last, so that a missing key is named only where it would help
        return SkipReason.NO_CREDENTIALS, candidate.key_advice
    return None


def _lacking_skill(model: Model, request: Request) -> Bar | None:
    prompt, options = request.prompt, request.options
    if prompt.image_count and not model.sees_images:
        return SkipReason.NO_IMAGES, f"{model.id} does not see images"
    if prompt.image_count and prompt.has_image_url and not model.takes_image_urls:
        return SkipReason.NO_IMAGE_URLS, f"{model.id} takes images by value only"
    if options.tools and not model.takes_tools:
        return SkipReason.NO_TOOLS, f"{model.id} does not take tools"
    if options.json_schema and not model.follows_json_schema:
        return SkipReason.NO_JSON_SCHEMA, f"{model.id} does not promise schemas"
    return None


def _lacking_room(model: Model, request: Request, tokens: int) -> Bar | None:
    asked = request.options.max_output_tokens or 0
    if tokens > model.max_input_tokens:
        return SkipReason.CONTEXT_TOO_SMALL, f"about {tokens} tokens; at most {model.max_input_tokens}"
    if asked > model.max_output_tokens:
        return SkipReason.OUTPUT_TOO_SMALL, f"{asked} tokens asked; at most {model.max_output_tokens}"
    if tokens + asked > model.context_tokens:
        together = f"about {tokens} tokens and {asked} of output; {model.context_tokens} together"
        return SkipReason.CONTEXT_TOO_SMALL, together
    return None


def _worth_waiting_s(pool: Pool, skip: Skip, now: datetime) -> float | None:
    """Return how long to wait for the preferred candidate, None when it is not worth it."""
    if skip.reason not in {SkipReason.OUT_OF_QUOTA, SkipReason.COOLING} or skip.ready_at is None:
        return None
    wait_s = (skip.ready_at - now).total_seconds()
    return max(0.0, wait_s) if wait_s <= pool.patience.total_seconds() else None


def _order(policy: Policy, prospects: Mapping[str, Prospect]) -> Callable[[Planned], tuple[float, ...]]:
    """Return the sort key of a policy; equal keys keep the order of the settings, and who is risky comes last."""
    match policy:
        case Policy.ORDERED:
            return lambda planned: (prospects[planned.candidate.id].risk,)
        case Policy.CHEAPEST:
            return lambda planned: (
                prospects[planned.candidate.id].risk,
                float("inf") if planned.cost_usd is None else float(planned.cost_usd),
            )
        case Policy.FASTEST:
            return lambda planned: (
                prospects[planned.candidate.id].risk,
                prospects[planned.candidate.id].latency_s + planned.wait_s,
            )
