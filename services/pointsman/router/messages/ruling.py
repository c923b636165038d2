"""What a request was ruled to be, as the message that goes on, and what is known of it from then on."""

from pointsman.config.settings import RouterSettings
from pointsman.domain.frozen import frozen
from pointsman.domain.verdict import DecidedBy, DegradedReason, Verdict
from pointsman.rpc.convert import DECIDED_BY, degraded_to_pb, verdict_from_pb
from pointsman.telemetry import facts, names
from pointsman.telemetry.spans import current
from pointsman.v1 import types_pb2


@frozen
class Ruling:
    """A verdict as the message that goes on, the Classifier's as it came where that was heard, and what stands beside.

    The Router reads three fields of it. To read all, probabilities included, costs a sixth of a hop.
    """

    verdict_pb: types_pb2.Verdict
    degraded: tuple[DegradedReason, ...]

    @property
    def category(self) -> str:
        """The category of the verdict."""
        return self.verdict_pb.category

    @property
    def verdict(self) -> Verdict:
        """The whole of it."""
        return verdict_from_pb(self.verdict_pb, degraded_to_pb(self.degraded))


@frozen
class Ruled:
    """What is known of a request that was read and ruled on, by which settings, and what is left of its deadline.

    The request itself is not kept while the Executor works on it: it may hold megabytes of images.
    """

    settings: RouterSettings
    request_id: str
    ruling: Ruling
    remaining_s: float


def tell_ruling(verdict_pb: types_pb2.Verdict, request_id: str, classify_s: float | None) -> None:
    """Put the ruling on the span of the call and into its one line."""
    category, confidence = verdict_pb.category, verdict_pb.confidence
    decided_by = str(DECIDED_BY.from_pb(verdict_pb.decided_by) or DecidedBy.DEFAULT)
    facts.bind(
        category=category,
        decided_by=decided_by,
        confidence=round(confidence, 3),
        classify_s=None if classify_s is None else round(classify_s, 6),
    )
    span = current()
    if span.is_recording:
        span.set(names.REQUEST_ID, request_id)
        span.set(names.CATEGORY, category)
        span.set(names.CONFIDENCE, confidence)
        span.set(names.DECIDED_BY, decided_by)
