"""The command line as a whole: its own help, the order of its commands, and how it ends.

What it offers stands in the files of `…_commands`, what a command does in the file of its name.
"""
# ruff: noqa: PLC0415 - what only some runs need is imported then, so that --help is quick

import io
import sys
from typing import Annotated, Final

import typer

from pointsman.cli.asking_commands import asking
from pointsman.cli.help import as_called, shown
from pointsman.cli.invocation import NAME, program
from pointsman.cli.keys_commands import keys
from pointsman.cli.looking_commands import looking
from pointsman.cli.preparing_commands import preparing
from pointsman.cli.rehearsing_commands import rehearsing
from pointsman.cli.serving_commands import serving

HELP: Final = """
Send each prompt to the model that is able and free, and to no other.

A small local classifier says what kind of work a prompt is; Pointsman knows which models are able and free before it
calls one, and answers from a local model when no provider can.
"""
EPILOG: Final = """
\b
First steps:
  pointsman demo                 see it work, without keys and without Ollama
  pointsman doctor               what is there, what is missing, how to get it
  pointsman up                   start it
  pointsman route "2+2는?"       ask it

Each command explains itself: pointsman route --help
"""

app = typer.Typer(
    help=HELP,
    epilog=as_called(EPILOG),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for commands in (serving, asking, looking, preparing, rehearsing):
    app.add_typer(commands)
app.add_typer(
    keys,
    name="keys",
    help="Make, list and revoke the keys that callers show to the Router; the file is router.keys of the settings.",
    **shown(
        "Make, list and revoke the keys of callers.",
        "pointsman keys create alice",
        "pointsman keys list --json",
        "pointsman keys revoke 1f2e3d4c",
    ),
)


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer hands the value over like this
    if value:
        from importlib.metadata import version as installed_version

        typer.echo(f"{NAME} {installed_version('pointsman')}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line; the exit code is 0, 1 when what was asked for failed, 2 for bad usage or settings."""
    from pointsman.cli.failure import Failure, advice_on
    from pointsman.domain.errors import PointsmanError, SettingsError

    _write_any_character()
    try:
        app(prog_name=program())
    except Failure as failure:
        _leave(str(failure), failure.exit_code)
    except SettingsError as error:
        _leave("\n  → ".join(filter(None, (error.message, advice_on(error)))), 2)
    except PointsmanError as error:
        _leave(error.message, 1)


def _write_any_character() -> None:
    """Have characters that the encoding of the output lacks written as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _leave(message: str, code: int) -> None:
    typer.echo(f"{NAME}: {message}", err=True)
    sys.exit(code)
