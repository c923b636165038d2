"""What the command line offers to try without traffic of your own. What a command does is in the file of its name."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from pointsman.cli.arguments import (
    Config,
    Days,
    Html,
    Json,
    MaxEce,
    MaxP99Ms,
    MinAcceptedAccuracy,
    MinAcceptedShare,
    MinAccuracy,
    MinMacroF1,
    MinWorstF1,
    Mix,
    Picture,
    Rps,
    Seed,
    TrafficFile,
)
from pointsman.cli.help import shown
from pointsman.cli.invocation import program
from pointsman.cli.numbers import read_by

SIMULATOR_PORT: Final = 50_060
"""Clear of the services' own ports, so that both can run."""

rehearsing = typer.Typer()


@rehearsing.command(
    "eval",
    **shown(
        "Judge the classifier on labelled prompts.",
        "pointsman eval prompts.jsonl",
        "pointsman eval prompts.jsonl --mode cascade --html report.html",
        "pointsman eval prompts.jsonl --min-macro-f1 0.8 --max-ece 0.05 --json",
    ),
)
def evaluate(  # noqa: PLR0913 - one argument an option, as typer wants them
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help='JSON lines of "text" and "label", and if known "also_ok", "lang", "has_image", "context", "id".',
            show_default=False,
        ),
    ],
    *,
    mode: Annotated[
        Literal["embedded", "cascade", "ollama"],
        typer.Option("--mode", help="What rules: the embedded classifier, both, or the small model of the settings."),
    ] = "embedded",
    html: Html = None,
    min_accuracy: MinAccuracy = None,
    min_macro_f1: MinMacroF1 = None,
    min_worst_f1: MinWorstF1 = None,
    min_accepted_share: MinAcceptedShare = None,
    min_accepted_accuracy: MinAcceptedAccuracy = None,
    max_ece: MaxEce = None,
    max_p99_ms: MaxP99Ms = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Judge the classifier of your settings on prompts that you labelled: accuracy, honesty of its confidence, speed.

    Runs in this process, no stack is needed; cascade and ollama ask the Ollama of the settings. Leaves with 1 when a
    bound that you name does not hold.
    """
    from pointsman.cli.evaluate import evaluate as judge
    from pointsman.cli.evaluation_figures import Bounds

    bounds = Bounds(
        min_accuracy=min_accuracy,
        min_macro_f1=min_macro_f1,
        min_worst_f1=min_worst_f1,
        min_accepted_share=min_accepted_share,
        min_accepted_accuracy=min_accepted_accuracy,
        max_ece=max_ece,
        max_p99_ms=max_p99_ms,
    )
    judge(file, config, mode=mode, html=html, bounds=bounds, as_json=as_json)


@rehearsing.command(
    **shown(
        "Play the providers here, or rehearse days of traffic.",
        "pointsman simulate",
        "pointsman simulate --scenario calm --seed 7 --fault gpt-6.2-sol=stream_cut:3",
        "pointsman simulate --config my.toml --days 7 --rps 0.5 --picture day.svg",
    )
)
def simulate(  # noqa: PLR0913 - one argument an option, as typer wants them
    *,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="N",
            parser=read_by(int, "--port", "a port from 0 to 65534", low=0, high=65_534),
            help="Port of the providers; Ollama gets the next one. 0: any two.",
        ),
    ] = SIMULATOR_PORT,
    seed: Seed = 1,
    scenario: Annotated[
        Literal["busy-hour", "calm", "instant"],
        typer.Option(
            "--scenario", help="busy-hour: low limits, all in use; calm: no limits; instant: calm, and at once."
        ),
    ] = "busy-hour",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="MODEL=FAULT[:TIMES]",
            help="The next calls of a model, of a provider (openai) or of all (*) go wrong; may be given again. "
            "Of streams: stream_cut, stream_short, stream_stall, stream_garbage, stream_error; "
            "an unknown one names all.",
            show_default=False,
        ),
    ] = None,
    traffic: TrafficFile = None,
    rps: Rps = None,
    mix: Mix = "",
    days: Days = None,
    picture: Picture = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Play the providers and Ollama on this machine, to rehearse against. Every answer is invented, and says so.

    With --days, --rps, --mix, --traffic or --picture nothing is served: your own pools and limits go through that
    traffic on a clock that jumps, and you read who would answer, which limits bind, what is wasted and what it costs.
    """
    from pointsman.cli.failure import Misuse
    from pointsman.cli.rehearse import Wanted, rehearse
    from pointsman.cli.simulate import simulate as play

    wanted = Wanted(traffic=traffic, rps=rps, mix=mix, days=days, picture=picture, seed=seed)
    if wanted.is_wanted:
        if (port, scenario, fault) != (SIMULATOR_PORT, "busy-hour", None):
            raise Misuse("--port, --scenario and --fault are for serving; leave them out, or leave the days out")
        rehearse(config, wanted, as_json=as_json)
        return
    play(config, port=port, seed=seed, scenario=scenario, faults=fault or (), as_json=as_json)


@rehearsing.command(
    **shown("See it work, without keys and without Ollama.", "pointsman demo", "pointsman demo --once --json")
)
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Leave after the table instead of staying up.")] = False,
    seed: Seed = 1,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """See Pointsman work, without keys and Ollama: real services, simulated providers, and the before/after table."""
    from pointsman.cli.demo import demo as show
    from pointsman.domain.errors import SettingsError

    try:
        show(config, once=once, as_json=as_json, seed=seed)
    except SettingsError as error:
        if "address" in error.metadata:
            message = f"{error.message}\nor see the table alone, on free ports: {program()} demo --once"
            raise SettingsError(message, trail=None, **error.metadata) from error
        raise
