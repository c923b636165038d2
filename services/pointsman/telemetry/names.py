"""Every name that Pointsman shows to observers: spans, attributes and log events.

RPC, GenAI, server and error names are those of the OpenTelemetry semantic conventions; a test holds them against the
installed package. Our own start with `pointsman.`. Spans of RPCs are named after their method, spans of model calls
`{operation} {model}`.
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
CALLER: Final = "pointsman.caller"
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
EVENT_JOURNAL_AWAY: Final = "journal.away"
EVENT_JOURNAL_DROPPING: Final = "journal.dropping"
EVENT_JOURNAL_JOINED: Final = "journal.joined"
EVENT_JOURNAL_REFUSED: Final = "journal.refused"
EVENT_KEYS_CHANGED: Final = "keys.changed"
EVENT_KEYS_UNUSABLE: Final = "keys.unusable"
EVENT_LEDGER_AWAY: Final = "ledger.away"
EVENT_LEDGER_JOINED: Final = "ledger.joined"
EVENT_LIBRARY_WARNED: Final = "library.warned"
EVENT_MODEL_HOP_CHANGED: Final = "model_hop.changed"
EVENT_SERVER_EXPOSED: Final = "server.exposed"
EVENT_SERVER_STARTED: Final = "server.started"
EVENT_SERVER_STOPPED: Final = "server.stopped"
EVENT_SPANS_UNDELIVERED: Final = "spans.undelivered"
EVENT_SPENT_UNKNOWN: Final = "spent.unknown"
