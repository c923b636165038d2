"""What was ruled lately, and what is being asked right now: equal prompts cost one question."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Generic, TypeVar

from pointsman.domain.verdict import Verdict

Key = bytes


def key(text: str, context: str, version: str) -> Key:
    """Return the key of a cleaned prompt under one classifier version; the prompt cannot be read back from it.

    Whether an image is attached is no part of it: an image is ruled on before the cache is asked.
    """
    digest = blake2b(digest_size=16)
    for part in (version, context, text):
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()


class Cache:
    """The verdicts used last, at most `size` of them; a size of 0 remembers nothing."""

    def __init__(self, size: int) -> None:
        """Start empty."""
        self._size = size
        self._verdicts: OrderedDict[Key, Verdict] = OrderedDict()

    def __len__(self) -> int:
        return len(self._verdicts)

    def get(self, key: Key) -> Verdict | None:
        """Return the verdict of an equal prompt; None when there is none any more."""
        verdict = self._verdicts.get(key)
        if verdict is not None:
            self._verdicts.move_to_end(key)
        return verdict

    def put(self, key: Key, verdict: Verdict) -> None:
        """Remember `verdict`, and forget the one that was longest not asked for."""
        if self._size == 0:
            return
        self._verdicts[key] = verdict
        self._verdicts.move_to_end(key)
        if len(self._verdicts) > self._size:
            self._verdicts.popitem(last=False)


T = TypeVar("T")


class Flights(Generic[T]):
    """Questions under way. Whoever asks the same one meanwhile waits for that answer and does not ask."""

    def __init__(self) -> None:
        """Start with none."""
        self._flights: dict[Key, asyncio.Future[T | None]] = {}

    async def join(self, key: Key, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to the question under way, or ask it.

        Ask anew when the one who asked went away without an answer.
        """
        while (flight := self._flights.get(key)) is not None:
            # Shielded: one who stops waiting must not take the answer from the others.
            answer = await asyncio.shield(flight)
            if answer is not None:
                return answer
        return await self._lead(key, ask)

    async def _lead(self, key: Key, ask: Callable[[], Awaitable[T]]) -> T:
        flight: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        answer: T | None = None
        try:
            answer = await ask()
            return answer
        finally:
            del self._flights[key]
            flight.set_result(answer)
