"""What a command that serves says to people, on a terminal or into a pipe.

A pipe gets a line a paragraph, and no rich: a server in the background would hold it for as long as it runs.
"""

import sys
from typing import Protocol

from pointsman.cli.terminal import say, screen


class Notices(Protocol):
    """Where to say it."""

    def say(self, text: str = "", *, lead: str = "", style: str = "") -> None:
        """Print a paragraph that begins with `lead`; on a terminal, further lines begin below its text."""

    def paste(self, text: str) -> None:
        """Print what may be pasted into a shell: broken by the terminal alone."""


def notices(*, stderr: bool = False) -> Notices:
    """Return where to say things: standard output or standard error."""
    is_read_by_people = (sys.stderr if stderr else sys.stdout).isatty()
    return _Screen(stderr=stderr) if is_read_by_people else _Pipe(stderr=stderr)


class _Screen:
    def __init__(self, *, stderr: bool) -> None:
        self._out = screen(stderr=stderr)

    def say(self, text: str = "", *, lead: str = "", style: str = "") -> None:
        say(self._out, text, lead=lead, style=style)

    def paste(self, text: str) -> None:
        self._out.print(text, soft_wrap=True)


class _Pipe:
    def __init__(self, *, stderr: bool) -> None:
        self._is_stderr = stderr

    def say(self, text: str = "", *, lead: str = "", style: str = "") -> None:  # noqa: ARG002 - a pipe has no colours
        self.paste(f"{lead}{text}")

    def paste(self, text: str) -> None:
        print(text, file=sys.stderr if self._is_stderr else sys.stdout, flush=True)
