"""What a call will probably use, learned from what calls did use."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

from pointsman.domain.answer import Usage
from pointsman.domain.pool import Candidate
from pointsman.domain.prompt import Request, utf8_bytes
from pointsman.executor.quota import Estimate

BYTES_PER_TOKEN = 3.0
"""First guess: a safe lower end for English (4.3) and Korean (3.3) alike (Ollama source, 2026-08)."""

IMAGE_TOKENS = 1_600
"""What the largest providers count at most for one image that is scaled to their size."""

OVERHEAD_TOKENS = 16
"""Roles and separators of a short conversation."""

TELLING_TOKENS = 200
"""Prompts from this size on tell bytes a token; in shorter ones, what providers add weighs too much."""

FIRST_OUTPUT_TOKENS = 800
"""First guess of the output of a model that has not answered yet."""

WEIGHT = 0.1
"""How much one observation counts in a running mean."""

QUANTILE = 0.9
"""Which part of a model's answers shall be no longer than estimated."""


@dataclass(slots=True)
class ModelHabits:
    """What is learned of one candidate: bytes a token, a high quantile of output tokens, mean latency in seconds."""

    bytes_per_token: float = BYTES_PER_TOKEN
    output_tokens: float = FIRST_OUTPUT_TOKENS
    latency_s: float | None = None


@dataclass(slots=True)
class Estimator:
    """Habits by candidate."""

    habits: defaultdict[str, ModelHabits] = field(default_factory=lambda: defaultdict(ModelHabits))

    def estimate(self, candidate: Candidate, request: Request) -> Estimate:
        """Return what a call of the candidate will probably use; the input rather too high than too low."""
        habits = self.habits[candidate.id]
        text_tokens = math.ceil(_text_bytes(request) / habits.bytes_per_token)
        input_tokens = text_tokens + request.prompt.image_count * IMAGE_TOKENS + OVERHEAD_TOKENS
        asked = output_limit(candidate, request)
        return Estimate(
            input_tokens=input_tokens,
            output_tokens=min(asked, math.ceil(habits.output_tokens)),
            admitted_tokens=input_tokens + asked,
        )

    def learn(self, candidate: Candidate, request: Request, usage: Usage, latency_s: float) -> None:
        """Take in what an answered call used, and how long it took."""
        habits = self.habits[candidate.id]
        if not request.prompt.has_image and usage.input_tokens >= TELLING_TOKENS and not usage.estimated:
            # A tenth below what was seen, so that the next estimate is rather too high.
            ratio = 0.9 * _text_bytes(request) / (usage.input_tokens - OVERHEAD_TOKENS)
            habits.bytes_per_token += WEIGHT * (min(max(ratio, 1.0), 6.0) - habits.bytes_per_token)
        # Stochastic approximation of a quantile: up a large step when over it, down a small one when under.
        step = max(16.0, 0.1 * habits.output_tokens)
        over = usage.output_tokens > habits.output_tokens
        habits.output_tokens = max(16.0, habits.output_tokens + step * (QUANTILE if over else QUANTILE - 1))
        seen = habits.latency_s
        habits.latency_s = latency_s if seen is None else seen + WEIGHT * (latency_s - seen)

    def so_far(self, candidate: Candidate, request: Request, written_bytes: int) -> Usage:
        """Return what a call has probably used that broke off after so many UTF-8 bytes of its answer."""
        return Usage(
            input_tokens=self.estimate(candidate, request).input_tokens,
            output_tokens=math.ceil(written_bytes / self.habits[candidate.id].bytes_per_token),
            estimated=True,
        )

    def latency_s(self, candidate: Candidate) -> float:
        """Return the mean latency in seconds; 0 for one that has not answered yet, so that it gets its chance."""
        return self.habits[candidate.id].latency_s or 0.0


def output_limit(candidate: Candidate, request: Request) -> int:
    """Return the output limit to ask for: the caller's, else the candidate's, never more than the model can write."""
    asked = request.options.max_output_tokens or candidate.default_output_tokens
    return min(asked, candidate.model.max_output_tokens)


def _text_bytes(request: Request) -> int:
    """Return the UTF-8 bytes that the model reads: the prompt, and the tools and the schema beside it."""
    options = request.options
    if not options.tools and not options.json_schema:
        return request.prompt.text_bytes
    texts = [options.json_schema]
    for tool in options.tools:
        texts += (tool.name, tool.description, tool.parameters_json_schema)
    return request.prompt.text_bytes + sum(map(utf8_bytes, texts))
