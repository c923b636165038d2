"""Bodies that take time: the events of a stream, or the drops of a slow connection."""

from collections.abc import Callable, Iterable

from pointsman.domain.clock import Clock


class Delivery:
    """Hands out pieces, the first at once, the second after `first_s`, the others every `each_s` seconds.

    `on_end` is called exactly once, with True when the last piece was taken and False when the taker left before.
    """

    def __init__(
        self, pieces: Iterable[bytes], *, clock: Clock, first_s: float, each_s: float, on_end: Callable[[bool], None]
    ) -> None:
        """Begin with nothing handed out."""
        self._pieces = iter(pieces)
        self._clock = clock
        self._waits = iter((0.0, first_s))
        self._each_s = each_s
        self._on_end = on_end
        self._is_over = False

    def __aiter__(self) -> "Delivery":
        return self

    async def __anext__(self) -> bytes:
        piece = next(self._pieces, None)
        if piece is None:
            self._end(is_whole=True)
            raise StopAsyncIteration
        await self._clock.sleep(next(self._waits, self._each_s))
        return piece

    async def aclose(self) -> None:
        self._end(is_whole=False)

    def _end(self, *, is_whole: bool) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_end(is_whole)
