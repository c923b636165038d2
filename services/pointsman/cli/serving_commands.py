"""What the command line offers to serve. What a command does is in the file of its name."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from typing import Annotated, Literal

import typer

from pointsman.cli.arguments import Config, Json, OverTheWire, Workers
from pointsman.cli.help import shown

serving = typer.Typer()


@serving.command(
    **shown(
        "Start all three services, and serve.",
        "pointsman up",
        "pointsman up --config my.toml",
        "POINTSMAN__ROUTER__ADDRESS=127.0.0.1:6000 pointsman up",
    )
)
def up(*, config: Config = None, as_json: Json = False, over_the_wire: OverTheWire = False) -> None:
    """Start Router, Classifier and Executor in one process, and serve until Ctrl-C.

    Says where they listen, which models can be called, and what is missing.
    """
    from pointsman.cli.up import up as start

    start(config, as_json=as_json, over_the_wire=over_the_wire)


@serving.command(
    **shown(
        "Start one of the services alone.",
        "pointsman serve executor",
        "pointsman serve router --config my.toml",
        "pointsman serve router --workers 2",
    )
)
def serve(
    service: Annotated[
        Literal["router", "classifier", "executor"], typer.Argument(help="Which service to start.", show_default=False)
    ],
    *,
    workers: Workers = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Start one of the three services alone, and serve until Ctrl-C.

    Several workers are processes that share its port, one a core; a caller needs several connections to reach them all.
    """
    from pointsman.cli.workers import serve as start

    start(service, config, workers=workers, as_json=as_json)
