"""Arguments that several commands take, with their help."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from pointsman.cli.numbers import ABOVE_0, read_by
from pointsman.cli.reach import checked

ROUTER: Final = "127.0.0.1:50051"
EXECUTOR: Final = "127.0.0.1:50053"
TIMEOUT_S: Final = 120.0


def _share(option: str) -> Callable[[str | float], float]:
    return read_by(float, option, "a share from 0 to 1, such as 0.8", low=0, high=1)


Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Settings file. Without it: $POINTSMAN_CONFIG, else deploy/pointsman.toml, else the built-in one.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON for scripts: one object, or one a line, and nothing else.")
]
OverTheWire = Annotated[
    bool,
    typer.Option(
        "--over-the-wire", help="Let the services ask each other over their ports, as three processes would; slower."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        parser=read_by(int, "--workers", "a whole number of processes from 1 to 64", low=1, high=64),
        help="So many processes of the Router or the Classifier at one port, 1 to 64; else what the settings say.",
    ),
]
Text = Annotated[
    str, typer.Argument(metavar="TEXT", help="The prompt; - reads it from standard input.", show_default=False)
]
Images = Annotated[
    list[Path] | None,
    typer.Option("--image", "-i", metavar="FILE", help="A PNG, JPEG, GIF or WebP image; may be repeated."),
]
Category = Annotated[
    str,
    typer.Option(
        "--category",
        metavar="NAME",
        help="Skip classification: reasoning, coding, quick, vision, review, or one of yours.",
    ),
]
MaxOutputTokens = Annotated[
    int | None,
    typer.Option(
        "--max-output-tokens",
        metavar="N",
        parser=read_by(int, "--max-output-tokens", "1 to 1000000, or leave it out", low=1, high=1_000_000),
        help="Longest answer, in tokens, 1 to 1,000,000.",
    ),
]
LocalOnly = Annotated[bool, typer.Option("--local-only", help="The prompt must not leave this machine.")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        "--timeout-s",
        metavar="SECONDS",
        parser=read_by(float, "--timeout", "seconds, more than 0 and at most 86400 (a day)", low=ABOVE_0, high=86_400),
        help="Give up after so many seconds.",
    ),
]
ApiKeyEnv = Annotated[
    str,
    typer.Option(
        "--api-key-env", metavar="VARIABLE", help="The variable that holds your key, where the Router asks for one."
    ),
]
RouterAddress = Annotated[
    str,
    typer.Option(
        "--address", envvar="POINTSMAN_ROUTER", metavar="HOST:PORT", callback=checked, help="Where the Router listens."
    ),
]
ExecutorAddress = Annotated[
    str,
    typer.Option(
        "--address",
        envvar="POINTSMAN_EXECUTOR",
        metavar="HOST:PORT",
        callback=checked,
        help="Where the Executor listens.",
    ),
]
Authority = Annotated[
    Path | None,
    typer.Option(
        "--authority",
        envvar="POINTSMAN_TLS_AUTHORITY",
        metavar="FILE",
        help="Encrypt the call, and believe whom this PEM file signed.",
    ),
]
Certificate = Annotated[
    Path | None,
    typer.Option(
        "--certificate", envvar="POINTSMAN_TLS_CERTIFICATE", metavar="FILE", help="Encrypt the call, and show this."
    ),
]
Key = Annotated[
    Path | None, typer.Option("--key", envvar="POINTSMAN_TLS_KEY", metavar="FILE", help="The certificate's key.")
]
TrafficFile = Annotated[
    Path | None,
    typer.Option(
        "--traffic",
        metavar="FILE",
        help='Rehearse recorded requests: JSON lines of "at", "category", "input_tokens", "output_tokens".',
    ),
]
Rps = Annotated[
    float | None,
    typer.Option(
        "--rps",
        metavar="N",
        parser=read_by(float, "--rps", "requests a second, more than 0 and at most 1000", low=ABOVE_0, high=1_000),
        help="Rehearse invented requests: so many a second in the mean. Usually 1.",
    ),
]
Mix = Annotated[
    str, typer.Option("--mix", metavar="SHARES", help="What they ask, such as quick=50,coding=30,reasoning=20.")
]
Days = Annotated[
    int | None,
    typer.Option(
        "--days",
        metavar="N",
        parser=read_by(int, "--days", "a whole number of days from 1 to 366", low=1, high=366),
        help="Rehearse so many days, 1 to 366. Usually 1, or as long as the record.",
    ),
]
Picture = Annotated[
    Path | None, typer.Option("--picture", metavar="FILE", help="Draw the rehearsed day into this file, as SVG.")
]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a report with plots into this file, as one page.")
]
MinAccuracy = Annotated[
    float | None,
    typer.Option("--min-accuracy", metavar="SHARE", parser=_share("--min-accuracy"), help="Fail below this accuracy."),
]
MinMacroF1 = Annotated[
    float | None,
    typer.Option("--min-macro-f1", metavar="SHARE", parser=_share("--min-macro-f1"), help="Fail below this macro-F1."),
]
MinWorstF1 = Annotated[
    float | None,
    typer.Option(
        "--min-worst-f1",
        metavar="SHARE",
        parser=_share("--min-worst-f1"),
        help="Fail when a category's F1 is below this.",
    ),
]
MinAcceptedShare = Annotated[
    float | None,
    typer.Option(
        "--min-accepted-share",
        metavar="SHARE",
        parser=_share("--min-accepted-share"),
        help="Fail when fewer are accepted.",
    ),
]
MinAcceptedAccuracy = Annotated[
    float | None,
    typer.Option(
        "--min-accepted-accuracy",
        metavar="SHARE",
        parser=_share("--min-accepted-accuracy"),
        help="Fail when fewer of the accepted are right.",
    ),
]
MaxEce = Annotated[
    float | None,
    typer.Option("--max-ece", metavar="SHARE", parser=_share("--max-ece"), help="Fail above this calibration error."),
]
MaxP99Ms = Annotated[
    float | None,
    typer.Option(
        "--max-p99-ms",
        metavar="MS",
        parser=read_by(float, "--max-p99-ms", "milliseconds, 0 or more", low=0),
        help="Fail when 1 in 100 verdicts takes longer.",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        parser=read_by(int, "--seed", "a whole number"),
        help="Chance of the simulation: the same seed gives the same.",
    ),
]
