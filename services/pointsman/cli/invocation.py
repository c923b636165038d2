"""How the user called this program, so that every command it suggests can be pasted as it stands."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "pointsman"


def program() -> str:
    """Return what to type for this program: "pointsman", ".venv/bin/pointsman" or "python -m pointsman".

    A name alone only where PATH leads to the very file that runs.
    """
    called = Path(sys.argv[0])
    if called.parts[-2:] == (NAME, "__main__.py"):
        return f"{_as_typed(Path(sys.executable))} -m {NAME}"
    if called.stem != NAME:  # not called by a person: a test, or code that imports this
        return NAME
    return _as_typed(called)


def _as_typed(file: Path) -> str:
    """Return the shortest way to name a program, quoted for a shell: its name, its path from here, or its path."""
    found = shutil.which(file.name)
    if found and Path(found).absolute() == file.absolute():
        return file.name
    here = Path.cwd()
    return shlex.quote(str(file.relative_to(here) if file.is_relative_to(here) else file))
