"""How commands explain themselves: in a few words in the list, and with examples below their own help."""

from typing import Any

from pointsman.cli.invocation import NAME, program


def as_called(text: str) -> str:
    """Return the text with each command written as the user called this one."""
    return text.replace(f"{NAME} ", f"{program()} ")


def shown(short: str, *examples: str) -> dict[str, Any]:
    """Return how a command is shown: in a few words in the list of commands, and with examples below its own help."""
    return {"short_help": short, "epilog": "\b\nExamples:\n" + "\n".join(f"  {as_called(line)}" for line in examples)}
