"""What the command line offers to get a machine ready. What a command does is in the file of its name."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from pathlib import Path
from typing import Annotated, Literal

import typer

from pointsman.cli.arguments import Config, Json
from pointsman.cli.help import shown
from pointsman.cli.numbers import read_by

preparing = typer.Typer()


@preparing.command(
    **shown(
        "Find out what is missing here, and how to get it.",
        "pointsman doctor",
        "pointsman doctor --json | jq '.findings[] | select(.level != \"ok\")'",
    )
)
def doctor(*, config: Config = None, as_json: Json = False) -> None:
    """Look at everything that Pointsman needs on this machine, and say what to do about what is missing.

    Settings, ports, Ollama and its models, keys (by the names of their variables only), limits. Leaves with 1 when no
    model could answer.
    """
    from pointsman.cli.doctor import doctor as examine

    raise typer.Exit(examine(config, as_json=as_json))


@preparing.command(**shown("Bring the two local models.", "pointsman pull", "pointsman pull --only classifier"))
def pull(
    *,
    only: Annotated[
        Literal["classifier", "fallback"] | None,
        typer.Option(
            "--only", help="Just the small model that classifies, or just the one that answers.", show_default=False
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Bring the two local models through Ollama: about 16 GB to answer when no provider can, about 1 GB to classify.

    Can be stopped and started again at any time; what has come is kept.
    """
    from pointsman.cli.pull import RESUME
    from pointsman.cli.pull import pull as bring

    try:
        bring(config, only=only, as_json=as_json)
    except KeyboardInterrupt:
        typer.echo(f"stopped. {RESUME}", err=True)
        raise typer.Exit(130) from None


@preparing.command("check-config", **shown("Check a settings file.", "pointsman check-config my.toml"))
def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The settings file.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """Read a settings file exactly as the start does, and show what it amounts to or what is wrong with it."""
    from pointsman.cli.check_config import check_config as check

    check(file, as_json=as_json)


@preparing.command(
    **shown("Make certificates for trying TLS.", "pointsman certs certs", "pointsman certs certs --host 10.0.0.5")
)
def certs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write them.", show_default=False)],
    *,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="A further name or address of the services; may be repeated."),
    ] = None,
    callers: Annotated[
        list[str] | None,
        typer.Option("--caller", metavar="NAME", help="A caller to make a certificate for; may be repeated."),
    ] = None,
    days: Annotated[
        int,
        typer.Option(
            "--days",
            metavar="N",
            # What Apple's machines still believe (support.apple.com/103769, 2026-11).
            parser=read_by(int, "--days", "1 to 825, which is the most that all machines believe", low=1, high=825),
            help="How long they hold, 1 to 825.",
        ),
    ] = 90,
    as_json: Json = False,
) -> None:
    """Make an authority of your own, a certificate for the services and one for a caller, and say how to use them."""
    from pointsman.cli.failure import Failure

    try:
        from pointsman.cli.certs import certs as make
    except ModuleNotFoundError as error:
        if error.name != "cryptography":
            raise
        raise Failure("making certificates needs the package cryptography; install pointsman[certs]") from error

    make(folder, hosts=hosts or (), callers=callers or (), days=days, as_json=as_json)
