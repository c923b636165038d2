"""What was asked of the simulated world and how it ended: the sums to compare Pointsman's own with."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One call as the simulated provider saw it: twice, when it came in and when it ended.

    `id` stands in the answer, within the provider's request id; Ollama has none. `outcome` is None before the end, and
    for a caller that went away. `is_scripted` tells a fault that was asked for from what the account decided.
    """

    kind: str
    model: str
    id: str
    is_over: bool
    outcome: Outcome | None = None
    is_scripted: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


Witness = Callable[[Sighting], None]
"""Is told of every call twice, such as to write it down where the end of this process does not reach."""


class CallCount:
    """One call in the tally of its model: begins with it, ends once."""

    def __init__(self, tally: Tally, begun: Sighting, witness: Witness) -> None:
        """Count the call as come in."""
        self._tally = tally
        self._begun = begun
        self._witness = witness
        self._input_tokens = 0
        self._output_tokens = 0
        self._cost_usd = Decimal(0)
        tally.begin()
        witness(begun)

    def use(self, input_tokens: int, output_tokens: int, cost_usd: Decimal) -> None:
        """Note what the call used."""
        self._input_tokens, self._output_tokens, self._cost_usd = input_tokens, output_tokens, cost_usd
        self._tally.input_tokens += input_tokens
        self._tally.output_tokens += output_tokens
        self._tally.cost_usd += cost_usd

    def end(self, outcome: Outcome | None) -> None:
        """Note how it ended; None when its caller went away."""
        self._tally.end(outcome)
        ended = replace(
            self._begun,
            is_over=True,
            outcome=outcome,
            input_tokens=self._input_tokens,
            output_tokens=self._output_tokens,
            cost_usd=self._cost_usd,
        )
        self._witness(ended)


def unwitnessed(_: Sighting) -> None:
    """Tell nobody."""


class Tallies:
    """One tally a model, by provider kind and model id; one for "" counts what named no known model."""

    def __init__(self, witness: Witness = unwitnessed) -> None:
        """Begin with nothing counted."""
        self._by_model: dict[tuple[str, str], Tally] = {}
        self._witness = witness

    def count(self, kind: str, model: str, *, id: str = "", is_scripted: bool = False) -> CallCount:
        """Count a call that has come in."""
        begun = Sighting(kind=kind, model=model, id=id, is_over=False, is_scripted=is_scripted)
        return CallCount(self[kind, model], begun, self._witness)

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
