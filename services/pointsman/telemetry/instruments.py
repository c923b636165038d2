"""Everything that is counted: one entry an instrument, with its unit, its labels and, for a histogram, its buckets.

Labels have values of ours alone: enumerations, names of the settings, methods of our contract. Never an id, a text or a
word of a caller's.
"""

from typing import Final

from pointsman.telemetry import names
from pointsman.telemetry.metrics import About, Counter, Histogram, Kind, Observed

SECONDS: Final = "s"
BYTES: Final = "By"
RATIO: Final = "1"

HOP_BOUNDS: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds of a hop between our services."""

CALL_BOUNDS: Final = (*HOP_BOUNDS, 30.0, 60.0, 120.0, 300.0)
"""Seconds of an RPC: those of a hop, and on to minutes, because Route and Execute last as long as the model does."""

MODEL_BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds of a call of a model, from the small one next door to one that thinks for minutes."""

TOKEN_BOUNDS: Final = tuple(float(4**power) for power in range(11))
"""Tokens of a call, by fours to a million, as the GenAI conventions have them."""

CONFIDENCE_BOUNDS: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

_RPC: Final = (names.RPC_SYSTEM_NAME, names.RPC_METHOD, names.RPC_STATUS_CODE)
_MODEL: Final = (names.GEN_AI_OPERATION_NAME, names.GEN_AI_PROVIDER_NAME, names.GEN_AI_REQUEST_MODEL)
_WINDOW: Final = (names.LABEL_CANDIDATE, names.LABEL_SCOPE, names.LABEL_UNIT, names.LABEL_WINDOW)


def _counter(name: str, unit: str, description: str, *labels: str) -> Counter:
    return Counter(About(name=name, kind=Kind.COUNTER, unit=unit, description=description, labels=labels))


def _histogram(name: str, unit: str, description: str, *labels: str, bounds: tuple[float, ...]) -> Histogram:
    about = About(name=name, kind=Kind.HISTOGRAM, unit=unit, description=description, labels=labels, bounds=bounds)
    return Histogram(about)


def _gauge(name: str, unit: str, description: str, *labels: str) -> Observed:
    return Observed(About(name=name, kind=Kind.GAUGE, unit=unit, description=description, labels=labels))


def _growing(name: str, unit: str, description: str, *labels: str) -> Observed:
    return Observed(About(name=name, kind=Kind.COUNTER, unit=unit, description=description, labels=labels))


# --- Hops

RPC_SERVER_DURATION: Final = _histogram(
    names.METRIC_RPC_SERVER_CALL_DURATION,
    SECONDS,
    "How long a call took where it was served, until its end was said.",
    *_RPC,
    bounds=CALL_BOUNDS,
)
RPC_CLIENT_DURATION: Final = _histogram(
    names.METRIC_RPC_CLIENT_CALL_DURATION,
    SECONDS,
    "How long a call took where it was made: the way there and back included.",
    *_RPC,
    bounds=CALL_BOUNDS,
)
CALLS_INSIDE: Final = _gauge(
    names.METRIC_CALLS_INSIDE, "{call}", "Calls under way in a service, health and reflection apart.",
    names.LABEL_SERVICE,
)  # fmt: skip
CALLS_ALLOWED: Final = _gauge(
    names.METRIC_CALLS_ALLOWED, "{call}", "Calls that a service takes at once (limits.concurrent_calls).",
    names.LABEL_SERVICE,
)  # fmt: skip

# --- Requests and attempts

REQUESTS: Final = _counter(
    names.METRIC_REQUESTS,
    "{request}",
    "Requests that ended in the Executor, by what came of them and who answered.",
    names.LABEL_CATEGORY,
    names.LABEL_OUTCOME,
    names.LABEL_LOCAL,
    names.LABEL_FALLBACK,
)
REQUEST_DURATION: Final = _histogram(
    names.METRIC_REQUEST_DURATION,
    SECONDS,
    "How long a request took in the Executor, all its attempts and waits included.",
    names.LABEL_CATEGORY,
    names.LABEL_OUTCOME,
    bounds=MODEL_BOUNDS,
)
ATTEMPTS: Final = _counter(
    names.METRIC_ATTEMPTS,
    "{attempt}",
    "Calls that left for a provider, by how they ended.",
    names.LABEL_CANDIDATE,
    names.LABEL_OUTCOME,
)
WASTED: Final = _counter(
    names.METRIC_WASTED, "{attempt}", "Calls that ended rate-limited: the figure to keep at zero.",
    names.LABEL_CANDIDATE,
)  # fmt: skip
SKIPS: Final = _counter(
    names.METRIC_SKIPS,
    "{skip}",
    "Candidates left out of a request and why: calls that were not made.",
    names.LABEL_CANDIDATE,
    names.LABEL_REASON,
)
COST: Final = _counter(
    names.METRIC_COST, "{USD}", "Dollars that attempts cost, by the table of prices.", names.LABEL_CANDIDATE
)
UNPRICED: Final = _counter(
    names.METRIC_UNPRICED, "{attempt}", "Attempts that used tokens at a price nobody knows.", names.LABEL_CANDIDATE
)
TOKENS: Final = _counter(
    names.METRIC_TOKENS,
    "{token}",
    "Tokens used: input, of it cached_input and cache_write; output, of it reasoning.",
    names.LABEL_CANDIDATE,
    names.LABEL_KIND,
)
MODEL_DURATION: Final = _histogram(
    names.METRIC_GEN_AI_OPERATION_DURATION,
    SECONDS,
    "How long one call of a model took; error.type is its outcome, empty when it answered.",
    *_MODEL,
    names.ERROR_TYPE,
    bounds=MODEL_BOUNDS,
)
TIME_TO_FIRST_CHUNK: Final = _histogram(
    names.METRIC_GEN_AI_TIME_TO_FIRST_CHUNK,
    SECONDS,
    "How long a streamed answer took to its first content.",
    *_MODEL,
    bounds=MODEL_BOUNDS,
)
TOKEN_USAGE: Final = _histogram(
    names.METRIC_GEN_AI_TOKEN_USAGE,
    "{token}",
    "Tokens of one call of a model, input and output apart.",
    *_MODEL,
    names.GEN_AI_TOKEN_TYPE,
    bounds=TOKEN_BOUNDS,
)

# --- What the ledger knows, read when somebody looks

CANDIDATE_STATE: Final = _gauge(
    names.METRIC_CANDIDATE_STATE,
    "",
    "1 for the state a candidate is in, ready, waiting or out, 0 for the others.",
    names.LABEL_CANDIDATE,
    names.LABEL_STATE,
)
CANDIDATE_READY_IN: Final = _gauge(
    names.METRIC_CANDIDATE_READY_IN, SECONDS, "Until a candidate can be called again; 0 when it can.",
    names.LABEL_CANDIDATE,
)  # fmt: skip
CANDIDATE_IN_FLIGHT: Final = _gauge(
    names.METRIC_CANDIDATE_IN_FLIGHT, "{attempt}", "Calls of a candidate under way.", names.LABEL_CANDIDATE
)
QUOTA_LIMIT: Final = _gauge(
    names.METRIC_QUOTA_LIMIT, "", "What a window of a quota allows, in the label's unit.", *_WINDOW
)
QUOTA_REMAINING: Final = _gauge(
    names.METRIC_QUOTA_REMAINING, "", "What is left of a window of a quota, in the label's unit.", *_WINDOW
)
QUOTA_HEADROOM: Final = _gauge(
    names.METRIC_QUOTA_HEADROOM, RATIO, "Which part of a window of a quota is left, 0 to 1.", *_WINDOW
)
LEDGER_STATE: Final = _gauge(
    names.METRIC_LEDGER_STATE, "", "1 for where the ledger is kept: memory, redis or redis-away, 0 for the others.",
    names.LABEL_STATE,
)  # fmt: skip
ALLOWANCES_STATE: Final = _gauge(
    names.METRIC_ALLOWANCES_STATE,
    "",
    "1 for where it is counted what callers use: memory, redis or redis-away, 0 for the others.",
    names.LABEL_STATE,
)
FALLBACK_WAITING: Final = _gauge(
    names.METRIC_FALLBACK_WAITING, "{request}", "Requests that wait for the local fallback."
)

# --- Verdicts

VERDICTS: Final = _counter(
    names.METRIC_VERDICTS,
    "{verdict}",
    "Verdicts of the Classifier, by what decided and what became of the question to the small model.",
    names.LABEL_CATEGORY,
    names.LABEL_DECIDED_BY,
    names.LABEL_MODEL_HOP,
    names.LABEL_CACHED,
)
VERDICT_CONFIDENCE: Final = _histogram(
    names.METRIC_VERDICT_CONFIDENCE,
    RATIO,
    "How sure verdicts were that were read from a text, 0 to 1.",
    names.LABEL_CATEGORY,
    names.LABEL_DECIDED_BY,
    bounds=CONFIDENCE_BOUNDS,
)
VERDICT_DURATION: Final = _histogram(
    names.METRIC_VERDICT_DURATION,
    SECONDS,
    "How long a verdict took in the Classifier, the small model included.",
    names.LABEL_DECIDED_BY,
    bounds=HOP_BOUNDS,
)
DEGRADED: Final = _counter(
    names.METRIC_DEGRADED, "{request}", "Requests that the Router served less well than it should, and why.",
    names.LABEL_REASON,
)  # fmt: skip
MODEL_HOP_STATE: Final = _gauge(
    names.METRIC_MODEL_HOP_STATE, "", "1 for the state of the way to the small model, 0 for the others.",
    names.LABEL_STATE,
)  # fmt: skip
CACHE_ENTRIES: Final = _gauge(names.METRIC_CACHE_ENTRIES, "{verdict}", "Verdicts that the Classifier remembers.")

# --- Journal and telemetry itself: what was lost on the way out

JOURNAL_QUEUED: Final = _gauge(names.METRIC_JOURNAL_QUEUED, "{row}", "Rows of the journal that wait to be written.")
JOURNAL_DROPPED: Final = _growing(
    names.METRIC_JOURNAL_DROPPED, "{row}", "Rows of the journal that were lost; requests went on."
)
LOG_LINES_LOST: Final = _growing(
    names.METRIC_LOG_LINES_LOST, "{line}", "Log lines that could not be written: a full disk, or nobody reads."
)
SPANS_DROPPED: Final = _counter(names.METRIC_SPANS_DROPPED, "{span}", "Spans that a collector did not take.")

# --- The process

LOOP_LAG: Final = _histogram(
    names.METRIC_LOOP_LAG,
    SECONDS,
    "How late the event loop woke up somebody who slept: the early sign of a blocked one.",
    bounds=HOP_BOUNDS,
)
BUILD: Final = _gauge(
    names.METRIC_BUILD,
    "",
    "Always 1; its labels say what runs.",
    names.LABEL_VERSION,
    names.LABEL_PYTHON,
    names.LABEL_SETTINGS_HASH,
)
SETTINGS_RELOADS: Final = _counter(
    names.METRIC_SETTINGS_RELOADS,
    "{reload}",
    "Times that newer settings were looked at, by outcome: taken up, refused or unchanged.",
    names.LABEL_OUTCOME,
)
CPU_TIME: Final = _growing(names.METRIC_PROCESS_CPU_TIME, SECONDS, "CPU time that the process used, user and system.")
MEMORY_USAGE: Final = _gauge(names.METRIC_PROCESS_MEMORY_USAGE, BYTES, "Memory of the process that is in RAM.")
OPEN_FILES: Final = _gauge(names.METRIC_PROCESS_OPEN_FILES, "{file_descriptor}", "Files and sockets that are open.")
UPTIME: Final = _gauge(names.METRIC_PROCESS_UPTIME, SECONDS, "For how long the process has been running.")
