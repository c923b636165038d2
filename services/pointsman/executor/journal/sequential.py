"""What sequential fallback without classification would have done with a request. Pure.

One list for every request: the candidates in the order of the settings, each model once, those of this machine last.
It knows what models can do, and nothing of quotas. What the trail says of a candidate holds for it too: one that was
skipped for its quota or a cooldown, or is out of service, would have been called and have refused; one that failed
would have failed, for the same money. The first other one answers with as many tokens as were really used, at its own
price. Of candidates that the trail does not mention nothing is known, and they are taken to be free: the count of calls
is the least that it would have made. A request that nobody answered costs both ways the same.
"""

from collections.abc import Container, Iterable
from decimal import Decimal
from typing import Final

from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.domain.trail import Outcome, SkipReason
from pointsman.executor.journal.row import Needs, Row
from pointsman.executor.prices import PriceTable

REFUSING: Final = frozenset(
    {SkipReason.COOLING, SkipReason.OUT_OF_QUOTA, SkipReason.OUT_OF_CONCURRENCY, SkipReason.OUT_OF_SERVICE}
)
"""Why a candidate was left out that somebody who knows of no quotas would have called in vain."""

FAILED: Final = frozenset(Outcome) - {Outcome.ANSWERED, Outcome.CONTENT_BLOCKED, Outcome.CANCELLED}


@frozen
class Sequential:
    """Calls that it would have made, and what they would have cost in US dollars."""

    attempts: int
    cost_usd: Decimal


class SequentialFallback:
    """One list of candidates. `credentials` holds the names of the providers that have a key or need none."""

    def __init__(self, candidates: Iterable[Candidate], prices: PriceTable, *, credentials: Container[str]) -> None:
        """Put the list in order."""
        self._prices = prices
        known = sorted((each for each in candidates if each.provider in credentials), key=lambda each: each.local)
        models: dict[tuple[str, str], Candidate] = {}
        for each in known:
            models.setdefault(_model(each), each)
        self._sequence = tuple([(each, model) for model, each in models.items()])
        self._models = {each.id: _model(each) for each in known}

    def of(self, row: Row) -> Sequential:
        """Return what would have become of a request.

        Where a price is unknown, what was really paid stands in for it.
        """
        answered_by = row.answered_by
        real = Sequential(attempts=len(row.attempts), cost_usd=row.known_cost_usd)
        if answered_by is None:
            return real
        refusing, failed = self._refusing(row), self._failed(row)
        attempts, cost_usd, usage, needs = 0, Decimal(0), answered_by.usage, row.needs
        input_tokens = usage.input_tokens if usage else 0
        for candidate, model in self._sequence:
            if not _is_able(candidate, needs, input_tokens):
                continue
            attempts += 1
            if model in failed:
                cost_usd += failed[model]
            elif model not in refusing:
                price = self._prices.cost(candidate, usage, row.at) if usage else None
                return Sequential(attempts=attempts, cost_usd=real.cost_usd if price is None else cost_usd + price)
        # Nobody on the list was free; whoever really answered, the local fallback say, would have been found at last.
        return Sequential(attempts=attempts + 1, cost_usd=cost_usd + (answered_by.cost_usd or 0))

    def _refusing(self, row: Row) -> set[tuple[str, str] | None]:
        return {self._models.get(step.candidate) for step in row.trail.skips if step.reason in REFUSING}

    def _failed(self, row: Row) -> dict[tuple[str, str] | None, Decimal]:
        return {
            self._models.get(step.candidate): step.cost_usd or Decimal(0)
            for step in row.trail.attempts
            if step.outcome in FAILED
        }


def _is_able(candidate: Candidate, needs: Needs, input_tokens: int) -> bool:
    model = candidate.model
    return not (
        (needs.local_only and not candidate.local)
        or (needs.images and not model.sees_images)
        or (needs.image_urls and not model.takes_image_urls)
        or (needs.tools and not model.takes_tools)
        or (needs.json_schema and not model.follows_json_schema)
        or input_tokens > model.max_input_tokens
    )


def _model(candidate: Candidate) -> tuple[str, str]:
    return candidate.provider, candidate.model.id
