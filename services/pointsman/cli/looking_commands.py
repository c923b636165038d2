"""What the command line offers to look at a running stack. What a command does is in the file of its name."""
# ruff: noqa: PLC0415 - a command imports what it needs when it runs, so that --help is quick

from pathlib import Path
from typing import Annotated, Literal

import typer

from pointsman.cli.arguments import EXECUTOR, Authority, Certificate, ExecutorAddress, Json, Key
from pointsman.cli.help import shown
from pointsman.cli.numbers import read_by
from pointsman.cli.reach import tls_of

looking = typer.Typer()


@looking.command(
    **shown(
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
    authority: Authority = None,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show every candidate of a running stack: its state and until when, what is left of its quota, price and key."""
    from pointsman.cli.pools import pools as show

    show(address, tls=tls_of(authority, certificate, key), category=category, watch=watch, as_json=as_json)


@looking.command(
    **shown(
        "Show live what a running stack is doing.",
        "pointsman top",
        "pointsman top --interval 0.5",
        "pointsman top --json | jq .activity.last_minute",
    )
)
def top(
    *,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            metavar="SECONDS",
            parser=read_by(float, "--interval", "seconds from 0.1 to 60", low=0.1, high=60),
            help="Between two looks, 0.1 to 60.",
        ),
    ] = 1.0,
    address: ExecutorAddress = EXECUTOR,
    authority: Authority = None,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what a running stack is doing, until Ctrl-C: requests, time per hop, waste, cost, candidates.

    Rates, times and waste are those of the last minute. A stack that goes away is found again when it comes back.
    With --json one object a look: "state" (running or away), "detail", "activity", "today", "candidates".
    """
    from pointsman.cli.top import top as show

    show(address, tls=tls_of(authority, certificate, key), interval_s=interval, as_json=as_json)


@looking.command(
    **shown(
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
    authority: Authority = None,
    certificate: Certificate = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Sum up what a running stack was asked: calls per request, wasted share, time, cost."""
    from pointsman.cli.report import report as show

    show(address, tls=tls_of(authority, certificate, key), group_by=by or "", since=since, as_json=as_json, html=html)
