"""The servicer: a message in, a verdict out. What is wrong with a request is said here, and nowhere deeper."""

import grpc

from pointsman.classifier.classify import Classifier, Question
from pointsman.config.settings import LimitsSettings
from pointsman.domain.errors import InvalidRequest, PromptTooLarge, Violation
from pointsman.domain.prompt import utf8_bytes
from pointsman.domain.verdict import Verdict
from pointsman.rpc import convert
from pointsman.rpc.check_options import id_violations
from pointsman.telemetry import facts, instruments, names
from pointsman.telemetry.spans import Span, span
from pointsman.v1 import classifier_pb2, classifier_pb2_grpc


class ClassifierServicer(classifier_pb2_grpc.ClassifierServiceServicer):
    """ClassifierService over one classifier. `categories` are all that settings name, the five included."""

    def __init__(self, classifier: Classifier, *, categories: tuple[str, ...], limits: LimitsSettings) -> None:
        """Take what is needed to check a request and to rule on it."""
        self.go_by(classifier, categories=categories, limits=limits)

    def go_by(self, classifier: Classifier, *, categories: tuple[str, ...], limits: LimitsSettings) -> None:
        """Rule on what comes from now on by these; what is under way goes on as it began."""
        self._classifier = classifier
        self._categories = frozenset(categories)
        self._limits = limits

    async def Classify(
        self,
        request: classifier_pb2.ClassifyRequest,
        context: grpc.aio.ServicerContext[classifier_pb2.ClassifyRequest, classifier_pb2.ClassifyResponse],
    ) -> classifier_pb2.ClassifyResponse:
        question = self._question(request)
        with span(names.SPAN_CLASSIFY) as current:
            verdict = await self._classifier.classify(question, budget_s=context.time_remaining())
            _tell(verdict, request.request_id, current)
        response = classifier_pb2.ClassifyResponse()
        convert.write_verdict(response.verdict, verdict)
        if verdict.degraded:
            response.degraded_reasons.extend(convert.degraded_to_pb(verdict.degraded))
        return response

    def _question(self, request: classifier_pb2.ClassifyRequest) -> Question:
        """Return the question of a request. Raises InvalidRequest with every violation when it cannot be ruled on."""
        text, context = request.text, request.context  # each reading makes a text of its own
        size_bytes = utf8_bytes(text) + utf8_bytes(context)
        if size_bytes > self._limits.text_bytes:
            message = (
                f"the text has {size_bytes} bytes, over the limit of {self._limits.text_bytes} (limits.text_bytes)"
            )
            raise PromptTooLarge(Violation(field="text", reason="PROMPT_TOO_LARGE", message=message))
        violations = []
        if not request.has_image and not text.strip():
            message = "the text is empty; send at least one character that is not white space, or set has_image"
            violations.append(Violation(field="text", reason="PROMPT_EMPTY", message=message))
        if request.category and request.category not in self._categories:
            known = ", ".join(sorted(self._categories))
            message = f"the category {request.category[:64]!r} is not in the settings; known: {known}"
            violations.append(Violation(field="category", reason="CATEGORY_UNKNOWN", message=message))
        violations.extend(id_violations(request.request_id, "request_id"))
        if violations:
            raise InvalidRequest(*violations)
        return Question(text=text, context=context, has_image=request.has_image, category=request.category)


def _tell(verdict: Verdict, request_id: str, current: Span) -> None:
    """Put the facts of the ruling on the span, into the metrics and into the one log line of the call; no text."""
    _count(verdict)
    if current.is_recording:
        current.set(names.CATEGORY, verdict.category)
        current.set(names.CONFIDENCE, verdict.confidence)
        current.set(names.DECIDED_BY, verdict.decided_by)
        current.set(names.MODEL_HOP, verdict.model_hop)
        current.set(names.CLASSIFIER_VERSION, verdict.classifier_version)
        current.set(names.CACHED, verdict.cached)
    asked_as = {"request_id": request_id} if request_id else {}
    facts.bind(
        **asked_as,
        category=verdict.category,
        confidence=round(verdict.confidence, 3),
        decided_by=str(verdict.decided_by),
        model_hop=str(verdict.model_hop),
        model_duration_s=None if verdict.model_duration_s is None else round(verdict.model_duration_s, 6),
        cached=verdict.cached,
        degraded=[reason.value for reason in verdict.degraded],
    )


def _count(verdict: Verdict) -> None:
    instruments.VERDICTS.add(
        1, verdict.category, verdict.decided_by, verdict.model_hop, "true" if verdict.cached else "false"
    )
    instruments.VERDICT_DURATION.record(verdict.duration_s, verdict.decided_by)
    if verdict.probabilities:  # a rule is certain, which says nothing of how well texts are read
        instruments.VERDICT_CONFIDENCE.record(verdict.confidence, verdict.category, verdict.decided_by)
