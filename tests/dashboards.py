"""Write deploy/dashboards/*.json: `python -m tests.dashboards`. One line a panel here; Grafana wants forty.

A test holds that the files are what this writes, and that every query names a metric that a running stack shows.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "deploy/dashboards"
SOURCE: Final = {"type": "prometheus", "uid": "pointsman-prometheus"}
COLUMNS: Final = 24
RATE: Final = "$__rate_interval"


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture: queries with the legends of their lines. `kind` is Grafana's word; `width` of 24 columns."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 12
    height: int = 8
    about: str = ""


def quantile(rank: float, metric: str, by: str, where: str = "") -> str:
    """Return the query of a quantile of a histogram."""
    return f"histogram_quantile({rank}, sum by (le, {by}) (rate({metric}_bucket{where}[{RATE}])))"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """Return the query of a rate a second."""
    summed = f"sum by ({by})" if by else "sum"
    return f"{summed} (rate({metric}{where}[{RATE}]))"


def number(title: str, query: str, unit: str = "short", about: str = "") -> Panel:
    """Return a panel with one number."""
    return Panel(title=title, queries=((query, ""),), unit=unit, kind="stat", width=4, height=4, about=about)


ANSWERED: Final = '{outcome="answered"}'
SAVED: Final = '{reason=~"cooling|out_of_quota|out_of_concurrency"}'

REMEMBERED: Final = '{cached="true"}'
CONFIDENCE: Final = "pointsman_verdict_confidence_ratio"
MIX_NOW: Final = (
    "sum by (category) (rate(pointsman_verdicts_total[1h]))"
    " / on () group_left () sum(rate(pointsman_verdicts_total[1h]))"
)

BOARDS: Final[dict[str, tuple[str, tuple[Panel, ...]]]] = {
    "overview": (
        "Pointsman: overview",
        (
            number("Answered", f"sum(increase(pointsman_requests_total{ANSWERED}[$__range]))"),
            number(
                "Wasted share",
                "sum(increase(pointsman_attempts_wasted_total[$__range]))"
                " / sum(increase(pointsman_attempts_total[$__range]))",
                "percentunit",
                "Calls that ended rate-limited; promised are 0.1 % at most.",
            ),
            number(
                "Calls saved",
                f"sum(increase(pointsman_skips_total{SAVED}[$__range]))",
                about="Candidates left out because their quota was known to be used up; others call them and fail.",
            ),
            number("Cost", "sum(increase(pointsman_cost_usd_total[$__range]))", "currencyUSD"),
            number(
                "Calls an answer",
                "sum(increase(pointsman_attempts_total[$__range]))"
                f" / sum(increase(pointsman_requests_total{ANSWERED}[$__range]))",
            ),
            number(
                "Answered on this machine",
                'sum(increase(pointsman_requests_total{local="true"}[$__range]))'
                " / sum(increase(pointsman_requests_total[$__range]))",
                "percentunit",
            ),
            Panel(
                title="Requests by what came of them",
                queries=((rate("pointsman_requests_total", "outcome"), "{{outcome}}"),),
                unit="reqps",
            ),
            Panel(
                title="Requests by category",
                queries=((rate("pointsman_requests_total", "category"), "{{category}}"),),
                unit="reqps",
            ),
            Panel(
                title="Wasted calls",
                queries=((rate("pointsman_attempts_wasted_total", "candidate"), "{{candidate}}"),),
                unit="reqps",
            ),
            Panel(
                title="Dollars an hour",
                queries=((f"3600 * {rate('pointsman_cost_usd_total', 'candidate')}", "{{candidate}}"),),
                unit="currencyUSD",
            ),
            Panel(title="Tokens a second", queries=((rate("pointsman_tokens_total", "kind"), "{{kind}}"),)),
            Panel(
                title="Less than it should be",
                queries=((rate("pointsman_degraded_total", "reason"), "{{reason}}"),),
                unit="reqps",
            ),
        ),
    ),
    "latency": (
        "Pointsman: latency, from caller to provider",
        (
            Panel(
                title="Hops where they are served, p50",
                queries=((quantile(0.5, "rpc_server_call_duration_seconds", "rpc_method"), "{{rpc_method}}"),),
                unit="s",
            ),
            Panel(
                title="Hops where they are served, p95",
                queries=((quantile(0.95, "rpc_server_call_duration_seconds", "rpc_method"), "{{rpc_method}}"),),
                unit="s",
            ),
            Panel(
                title="Hops where they are asked for, p95",
                queries=((quantile(0.95, "rpc_client_call_duration_seconds", "rpc_method"), "{{rpc_method}}"),),
                unit="s",
                about="Above the same hop where it is served: the channel, or a service that is busy.",
            ),
            Panel(
                title="Verdicts, p95",
                queries=((quantile(0.95, "pointsman_verdict_duration_seconds", "decided_by"), "{{decided_by}}"),),
                unit="s",
            ),
            Panel(
                title="Requests in the Executor, p95",
                queries=((quantile(0.95, "pointsman_request_duration_seconds", "category"), "{{category}}"),),
                unit="s",
            ),
            Panel(
                title="Calls of models, p95",
                queries=(
                    (
                        quantile(0.95, "gen_ai_client_operation_duration_seconds", "gen_ai_request_model"),
                        "{{gen_ai_request_model}}",
                    ),
                ),
                unit="s",
            ),
            Panel(
                title="Time to first content, p95",
                queries=(
                    (
                        quantile(0.95, "gen_ai_client_operation_time_to_first_chunk_seconds", "gen_ai_request_model"),
                        "{{gen_ai_request_model}}",
                    ),
                ),
                unit="s",
            ),
            Panel(
                title="How late the event loop is, p99",
                queries=((quantile(0.99, "pointsman_loop_lag_seconds", "instance"), "{{instance}}"),),
                unit="s",
            ),
            Panel(
                title="Ends of calls",
                queries=(
                    (
                        rate("rpc_server_call_duration_seconds_count", "rpc_method, rpc_response_status_code"),
                        "{{rpc_method}} {{rpc_response_status_code}}",
                    ),
                ),
                unit="reqps",
            ),
            Panel(
                title="Calls inside",
                queries=(("pointsman_calls_inside", "{{service}}"), ("pointsman_calls_allowed", "{{service}} allowed")),
            ),
            Panel(
                title="CPU",
                queries=((rate("process_cpu_time_seconds_total", "instance"), "{{instance}}"),),
                unit="percentunit",
            ),
            Panel(title="Memory", queries=(("process_memory_usage_bytes", "{{instance}}"),), unit="bytes"),
        ),
    ),
    "candidates": (
        "Pointsman: candidates",
        (
            Panel(
                title="Headroom",
                queries=(
                    (
                        "min by (candidate, unit, window) (pointsman_quota_headroom_ratio)",
                        "{{candidate}} {{unit}} {{window}}",
                    ),
                ),
                unit="percentunit",
                about="What is left of the tightest window; at 0 the candidate is left out, not called.",
            ),
            Panel(
                title="Not ready",
                queries=(('pointsman_candidate_state{state=~"waiting|out"} == 1', "{{candidate}} {{state}}"),),
            ),
            Panel(
                title="Ready again in",
                queries=(("pointsman_candidate_ready_in_seconds > 0", "{{candidate}}"),),
                unit="s",
            ),
            Panel(title="In flight", queries=(("pointsman_candidate_in_flight", "{{candidate}}"),)),
            Panel(
                title="Attempts by outcome",
                queries=((rate("pointsman_attempts_total", "candidate, outcome"), "{{candidate}} {{outcome}}"),),
                unit="reqps",
            ),
            Panel(
                title="Errors",
                queries=(
                    (
                        rate("pointsman_attempts_total", "candidate, outcome", '{outcome!="answered"}'),
                        "{{candidate}} {{outcome}}",
                    ),
                ),
                unit="reqps",
            ),
            Panel(
                title="Skips by reason",
                queries=((rate("pointsman_skips_total", "candidate, reason"), "{{candidate}} {{reason}}"),),
                unit="reqps",
            ),
            Panel(title="Waiting for the fallback", queries=(("pointsman_fallback_waiting", "waiting"),)),
            Panel(
                title="Tokens of a call, p95",
                queries=(
                    (
                        quantile(0.95, "gen_ai_client_token_usage", "gen_ai_request_model, gen_ai_token_type"),
                        "{{gen_ai_request_model}} {{gen_ai_token_type}}",
                    ),
                ),
            ),
            Panel(
                title="Ledger and allowances",
                queries=(
                    ("pointsman_ledger_state == 1", "ledger: {{state}}"),
                    ("pointsman_allowances_state == 1", "allowances: {{state}}"),
                ),
            ),
        ),
    ),
    "classifier": (
        "Pointsman: classifier",
        (
            Panel(
                title="Confidence, p10 and p50",
                queries=(
                    (quantile(0.1, "pointsman_verdict_confidence_ratio", "category"), "{{category}} p10"),
                    (quantile(0.5, "pointsman_verdict_confidence_ratio", "category"), "{{category}} p50"),
                ),
                unit="percentunit",
            ),
            Panel(
                title="What decided",
                queries=((rate("pointsman_verdicts_total", "decided_by"), "{{decided_by}}"),),
                unit="reqps",
            ),
            Panel(
                title="What became of the question to the small model",
                queries=((rate("pointsman_verdicts_total", "model_hop"), "{{model_hop}}"),),
                unit="reqps",
            ),
            Panel(
                title="Remembered",
                queries=(
                    (
                        f"{rate('pointsman_verdicts_total', '', REMEMBERED)} / {rate('pointsman_verdicts_total')}",
                        "share",
                    ),
                ),
                unit="percentunit",
            ),
            Panel(
                title="Drift: the mix of the last hour less that of the last day",
                queries=((f"{MIX_NOW} - {MIX_NOW.replace('[1h]', '[1d]')}", "{{category}}"),),
                unit="percentunit",
            ),
            Panel(
                title="Drift: mean confidence",
                queries=(
                    (f"{rate(f'{CONFIDENCE}_sum')} / {rate(f'{CONFIDENCE}_count')}", "now"),
                    (f"sum(rate({CONFIDENCE}_sum[1d])) / sum(rate({CONFIDENCE}_count[1d]))", "the last day"),
                ),
                unit="percentunit",
            ),
            Panel(title="The way to the small model", queries=(("pointsman_model_hop_state == 1", "{{state}}"),)),
            Panel(title="Verdicts in memory", queries=(("pointsman_cache_entries", "verdicts"),)),
            Panel(
                title="Journal",
                queries=(
                    ("pointsman_journal_queued", "waiting"),
                    (rate("pointsman_journal_dropped_total"), "lost a second"),
                ),
            ),
            Panel(title="What runs", queries=(("pointsman_build_info", "{{instance}} {{version}} {{settings_hash}}"),)),
        ),
    ),
}


def board(name: str) -> dict[str, object]:
    """Return a dashboard as Grafana reads it."""
    title, panels = BOARDS[name]
    placed, x, y, row = [], 0, 0, 0
    for number_, panel in enumerate(panels, start=1):
        if x + panel.width > COLUMNS:
            x, y, row = 0, y + row, 0
        placed.append(_drawn(panel, number_, x, y))
        x, row = x + panel.width, max(row, panel.height)
    return {
        "uid": f"pointsman-{name}",
        "title": title,
        "tags": ["pointsman"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["pointsman"], "title": "Pointsman", "asDropdown": True}],
        "panels": placed,
    }


def _drawn(panel: Panel, number_: int, x: int, y: int) -> dict[str, object]:
    return {
        "id": number_,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "fieldConfig": {
            "defaults": {"unit": panel.unit},
            "overrides": [],
        },
        "targets": [
            {"refId": chr(65 + place), "expr": query, "legendFormat": legend, "exemplar": "_bucket" in query}
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }


def written(name: str) -> str:
    """Return the text of a dashboard's file."""
    return json.dumps(board(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name_ in BOARDS:
        (FOLDER / f"{name_}.json").write_text(written(name_))
