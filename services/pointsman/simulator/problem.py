"""Why a simulated provider does not answer, before it is put into the words of that provider."""

from dataclasses import dataclass

from pointsman.domain.trail import Outcome
from pointsman.simulator.scenario import LimitProfile


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal or a failure. `outcome` is what a good adapter should make of it, where the dialect can say it.

    Only OpenAI tells a request that never fits from one that is too early; Anthropic and OpenAI do not tell a day
    from a minute.

    `wait_s` is None when no hint is given or waiting does not help. `used` and `requested` are in the unit of `limit`;
    for CONTEXT_TOO_LONG they are what fits and what came. `message`, `param`, `code` and `status` are for
    INVALID_REQUEST; the code "missing" tells an absent key from a wrong one.
    """

    outcome: Outcome
    model: str = ""
    limit: LimitProfile | None = None
    used: int = 0
    requested: int = 0
    wait_s: float | None = None
    message: str = ""
    param: str | None = None
    code: str | None = None
    status: int = 400


class Unreadable(Exception):
    """A request that a provider turns away while reading it."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem that is to be answered."""
        super().__init__(problem.message or problem.outcome)
        self.problem = problem


def invalid(message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> Unreadable:
    """Return what to raise for a request that is wrong in itself."""
    return Unreadable(Problem(Outcome.INVALID_REQUEST, message=message, param=param, code=code, status=status))
