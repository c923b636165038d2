"""The classifier's ruling on a prompt, and the reasons why an answer may be less than it should be."""

from enum import StrEnum

from pointsman.domain.frozen import frozen


class DecidedBy(StrEnum):
    """What decided a verdict."""

    CALLER = "caller"
    RULE = "rule"
    EMBEDDED = "embedded"
    MODEL = "model"
    FUSION = "fusion"
    DEFAULT = "default"


class ModelHop(StrEnum):
    """What became of the question to the small local model."""

    ANSWERED = "answered"
    NOT_NEEDED = "not_needed"
    CONFIDENT = "confident"
    SWITCHED_OFF = "switched_off"
    STARTING = "starting"
    MODEL_MISSING = "model_missing"
    SELF_TEST_FAILED = "self_test_failed"
    COOLING = "cooling"
    BUSY = "busy"
    NO_TIME = "no_time"
    LATE = "late"
    FAILED = "failed"
    UNCLEAR = "unclear"


class DegradedReason(StrEnum):
    """Why an answer is less than it should be."""

    CLASSIFIER_DOWN = "classifier_down"
    CLASSIFIER_LATE = "classifier_late"
    LOCAL_FALLBACK = "local_fallback"
    LEDGER_LOCAL_SHARE = "ledger_local_share"
    MODEL_HOP_DOWN = "model_hop_down"
    EXECUTOR_LOST = "executor_lost"


@frozen
class Verdict:
    """A ruling.

    `probabilities` pairs category and probability, in descending order, with the sum 1; empty when a rule or a
    default decided. `model_duration_s` is None when the small model was not asked.
    """

    category: str
    confidence: float
    decided_by: DecidedBy
    model_hop: ModelHop
    probabilities: tuple[tuple[str, float], ...] = ()
    classifier_version: str = ""
    cached: bool = False
    duration_s: float = 0.0
    model_duration_s: float | None = None
    degraded: tuple[DegradedReason, ...] = ()

    @property
    def runner_up(self) -> str:
        """The second most probable category; empty when there is none."""
        return self.probabilities[1][0] if len(self.probabilities) > 1 else ""
