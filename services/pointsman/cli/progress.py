"""How far a command is: a bar on standard error where a person looks, nothing in a pipe."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pointsman.cli.terminal import screen


@contextmanager
def bar(words: str, whole: float | None) -> Iterator[Callable[[float], None]]:
    """Yield where to tell how much of the `whole` is done; None: nobody knows how long it takes."""
    out = screen(stderr=True)
    columns = (TextColumn(words), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as shown:
        task = shown.add_task(words, total=whole)

        def tell(done: float) -> None:
            shown.update(task, completed=done)

        yield tell
