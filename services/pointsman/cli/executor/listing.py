"""What the Executor says of its candidates, as plain values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from pointsman.cli.executor.message import as_json
from pointsman.domain.trail import SkipReason
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb

_AVAILABILITY: Final[Mapping[int, str]] = {
    pb.AVAILABILITY_READY: "ready",
    pb.AVAILABILITY_WAITING: "waiting",
    pb.AVAILABILITY_OUT: "out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One quota window; `period_s` is None for concurrency, `renews_at` when it is full."""

    scope: str
    unit: str
    period_s: float | None
    limit: int
    remaining: int
    renews_at: datetime | None
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateLine:
    """One candidate.

    `availability` is "ready", "waiting", "out" or "unknown". `prices_usd` are those of a million tokens in, out.
    """

    id: str
    model: str
    categories: tuple[str, ...]
    local: bool
    fallback: bool
    availability: str
    reason: SkipReason | None
    ready_at: datetime | None
    detail: str
    windows: tuple[Window, ...]
    in_flight: int
    wasted_today: int
    prices_usd: tuple[float, float] | None
    api_key_env: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Candidates in the order of the settings; `message` is what came, for scripts."""

    candidates: tuple[CandidateLine, ...]
    message: Mapping[str, Any]


def listing_from_pb(candidates: Iterable[pb.CandidateState], message: object) -> Listing:
    """Return what a message says that holds candidates."""
    return Listing(candidates=tuple(map(_candidate_line, candidates)), message=as_json(message))


def _candidate_line(state: pb.CandidateState) -> CandidateLine:
    prices = state.prices
    return CandidateLine(
        id=state.candidate,
        model=state.model,
        categories=tuple(state.categories),
        local=state.local,
        fallback=state.fallback,
        availability=_AVAILABILITY.get(state.availability, "unknown"),
        reason=convert.SKIP_REASONS.from_pb(state.reason),
        ready_at=convert.instant_from_pb(state.ready_time) if state.HasField("ready_time") else None,
        detail=state.detail,
        windows=tuple(map(_window, state.windows)),
        in_flight=state.in_flight,
        wasted_today=state.wasted_today,
        prices_usd=(prices.input_usd_per_mtok, prices.output_usd_per_mtok) if state.HasField("prices") else None,
        api_key_env=state.api_key_env,
    )


def _window(window: pb.QuotaWindow) -> Window:
    return Window(
        scope=window.scope,
        unit=window.unit,
        period_s=convert.duration_from_pb(window.period) if window.HasField("period") else None,
        limit=window.limit,
        remaining=window.remaining,
        renews_at=convert.instant_from_pb(window.reset_time) if window.HasField("reset_time") else None,
        source=window.source,
    )
