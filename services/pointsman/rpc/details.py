"""The details of a status: what they hold for each error, how they are made to fit, how they are read again."""

from collections.abc import Iterator, Mapping, MutableSequence
from datetime import datetime
from typing import Any, Final

from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb  # type: ignore[import-untyped]  # has .pyi files, but no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # as above

from pointsman.domain.errors import (
    CallerOverLimit,
    InvalidRequest,
    Missing,
    NoAnswer,
    NoCredentials,
    PointsmanError,
    PoolExhausted,
    TooManyCalls,
    Violation,
)
from pointsman.domain.frozen import frozen
from pointsman.domain.trail import Trail
from pointsman.domain.verdict import Verdict
from pointsman.rpc.convert import duration_to_pb, sendable, trail_from_pb, trail_to_pb, verdict_from_pb, verdict_to_pb
from pointsman.v1 import types_pb2 as pb

DOMAIN: Final = "pointsman"
READY_AT_KEY: Final = "ready_at"
TRIMMED_KEY: Final = "trimmed"

_NOTE_BYTES: Final = 64
"""Room for the entry of the metadata that says what was trimmed."""
_DESCRIPTION_BYTES: Final = 400
_VALUE_BYTES: Final = 300


@frozen
class Told:
    """What the details of a status say; empty where they say nothing."""

    reason: str = ""
    metadata: Mapping[str, str]
    violations: tuple[Violation, ...] = ()
    missing: tuple[Missing, ...] = ()
    trail: Trail | None = None
    verdict: Verdict | None = None

    @property
    def ready_at(self) -> datetime | None:
        """When a new try can succeed; None when that was not said."""
        stated = self.metadata.get(READY_AT_KEY)
        return datetime.fromisoformat(stated) if stated else None


def pack(
    status: Status, error: PointsmanError, *, now: datetime | None, known: Mapping[str, str], room_bytes: int
) -> None:
    """Add the details of `error` to `status`, which is then at most `room_bytes` long.

    What does not fit goes in this order: the trail's sentences, its steps, both oldest first, then the ends of other
    lists.
    """
    info = details_pb.ErrorInfo(domain=DOMAIN, reason=error.reason, metadata=_metadata(error, known))
    ready_at = error.ready_at if isinstance(error, PoolExhausted | NoAnswer | TooManyCalls | CallerOverLimit) else None
    if ready_at is not None:
        info.metadata[READY_AT_KEY] = ready_at.isoformat()
    details: list[Message] = [info, *_of_kind(error)]
    if ready_at is not None and now is not None:
        details.append(details_pb.RetryInfo(retry_delay=duration_to_pb(max(0.0, (ready_at - now).total_seconds()))))
    if error.reason == PointsmanError.reason:
        details.append(details_pb.RequestInfo(request_id=known.get("trace_id", "")))
    if error.verdict is not None:
        details.append(verdict_to_pb(error.verdict))
    trail_pb = trail_to_pb(error.trail) if error.trail is not None else None
    if trail_pb is not None:
        details.append(trail_pb)
    _fit(status, details, trail_pb, room_bytes)
    for detail in details:
        status.details.add().Pack(detail)


def _metadata(error: PointsmanError, known: Mapping[str, str]) -> dict[str, str]:
    return {key: cut(value, _VALUE_BYTES) for key, value in (error.metadata | dict(known)).items()}


def _of_kind(error: PointsmanError) -> list[Message]:
    match error:
        case InvalidRequest(violations=violations):
            fields = [
                details_pb.BadRequest.FieldViolation(
                    field=violation.field,
                    description=cut(violation.message, _DESCRIPTION_BYTES),
                    reason=violation.reason,
                )
                for violation in violations
            ]
            return [details_pb.BadRequest(field_violations=fields)]
        case PoolExhausted(trail=Trail() as trail):
            quotas = [
                details_pb.QuotaFailure.Violation(subject=skip.candidate, description=skip.reason.name)
                for skip in trail.skips
            ]
            return [details_pb.QuotaFailure(violations=quotas)]
        case NoCredentials(missing=missing):
            needs = [
                details_pb.PreconditionFailure.Violation(
                    type=each.reason, subject=each.subject, description=cut(each.advice, _DESCRIPTION_BYTES)
                )
                for each in missing
            ]
            return [details_pb.PreconditionFailure(violations=needs)]
        case _:
            return []


def _fit(status: Status, details: list[Message], trail_pb: pb.Trail | None, room_bytes: int) -> None:
    """Trim the details in place until the status holds them, and say so in the metadata."""
    if _size_bytes(status, details) <= room_bytes:
        return
    steps = trail_pb.steps if trail_pb is not None else []
    all_steps = len(steps)
    room_bytes -= _NOTE_BYTES
    for step in steps:
        if _size_bytes(status, details) <= room_bytes:
            break
        (step.skip if step.HasField("skip") else step.attempt).detail = ""
    while steps and _size_bytes(status, details) > room_bytes:
        del steps[0]
    for entries in _lists(details):
        while entries and _size_bytes(status, details) > room_bytes:
            del entries[-1]
    for info in details:
        if isinstance(info, details_pb.ErrorInfo):
            info.metadata[TRIMMED_KEY] = f"{len(steps)} of {all_steps} steps kept"


def _lists(details: list[Message]) -> Iterator[MutableSequence[Any]]:
    for detail in details:
        match detail:
            case details_pb.BadRequest(field_violations=entries):
                yield entries
            case details_pb.QuotaFailure(violations=entries) | details_pb.PreconditionFailure(violations=entries):
                yield entries


def _size_bytes(status: Status, details: list[Message]) -> int:
    packed = Status(code=status.code, message=status.message)
    for detail in details:
        packed.details.add().Pack(detail)
    return int(packed.ByteSize())


def unpack(status: Status) -> Told:
    """Return what the details of one of our statuses say; details that we do not know are passed over.

    Raises DecodeError when a detail is not what it says it is.
    """
    info, trail, verdict = details_pb.ErrorInfo(), None, None
    violations: tuple[Violation, ...] = ()
    missing: tuple[Missing, ...] = ()
    for detail in status.details:
        bad, needs, trail_pb, verdict_pb = (
            details_pb.BadRequest(),
            details_pb.PreconditionFailure(),
            pb.Trail(),
            pb.Verdict(),
        )
        if detail.Unpack(info):
            continue
        if detail.Unpack(bad):
            violations = tuple(
                Violation(field=entry.field, reason=entry.reason, message=entry.description)
                for entry in bad.field_violations
            )
        elif detail.Unpack(needs):
            missing = tuple(
                Missing(subject=need.subject, reason=need.type, advice=need.description) for need in needs.violations
            )
        elif detail.Unpack(trail_pb):
            trail = trail_from_pb(trail_pb)
        elif detail.Unpack(verdict_pb):
            verdict = verdict_from_pb(verdict_pb)
    return Told(
        reason=info.reason if info.domain == DOMAIN else "",
        metadata=dict(info.metadata),
        violations=violations,
        missing=missing,
        trail=trail,
        verdict=verdict,
    )


def cut(text: str, room_bytes: int) -> str:
    """Return the text, cut to what fits into a header: there a byte that is not printable ASCII takes three."""
    text = sendable(text)
    for index, character in enumerate(text):
        room_bytes -= 1 if " " <= character <= "~" and character != "%" else 3 * len(character.encode())
        if room_bytes < 0:
            return text[:index] + "…"
    return text
