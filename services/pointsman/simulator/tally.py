"""What was asked of the simulated world and how it ended: the sums to compare Pointsman's own with."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from pointsman.domain.trail import Outcome


@dataclass(slots=True)
class Tally:
    """The calls of one model. `abandoned` calls are those whose caller went away before the answer was whole."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    abandoned: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    in_flight: int = 0
    most_in_flight: int = 0

    def begin(self) -> None:
        """Note a call that has come in."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def end(self, outcome: Outcome | None) -> None:
        """Note how it ended; None when its caller went away."""
        self.in_flight -= 1
        if outcome is None:
            self.abandoned += 1
        else:
            self.outcomes[outcome] += 1

    @property
    def calls(self) -> int:
        """Calls that ended, whichever way."""
        return self.outcomes.total() + self.abandoned

    @property
    def answered(self) -> int:
        """Calls that brought an answer."""
        return self.outcomes[Outcome.ANSWERED]

    @property
    def wasted(self) -> int:
        """Calls that ended on a limit."""
        return sum(self.outcomes[o] for o in (Outcome.RATE_LIMITED, Outcome.CONCURRENCY_LIMITED, Outcome.DAILY_QUOTA))


class Tallies:
    """One tally a model, by provider kind and model id; one for "" counts what named no known model."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._by_model: dict[tuple[str, str], Tally] = {}

    def __getitem__(self, key: tuple[str, str]) -> Tally:
        return self._by_model.setdefault(key, Tally())

    def __iter__(self) -> Iterator[tuple[tuple[str, str], Tally]]:
        return iter(sorted(self._by_model.items()))

    def model(self, id: str) -> Tally:
        """Return the sum over all providers that serve the model."""
        return _sum(tally for (_, model), tally in self if model == id)

    @property
    def total(self) -> Tally:
        """The sum over everything."""
        return _sum(tally for _, tally in self)


def _sum(tallies: Iterator[Tally]) -> Tally:
    total = Tally()
    for tally in tallies:
        total.outcomes.update(tally.outcomes)
        total.abandoned += tally.abandoned
        total.input_tokens += tally.input_tokens
        total.output_tokens += tally.output_tokens
        total.cost_usd += tally.cost_usd
        total.in_flight += tally.in_flight
        total.most_in_flight = max(total.most_in_flight, tally.most_in_flight)
    return total
