"""An adapter that answers from a script and remembers what it was asked."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from dataclasses import replace

from pointsman.domain.answer import Answer, Delta, FinishReason, Usage
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Call, Opening, Reply

ANSWER = Answer(text="97", finish_reason=FinishReason.STOP)
ANSWERED = Reply(
    outcome=Outcome.ANSWERED, answer=ANSWER, usage=Usage(input_tokens=20, output_tokens=5), model="as-served"
)

Turn = Reply | Exception | Callable[[Call], Awaitable[Reply]] | list["Event"]
"""What happens to one call: a reply, a bug, something that takes its time, or the events of a stream."""


Event = float | Opening | Delta | Reply | Exception
"""One thing in a stream: it arrives, or so many seconds pass before the next, or the adapter has a bug."""


class FakeAdapter:
    """Plays its turns one a call, and `otherwise` when there are none left. Probes have a script of their own.

    A stream plays the events of its turn; of a turn that is a reply, the text comes as one delta.
    """

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
        assert not isinstance(turn, list), "events are for streams"
        try:
            return await turn(call)
        except BaseException:
            self.cancelled += 1
            raise

    async def stream(self, call: Call) -> AsyncGenerator[Opening | Delta | Reply, None]:
        self.calls.append(call)
        turn = self.turns.popleft() if self.turns else self.otherwise
        try:
            for event in turn if isinstance(turn, list) else as_events(turn):
                if isinstance(event, Exception):
                    raise event
                if isinstance(event, float):
                    await asyncio.sleep(event)  # noqa: TID251 - on a virtual loop
                else:
                    yield event
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled += 1
            raise

    async def probe(self, model: str) -> Reply:
        self.probed.append(model)
        return self.probes.popleft() if self.probes else Reply(outcome=Outcome.ANSWERED)

    async def close(self) -> None:
        self.is_closed = True


def as_events(turn: Turn) -> list[Event]:
    """Return a turn as a stream that begins with all of its text."""
    if not isinstance(turn, Reply):
        assert isinstance(turn, Exception), "a callable has no stream; write its events down"
        return [turn]
    if turn.answer is None or not turn.answer.text:
        return [turn]
    whole = replace(turn, answer=replace(turn.answer, text=""))
    return [Opening(model=turn.model, simulated=turn.simulated), Delta(text=turn.answer.text), whole]


def ended(outcome: Outcome, **more: object) -> Reply:
    """Return the reply of a call that ended so, without an answer."""
    return Reply(outcome=outcome, **more)  # type: ignore[arg-type]  # the test names fields of Reply
