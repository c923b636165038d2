"""What the command line offers: names, arguments and help of every command.

What a command does stands in the file of its name.
"""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

import io
import sys
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from pointsman.cli.arguments import (
    EXECUTOR,
    ROUTER,
    TIMEOUT_S,
    ApiKeyEnv,
    Category,
    Config,
    Days,
    ExecutorAddress,
    Html,
    Images,
    Json,
    LocalOnly,
    MaxEce,
    MaxOutputTokens,
    MaxP99Ms,
    MinAcceptedAccuracy,
    MinAcceptedShare,
    MinAccuracy,
    MinMacroF1,
    MinWorstF1,
    Mix,
    Picture,
    RouterAddress,
    Rps,
    Text,
    Timeout,
    TrafficFile,
)
from pointsman.cli.invocation import NAME, program

SIMULATOR_PORT: Final = 50_060
"""Clear of the services' own ports, so that both can run."""

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


def _as_called(text: str) -> str:
    """Return the text with each command written as the user called this one."""
    return text.replace(f"{NAME} ", f"{program()} ")


app = typer.Typer(
    help=HELP,
    epilog=_as_called(EPILOG),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _shown(short: str, *examples: str) -> dict[str, Any]:
    """Return how a command is shown: in a few words in the list of commands, and with examples below its own help."""
    return {"short_help": short, "epilog": "\b\nExamples:\n" + "\n".join(f"  {_as_called(line)}" for line in examples)}


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer hands the value over like this
    if value:
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


@app.command(
    **_shown(
        "Start all three services, and serve.",
        "pointsman up",
        "pointsman up --config my.toml",
        "POINTSMAN__ROUTER__ADDRESS=127.0.0.1:6000 pointsman up",
    )
)
def up(*, config: Config = None, as_json: Json = False) -> None:
    """Start Router, Classifier and Executor in one process, and serve until Ctrl-C.

    Says where they listen, which models can be called, and what is missing.
    """
    from pointsman.cli.up import up as start

    start(config, as_json=as_json)


@app.command(
    **_shown("Start one of the services alone.", "pointsman serve executor", "pointsman serve router --config my.toml")
)
def serve(
    service: Annotated[
        Literal["router", "classifier", "executor"], typer.Argument(help="Which service to start.", show_default=False)
    ],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Start one of the three services alone, and serve until Ctrl-C."""
    from pointsman.cli.up import serve as start

    start(service, config, as_json=as_json)


@app.command(
    **_shown(
        "Have one prompt answered.",
        'pointsman route "2+2는?"',
        'pointsman route "What is in this picture?" --image cat.png',
        "git diff | pointsman route - --category coding --stream",
        'pointsman route "Draft a polite refusal." --local-only --json',
    )
)
def route(  # noqa: PLR0913 - one argument an option, as typer wants them
    text: Text,
    *,
    image: Images = None,
    category: Category = "",
    max_output_tokens: MaxOutputTokens = None,
    local_only: LocalOnly = False,
    timeout: Timeout = TIMEOUT_S,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    address: RouterAddress = ROUTER,
    api_key_env: ApiKeyEnv = "",
    as_json: Json = False,
) -> None:
    """Have one prompt answered by a running stack.

    The answer goes to standard output; who gave it, how long it took and what it cost to standard error.

    With --stream a break after the first text ends with what came and exit code 1; nobody else goes on with the answer.
    With --json too, each line is an object with one key: "start" (verdict, chosen), "delta" (text, tool_calls), and at
    last "end" (finish_reason, partial, trail, usage, cost_usd) or "error" (reason, code, message).
    """
    from pointsman.cli.ask import Ask, read_images, read_key, read_text
    from pointsman.cli.route import route
    from pointsman.cli.route_stream import route_stream

    ask = Ask(
        text=read_text(text),
        images=read_images(image or ()),
        category=category,
        max_output_tokens=max_output_tokens,
        local_only=local_only,
        timeout_s=timeout,
        address=address,
        api_key=read_key(api_key_env),
    )
    ask.check()
    (route_stream if stream else route)(ask, as_json=as_json)


@app.command(
    **_shown(
        "Show how a prompt would be routed, and why.",
        'pointsman explain "Prove that there are infinitely many primes."',
        'pointsman explain "이 글을 고쳐줘: …" --json',
    )
)
def explain(  # noqa: PLR0913 - one argument an option, as typer wants them
    text: Text,
    *,
    image: Images = None,
    category: Category = "",
    max_output_tokens: MaxOutputTokens = None,
    local_only: LocalOnly = False,
    timeout: Timeout = TIMEOUT_S,
    address: RouterAddress = ROUTER,
    api_key_env: ApiKeyEnv = "",
    as_json: Json = False,
) -> None:
    """Show how a prompt would be routed now, and why. Calls no provider and costs nothing."""
    from pointsman.cli.ask import Ask, read_images, read_key, read_text
    from pointsman.cli.explain import explain as ask_router

    ask = Ask(
        text=read_text(text),
        images=read_images(image or ()),
        category=category,
        max_output_tokens=max_output_tokens,
        local_only=local_only,
        timeout_s=timeout,
        address=address,
        api_key=read_key(api_key_env),
    )
    ask.check()
    ask_router(ask, as_json=as_json)


@app.command(
    **_shown(
        "Show every candidate: quota left, state, price, key.",
        "pointsman pools",
        "pointsman pools --category coding --watch",
    )
)
def pools(
    *,
    category: Annotated[str, typer.Option("--category", metavar="NAME", help="Only the pool of this category.")] = "",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show changes as they happen, until Ctrl-C.")] = False,
    address: ExecutorAddress = EXECUTOR,
    as_json: Json = False,
) -> None:
    """Show every candidate of a running stack: its state and until when, what is left of its quota, price and key."""
    from pointsman.cli.pools import pools as show

    show(address, category=category, watch=watch, as_json=as_json)


@app.command(
    **_shown(
        "Show live what a running stack is doing.",
        "pointsman top",
        "pointsman top --interval 0.5",
        "pointsman top --json | jq .activity.last_minute",
    )
)
def top(
    *,
    interval: Annotated[
        float, typer.Option("--interval", metavar="SECONDS", min=0.1, max=60, help="Between two looks.")
    ] = 1.0,
    address: ExecutorAddress = EXECUTOR,
    as_json: Json = False,
) -> None:
    """Show what a running stack is doing, until Ctrl-C: requests, time per hop, waste, cost, candidates.

    Rates, times and waste are those of the last minute. A stack that goes away is found again when it comes back.
    With --json one object a look: "state" (running or away), "detail", "activity", "today", "candidates".
    """
    from pointsman.cli.top import top as show

    show(address, interval_s=interval, as_json=as_json)


@app.command(
    **_shown(
        "Sum up calls, waste, time and cost.",
        "pointsman report",
        "pointsman report --by category --since 30d",
        "pointsman report --by label --json",
        "pointsman report --since 30d --html report.html",
    )
)
def report(
    *,
    by: Annotated[
        Literal["category", "candidate", "caller", "day", "label"] | None,
        typer.Option("--by", help="One row for each of these.", show_default=False),
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="Only the last 90m, 12h, 30d or 4w.")] = "",
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT", help="Write it as one page with charts.", dir_okay=False)
    ] = None,
    address: ExecutorAddress = EXECUTOR,
    as_json: Json = False,
) -> None:
    """Sum up what a running stack was asked: calls per request, wasted share, time, cost."""
    from pointsman.cli.report import report as show

    show(address, group_by=by or "", since=since, as_json=as_json, html=html)


@app.command(
    **_shown(
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


@app.command(**_shown("Bring the two local models.", "pointsman pull", "pointsman pull --only classifier"))
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


@app.command("check-config", **_shown("Check a settings file.", "pointsman check-config my.toml"))
def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The settings file.", show_default=False)],
    *,
    as_json: Json = False,
) -> None:
    """Read a settings file exactly as the start does, and show what it amounts to or what is wrong with it."""
    from pointsman.cli.check_config import check_config as check

    check(file, as_json=as_json)


@app.command(
    "eval",
    **_shown(
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


@app.command(
    **_shown(
        "Play the providers here, or rehearse days of traffic.",
        "pointsman simulate",
        "pointsman simulate --scenario calm --seed 7",
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
            min=0,
            max=65_534,
            help="Port of the providers; Ollama gets the next one. 0: any two.",
        ),
    ] = SIMULATOR_PORT,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed answers the same.")] = 1,
    scenario: Annotated[
        Literal["busy-hour", "calm", "instant"],
        typer.Option(
            "--scenario", help="busy-hour: low limits, all in use; calm: no limits; instant: calm, and at once."
        ),
    ] = "busy-hour",
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
        if (port, scenario) != (SIMULATOR_PORT, "busy-hour"):
            raise Misuse("--port and --scenario are for serving; a rehearsal goes by your settings, leave them out")
        rehearse(config, wanted, as_json=as_json)
        return
    play(config, port=port, seed=seed, scenario=scenario, as_json=as_json)


@app.command(
    **_shown("Make certificates for trying TLS.", "pointsman certs certs", "pointsman certs certs --host 10.0.0.5")
)
def certs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write them.", show_default=False)],
    *,
    hosts: Annotated[
        list[str] | None,
        typer.Option("--host", metavar="NAME", help="A further name or address of the services; may be repeated."),
    ] = None,
    days: Annotated[int, typer.Option("--days", metavar="N", help="How long they hold.")] = 90,
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

    make(folder, hosts=hosts or (), days=days, as_json=as_json)


keys_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(
    keys_app,
    name="keys",
    help="Make, list and revoke the keys that callers show to the Router; the file is router.keys of the settings.",
    **_shown(
        "Make, list and revoke the keys of callers.",
        "pointsman keys create alice",
        "pointsman keys list --json",
        "pointsman keys revoke 1f2e3d4c",
    ),
)


@keys_app.command("create", **_shown("Make a key for a caller.", "pointsman keys create alice"))
def keys_create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose: a [callers.NAME] of the settings.", show_default=False)
    ],
    *,
    key_env: Annotated[
        str, typer.Option("--key-env", metavar="VARIABLE", help="Take in the key in this variable; none is made.")
    ] = "",
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key for a caller and print it, once: the file keeps its hash alone. A running Router knows it at once."""
    from pointsman.cli.keys import create

    create(name, config, key_env=key_env, as_json=as_json)


@keys_app.command("list", **_shown("Show every key.", "pointsman keys list"))
def keys_list(*, config: Config = None, as_json: Json = False) -> None:
    """Show every key by its id: whose it is, since when, and whether it was revoked."""
    from pointsman.cli.keys import list_keys

    list_keys(config, as_json=as_json)


@keys_app.command("revoke", **_shown("Take a key back.", "pointsman keys revoke 1f2e3d4c"))
def keys_revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `keys list` shows it.", show_default=False)],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Take a key back. A running Router knows it at once; calls under way end as they would."""
    from pointsman.cli.keys import revoke

    revoke(id_, config, as_json=as_json)


@app.command(
    **_shown("See it work, without keys and without Ollama.", "pointsman demo", "pointsman demo --once --json")
)
def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Leave after the table instead of staying up.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="The same seed simulates the same hour.")] = 1,
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
