"""How a command ends that did not work out: expected, so told in plain lines and never as a traceback.

Failure                 exit code 1: what was asked for did not work out
├── Misuse              exit code 2: the command line itself is wrong
└── Stopped             exit code 130: the user pressed Ctrl-C
"""

from typing import TYPE_CHECKING

from pointsman.cli.invocation import program

if TYPE_CHECKING:
    from pointsman.domain.errors import SettingsError  # at run time the domain's words, which --help does without


class Failure(Exception):
    """Ends a command; the message has one to three lines: what was wrong, with the value, and what to do."""

    exit_code = 1


class Misuse(Failure):
    """An argument cannot be what it is."""

    exit_code = 2


class Stopped(Failure):
    """The user ended the command before it had done its work; the number is the shell's own for SIGINT."""

    exit_code = 130


def advice_on(error: "SettingsError") -> str:
    """Return what to do about a setting that came from the environment; empty where the message says it all."""
    variable = error.metadata.get("variable")
    is_about_a_port = "address" in error.metadata  # the variable is then one to set
    return f"correct or unset {variable}" if variable and not is_about_a_port else ""


def wrong_door(address: str, *, wanted: str, usual: str) -> str:
    """Return what to say when another service than the wanted one listens at an address."""
    where = f"it listens at {usual} unless your settings say otherwise: " if address != usual else ""
    return f"what listens at {address} is no {wanted}; {where}name the {wanted}'s with --address"


def how_to_see_one() -> str:
    """Return how to get a stack that answers, for who has neither keys nor Ollama."""
    return f"without keys and Ollama: `{program()} demo`, or `make demo` in the source tree"
