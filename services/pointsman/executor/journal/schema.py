"""The tables of the journal, as numbered migrations that only go forward. The same text for SQLite and PostgreSQL.

Instants are microseconds since 1970 (UTC), durations microseconds, money exact decimal text, truth 0 or 1. NULL means
not known. Never change a migration that was released: add one.
"""

from typing import Final

VERSION_TABLE: Final = "CREATE TABLE IF NOT EXISTS journal_schema (version BIGINT NOT NULL)"

_REQUESTS: Final = """
CREATE TABLE requests (
  id TEXT PRIMARY KEY,
  started_us BIGINT NOT NULL,
  request_id TEXT NOT NULL,
  session_id TEXT NOT NULL,
  trace_id TEXT NOT NULL,
  caller TEXT NOT NULL,
  category TEXT NOT NULL,
  decided_by TEXT NOT NULL,
  confidence DOUBLE PRECISION,
  probabilities TEXT NOT NULL,
  classifier_version TEXT NOT NULL,
  model_hop TEXT NOT NULL,
  classify_us BIGINT,
  small_model_us BIGINT,
  policy TEXT NOT NULL,
  settings_hash TEXT NOT NULL,
  ending TEXT NOT NULL,
  reason TEXT NOT NULL,
  degraded TEXT NOT NULL,
  answered_by TEXT NOT NULL,
  is_fallback SMALLINT NOT NULL,
  is_simulated SMALLINT NOT NULL,
  duration_us BIGINT NOT NULL,
  queue_us BIGINT,
  first_token_us BIGINT,
  attempts BIGINT NOT NULL,
  wasted BIGINT NOT NULL,
  unproductive BIGINT NOT NULL,
  skips BIGINT NOT NULL,
  input_tokens BIGINT NOT NULL,
  cached_input_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  is_estimated SMALLINT NOT NULL,
  cost_usd TEXT NOT NULL,
  unproductive_cost_usd TEXT NOT NULL,
  attempts_without_price BIGINT NOT NULL,
  sequential_attempts BIGINT NOT NULL,
  sequential_cost_usd TEXT NOT NULL,
  prompt TEXT,
  answer TEXT
)
"""

_ATTEMPTS: Final = """
CREATE TABLE attempts (
  request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
  step BIGINT NOT NULL,
  candidate TEXT NOT NULL,
  outcome TEXT NOT NULL,
  started_us BIGINT NOT NULL,
  duration_us BIGINT NOT NULL,
  first_token_us BIGINT,
  input_tokens BIGINT,
  cached_input_tokens BIGINT,
  cache_write_tokens BIGINT,
  output_tokens BIGINT,
  reasoning_tokens BIGINT,
  is_estimated SMALLINT NOT NULL,
  cost_usd TEXT,
  price_version TEXT NOT NULL,
  is_wasted SMALLINT NOT NULL,
  is_local SMALLINT NOT NULL,
  is_fallback SMALLINT NOT NULL,
  is_simulated SMALLINT NOT NULL,
  http_status BIGINT NOT NULL,
  provider_request_id TEXT NOT NULL,
  retry_after_us BIGINT,
  detail TEXT NOT NULL,
  PRIMARY KEY (request, step)
)
"""

_SKIPS: Final = """
CREATE TABLE skips (
  request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
  step BIGINT NOT NULL,
  candidate TEXT NOT NULL,
  reason TEXT NOT NULL,
  ready_us BIGINT,
  detail TEXT NOT NULL,
  PRIMARY KEY (request, step)
)
"""

_LABELS: Final = """
CREATE TABLE labels (
  request TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (request, name)
)
"""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (_REQUESTS, "CREATE INDEX requests_started ON requests (started_us)", _ATTEMPTS, _SKIPS, _LABELS),
)
"""The statements that lead from each version to the next; the first leads from nothing to version 1."""
