"""Every name that Pointsman shows to observers: spans, attributes, metrics and log events.

RPC, GenAI, server and error names are those of the OpenTelemetry semantic conventions; a test holds them against the
installed package. Our own start with `pointsman.`, save the labels of our own metrics, which are the plain words of the
log. Spans of RPCs are named after their method, spans of model calls `{operation} {model}`.
"""

from typing import Final

TRACER: Final = "pointsman"

# Conventions: remote procedure calls.
RPC_SYSTEM_NAME: Final = "rpc.system.name"
RPC_METHOD: Final = "rpc.method"
RPC_STATUS_CODE: Final = "rpc.response.status_code"
SERVER_ADDRESS: Final = "server.address"
SERVER_PORT: Final = "server.port"
ERROR_TYPE: Final = "error.type"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_INSTANCE_ID: Final = "service.instance.id"
HTTP_STATUS_CODE: Final = "http.response.status_code"

# Conventions: calls of models.
GEN_AI_OPERATION_NAME: Final = "gen_ai.operation.name"
GEN_AI_PROVIDER_NAME: Final = "gen_ai.provider.name"
GEN_AI_CONVERSATION_ID: Final = "gen_ai.conversation.id"
GEN_AI_REQUEST_MODEL: Final = "gen_ai.request.model"
GEN_AI_REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
GEN_AI_REQUEST_STREAM: Final = "gen_ai.request.stream"
GEN_AI_RESPONSE_ID: Final = "gen_ai.response.id"
GEN_AI_RESPONSE_MODEL: Final = "gen_ai.response.model"
GEN_AI_RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
GEN_AI_USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
GEN_AI_USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
GEN_AI_USAGE_CACHE_READ_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
GEN_AI_USAGE_CACHE_WRITE_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
GEN_AI_USAGE_REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
GEN_AI_INPUT_MESSAGES: Final = "gen_ai.input.messages"
GEN_AI_OUTPUT_MESSAGES: Final = "gen_ai.output.messages"

OPERATION_CHAT: Final = "chat"
OPERATION_TEXT_COMPLETION: Final = "text_completion"

PROVIDERS: Final = {"gemini": "gcp.gemini"}
"""What the conventions call a provider, where that is not its name in the settings."""

# Our own spans.
SPAN_CLASSIFY: Final = "pointsman.classify"

# Our own events on spans.
SPAN_EVENT_SKIP: Final = "pointsman.skip"

# Our own attributes.
REASON: Final = "pointsman.reason"
CANCELLED: Final = "pointsman.cancelled"
REQUEST_ID: Final = "pointsman.request_id"
CATEGORY: Final = "pointsman.category"
CONFIDENCE: Final = "pointsman.confidence"
DECIDED_BY: Final = "pointsman.decided_by"
MODEL_HOP: Final = "pointsman.model_hop"
CLASSIFIER_VERSION: Final = "pointsman.classifier_version"
CACHED: Final = "pointsman.cached"
CANDIDATE: Final = "pointsman.candidate"
OUTCOME: Final = "pointsman.outcome"
WASTED: Final = "pointsman.wasted"
FALLBACK: Final = "pointsman.fallback"
SIMULATED: Final = "pointsman.simulated"
ATTEMPTS: Final = "pointsman.attempts"
DEGRADED: Final = "pointsman.degraded"
PARTIAL: Final = "pointsman.partial"
READY_AT: Final = "pointsman.ready_at"
COST_USD: Final = "pointsman.cost_usd"
USAGE_ESTIMATED: Final = "pointsman.usage_estimated"

# Ollama's own timings of one call, in seconds. What the parts leave of the total was spent waiting for a slot.
OLLAMA_TOTAL_DURATION: Final = "pointsman.ollama.total_duration"
OLLAMA_LOAD_DURATION: Final = "pointsman.ollama.load_duration"
OLLAMA_PROMPT_EVAL_DURATION: Final = "pointsman.ollama.prompt_eval_duration"
OLLAMA_EVAL_DURATION: Final = "pointsman.ollama.eval_duration"
OLLAMA_SLOT_WAIT_DURATION: Final = "pointsman.ollama.slot_wait_duration"
OLLAMA_LABEL_COVERAGE: Final = "pointsman.ollama.label_coverage"

# Log events: noun.verb.
EVENT_ADAPTER_BROKEN: Final = "adapter.broken"
EVENT_CALL_ENDED: Final = "call.ended"
EVENT_CANDIDATE_OUT: Final = "candidate.out"
EVENT_CANDIDATE_REVIVED: Final = "candidate.revived"
EVENT_CERTIFICATE_RENEWED: Final = "certificate.renewed"
EVENT_CERTIFICATE_UNUSABLE: Final = "certificate.unusable"
EVENT_CLASSIFIER_ABSORBED: Final = "classifier.absorbed"
EVENT_LEDGER_AWAY: Final = "ledger.away"
EVENT_LEDGER_JOINED: Final = "ledger.joined"
EVENT_LIBRARY_WARNED: Final = "library.warned"
EVENT_MODEL_HOP_CHANGED: Final = "model_hop.changed"
EVENT_METRICS_SHOWN: Final = "metrics.shown"
EVENT_METRICS_UNDELIVERED: Final = "metrics.undelivered"
EVENT_METRICS_UNREAD: Final = "metrics.unread"
EVENT_SERVER_EXPOSED: Final = "server.exposed"
EVENT_SERVER_STARTED: Final = "server.started"
EVENT_SERVER_STOPPED: Final = "server.stopped"
EVENT_SPANS_UNDELIVERED: Final = "spans.undelivered"

# Conventions: metrics. `telemetry/instruments.py` says what each one counts, in which unit, by which labels.
METRIC_RPC_SERVER_CALL_DURATION: Final = "rpc.server.call.duration"
METRIC_RPC_CLIENT_CALL_DURATION: Final = "rpc.client.call.duration"
METRIC_GEN_AI_OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
METRIC_GEN_AI_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
METRIC_GEN_AI_TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105 - tokens of a model
METRIC_PROCESS_CPU_TIME: Final = "process.cpu.time"
METRIC_PROCESS_MEMORY_USAGE: Final = "process.memory.usage"
METRIC_PROCESS_OPEN_FILES: Final = "pointsman.process.open_files"
METRIC_PROCESS_UPTIME: Final = "process.uptime"
GEN_AI_TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - as above

# Our own metrics.
METRIC_REQUESTS: Final = "pointsman.requests"
METRIC_REQUEST_DURATION: Final = "pointsman.request.duration"
METRIC_ATTEMPTS: Final = "pointsman.attempts"
METRIC_WASTED: Final = "pointsman.attempts.wasted"
METRIC_SKIPS: Final = "pointsman.skips"
METRIC_COST: Final = "pointsman.cost_usd"
METRIC_UNPRICED: Final = "pointsman.attempts.unpriced"
METRIC_TOKENS: Final = "pointsman.tokens"
METRIC_CANDIDATE_STATE: Final = "pointsman.candidate.state"
METRIC_CANDIDATE_READY_IN: Final = "pointsman.candidate.ready_in"
METRIC_CANDIDATE_IN_FLIGHT: Final = "pointsman.candidate.in_flight"
METRIC_QUOTA_LIMIT: Final = "pointsman.quota.limit"
METRIC_QUOTA_REMAINING: Final = "pointsman.quota.remaining"
METRIC_QUOTA_HEADROOM: Final = "pointsman.quota.headroom"
METRIC_LEDGER_STATE: Final = "pointsman.ledger.state"
METRIC_FALLBACK_WAITING: Final = "pointsman.fallback.waiting"
METRIC_VERDICTS: Final = "pointsman.verdicts"
METRIC_VERDICT_CONFIDENCE: Final = "pointsman.verdict.confidence"
METRIC_VERDICT_DURATION: Final = "pointsman.verdict.duration"
METRIC_DEGRADED: Final = "pointsman.degraded"
METRIC_MODEL_HOP_STATE: Final = "pointsman.model_hop.state"
METRIC_CACHE_ENTRIES: Final = "pointsman.cache.entries"
METRIC_CALLS_INSIDE: Final = "pointsman.calls.inside"
METRIC_CALLS_ALLOWED: Final = "pointsman.calls.allowed"
METRIC_JOURNAL_QUEUED: Final = "pointsman.journal.queued"
METRIC_JOURNAL_DROPPED: Final = "pointsman.journal.dropped"
METRIC_LOG_LINES_LOST: Final = "pointsman.log.lost"
METRIC_SPANS_DROPPED: Final = "pointsman.spans.dropped"
METRIC_LOOP_LAG: Final = "pointsman.loop.lag"
METRIC_BUILD: Final = "pointsman.build.info"

# Labels of our own metrics.
LABEL_CANDIDATE: Final = "candidate"
LABEL_CATEGORY: Final = "category"
LABEL_OUTCOME: Final = "outcome"
LABEL_LOCAL: Final = "local"
LABEL_FALLBACK: Final = "fallback"
LABEL_REASON: Final = "reason"
LABEL_KIND: Final = "kind"
LABEL_STATE: Final = "state"
LABEL_SCOPE: Final = "scope"
LABEL_UNIT: Final = "unit"
LABEL_WINDOW: Final = "window"
LABEL_DECIDED_BY: Final = "decided_by"
LABEL_MODEL_HOP: Final = "model_hop"
LABEL_CACHED: Final = "cached"
LABEL_SERVICE: Final = "service"
LABEL_VERSION: Final = "version"
LABEL_PYTHON: Final = "python"
LABEL_SETTINGS_HASH: Final = "settings_hash"
