"""The section `waiting`: many callers before a provider that takes its time, so that calls pile up inside."""

import asyncio
from collections.abc import Iterator
from typing import Final

from tests.bench.findings import Effort, Findings
from tests.bench.peers.course import Pace
from tests.bench.peers.course import measure as run
from tests.bench.peers.figures import MANY, Results
from tests.bench.peers.gateways import ONE, THREE
from tests.bench.route import figures_of, table_of

PROVIDER_MS: Final = 100.0
MOST_P50_MS: Final = 110.0
CROWD: Final = 256
LEAST_OF_RATE: Final = 0.9
"""What a crowd gets answered a second, of what MANY callers get: less is a collapse."""

SECONDS_A_SLICE: Final = 6
"""Slices are so many times as long as others, because a call takes a hundred milliseconds."""


def measure(effort: Effort) -> Findings:
    """Return what MANY callers and a crowd got, over three processes and within one."""
    pace = Pace(
        rounds=max(1, effort.rounds // 2),
        seconds=effort.slice_s * SECONDS_A_SLICE,
        callers=(MANY, CROWD),
        warm_up_calls=effort.calls,
        delay_ms=PROVIDER_MS,
    )
    results = asyncio.run(run((THREE, ONE), pace)).results
    rates = "; ".join(
        f"{title}: {figures[f'rate_{MANY}']:,.0f} and {figures[f'rate_{CROWD}']:,.0f}"
        for title, figures in results.items()
    )
    return Findings(
        tables=(table_of(results, f"Before a provider that takes {PROVIDER_MS:.0f} ms", (MANY, CROWD)),),
        figures=figures_of(results, "waiting"),
        remark=f"Requests a second at {MANY} and {CROWD} callers, on a machine that the load shares: {rates}. "
        f"Promised: p50 {MOST_P50_MS:.0f} ms at {MANY}, and at {CROWD} no fewer a second than {LEAST_OF_RATE:.0%}.",
        falls_short=tuple(falls_short(results)),
    )


def falls_short(results: Results) -> Iterator[str]:
    """Yield a sentence for each bound that does not hold."""
    for title, figures in results.items():
        if (p50_ms := figures[f"p50_ms_{MANY}"]) > MOST_P50_MS:
            yield f"{title}: {MANY} callers wait {p50_ms:.0f} ms at p50, promised {MOST_P50_MS:.0f}"
        if (kept := figures[f"rate_{CROWD}"] / figures[f"rate_{MANY}"]) < LEAST_OF_RATE:
            yield f"{title}: {CROWD} callers get {kept:.0%} of what {MANY} get a second, promised {LEAST_OF_RATE:.0%}"
        if figures["errors"]:
            yield f"{title}: {figures['errors']:.0f} calls were not answered rightly"
