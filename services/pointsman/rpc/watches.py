"""Calls that last until somebody ends them: the methods called Watch…. A server that stops ends them at once.

Whoever watches waits for news and loses nothing by asking again; a stop must not wait for it.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pointsman.domain.errors import Stopping

Serve = Callable[[Any, Any], Any]
"""What a servicer registered for a method: a coroutine function or an async generator function."""

HEALTH: Final = "grpc.health.v1.Health/"


def is_watch(method: str) -> bool:
    """Return whether calls of a method, "package.Service/Method", last until somebody ends them."""
    return method.rpartition("/")[2].startswith("Watch")


@dataclass(eq=False, slots=True, kw_only=True)
class _Watch:
    """One watch under way. While `is_telling`, its task is gRPC's, which has a message to bring out."""

    method: str
    task: "asyncio.Task[Any]"
    is_telling: bool = False


class Watches:
    """Those of one server."""

    def __init__(self) -> None:
        """Begin with none."""
        self._open: set[_Watch] = set()
        self._is_over = False

    @property
    def working(self) -> int:
        """How many there are that ask for news of the work, health apart."""
        return sum(not watch.method.startswith(HEALTH) for watch in self._open)

    @property
    def of_health(self) -> int:
        """How many would hear that the server stops."""
        return len(self._open) - self.working

    def end(self) -> None:
        """End all of them, and those that still come, as soon as they have told what they are telling."""
        self._is_over = True
        for watch in self._open:
            if not watch.is_telling:
                watch.task.cancel()

    def bounded(self, method: str, serve: Serve) -> Serve:
        """Return what serves a watch until it ends by itself, or with Stopping when the server stops."""
        if not inspect.isasyncgenfunction(serve):  # grpcio's own health service writes by itself

            async def serve_writing(request: object, context: object) -> object:
                with self._held(method):
                    return await serve(request, context)

            return serve_writing

        async def serve_yielding(request: object, context: object) -> AsyncGenerator[object, None]:
            with self._held(method) as watch:
                async with aclosing(serve(request, context)) as answers:
                    async for answer in answers:
                        watch.is_telling = True
                        yield answer
                        watch.is_telling = False
                        self._refuse_if_over()

        return serve_yielding

    @contextmanager
    def _held(self, method: str) -> Iterator[_Watch]:
        self._refuse_if_over()
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError(f"{method} is served outside a task")
        watch = _Watch(method=method, task=task)
        self._open.add(watch)
        try:
            yield watch
        except asyncio.CancelledError as error:
            if not self._is_over or task.uncancel():  # whoever watched has gone, which may be at the same moment
                raise
            raise _stopping() from error
        finally:
            self._open.discard(watch)

    def _refuse_if_over(self) -> None:
        if self._is_over:
            raise _stopping()


def _stopping() -> Stopping:
    return Stopping("the service is stopping and tells no more news; ask again, whoever comes after it will answer")
