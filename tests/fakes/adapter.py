"""An adapter that answers from a script and remembers what it was asked."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, Reply

ANSWER = Answer(text="97", finish_reason=FinishReason.STOP)
ANSWERED = Reply(
    outcome=Outcome.ANSWERED, answer=ANSWER, usage=Usage(input_tokens=20, output_tokens=5), model="as-served"
)

Turn = Reply | Exception | Callable[[Call], Awaitable[Reply]]
"""What happens to one call: a reply, a bug, or something that takes its time."""


class FakeAdapter:
    """Plays its turns one a call, and `otherwise` when there are none left. Probes have a script of their own."""

    def __init__(self, turns: Iterable[Turn] = (), *, otherwise: Turn = ANSWERED, probes: Iterable[Reply] = ()) -> None:
        self.turns = deque(turns)
        self.otherwise = otherwise
        self.probes = deque(probes)
        self.calls: list[Call] = []
        self.probed: list[str] = []
        self.cancelled = 0
        self.is_closed = False

    @property
    def called(self) -> list[str]:
        """The ids of the candidates called, in order."""
        return [call.candidate.id for call in self.calls]

    async def call(self, call: Call) -> Reply:
        self.calls.append(call)
        turn = self.turns.popleft() if self.turns else self.otherwise
        if isinstance(turn, Exception):
            raise turn
        if isinstance(turn, Reply):
            return turn
        try:
            return await turn(call)
        except BaseException:
            self.cancelled += 1
            raise

    async def probe(self, model: str) -> Reply:
        self.probed.append(model)
        return self.probes.popleft() if self.probes else Reply(outcome=Outcome.ANSWERED)

    async def close(self) -> None:
        self.is_closed = True


def ended(outcome: Outcome, **more: object) -> Reply:
    """Return the reply of a call that ended so, without an answer."""
    return Reply(outcome=outcome, **more)  # type: ignore[arg-type]  # the test names fields of Reply
