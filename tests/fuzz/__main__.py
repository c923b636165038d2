"""`make fuzz-atheris TARGET=events`: guided by coverage, from the corpus, until Ctrl-C. Needs atheris.

What it finds interesting stays in `.fuzz/TARGET`; what broke a promise is written beside it as `crash-…` and moves to
`tests/fuzz/corpus/TARGET` with the mend.
"""

import sys
from importlib import import_module
from pathlib import Path

from tests.fuzz.corpus import seeds
from tests.fuzz.targets import TARGETS


def main(target: str, *arguments: str) -> None:
    """Play one target until it breaks or is interrupted."""
    atheris = import_module("atheris")  # not among the locked packages: it has no files for Windows, and few for macOS
    found = Path(".fuzz") / target
    found.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(target)):
        (found / f"seed-{number}").write_bytes(seed)
    atheris.instrument_all()
    atheris.Setup([sys.argv[0], str(found), f"-artifact_prefix={found}/", *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
