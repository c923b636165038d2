"""The state of a candidate as the servicer tells it."""

from datetime import datetime

from pointsman.domain.trail import Skip
from pointsman.executor.ledger.port import WindowState
from pointsman.executor.prices import PriceTable
from pointsman.executor.states import CandidateState
from pointsman.rpc import convert
from pointsman.v1 import executor_pb2 as pb


def state_to_pb(state: CandidateState, prices: PriceTable, now: datetime) -> pb.CandidateState:
    """Return the state of a candidate, with its prices at this moment."""
    candidate, blocked = state.candidate, state.blocked
    now_prices = prices.prices(candidate, now)
    state_pb = pb.CandidateState(
        candidate=candidate.id,
        provider=candidate.provider,
        model=candidate.model.id,
        categories=state.categories,
        local=candidate.local,
        fallback=state.fallback,
        availability=_availability(blocked),
        windows=[_window_to_pb(window) for window in state.windows],
        in_flight=state.in_flight,
        context_tokens=candidate.model.context_tokens,
        max_output_tokens=candidate.model.max_output_tokens,
        sees_images=candidate.model.sees_images,
        takes_tools=candidate.model.takes_tools,
        follows_json_schema=candidate.model.follows_json_schema,
        api_key_env=candidate.api_key_env,
        wasted_today=state.wasted_today,
    )
    if blocked:
        state_pb.reason = convert.SKIP_REASONS.to_pb(blocked.reason)
        state_pb.detail = blocked.detail
        if blocked.ready_at:
            state_pb.ready_time.CopyFrom(convert.instant_to_pb(blocked.ready_at))
    if now_prices:
        state_pb.prices.input_usd_per_mtok = float(now_prices.input)
        state_pb.prices.cached_input_usd_per_mtok = float(now_prices.cached_input)
        state_pb.prices.output_usd_per_mtok = float(now_prices.output)
        state_pb.prices.version = prices.version
    return state_pb


def _availability(blocked: Skip | None) -> pb.Availability.ValueType:
    if blocked is None:
        return pb.AVAILABILITY_READY
    return pb.AVAILABILITY_WAITING if blocked.waits else pb.AVAILABILITY_OUT


def _window_to_pb(window: WindowState) -> pb.QuotaWindow:
    return pb.QuotaWindow(
        scope=window.scope,
        unit=window.unit,
        period=None if window.period_s is None else convert.duration_to_pb(window.period_s),
        limit=window.limit,
        remaining=window.remaining,
        reserved=window.reserved,
        reset_time=None if window.renews_at is None else convert.instant_to_pb(window.renews_at),
        source=window.source,
    )
