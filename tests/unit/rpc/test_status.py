from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details_pb  # type: ignore[import-untyped]  # no py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # no py.typed
from hypothesis import given
from hypothesis import strategies as st

from pointsman.domain import errors
from pointsman.domain.errors import (
    CallerOverBudget,
    CallerOverLimit,
    CallerOverRate,
    CallerUnknown,
    CandidatesForbidden,
    CategoryForbidden,
    CertificateUnknown,
    ClassifierDown,
    ExecutorDown,
    InvalidRequest,
    JournalDown,
    KeyMissing,
    KeyUnknown,
    Missing,
    NoAnswer,
    NoCredentials,
    OutOfTime,
    PointsmanError,
    PoolExhausted,
    PromptTooLarge,
    SettingsError,
    Stopping,
    TooManyBytes,
    TooManyCalls,
    Violation,
)
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.domain.verdict import DecidedBy, ModelHop, Verdict
from pointsman.rpc import status as table
from pointsman.rpc.status import CODES, DETAILS_BYTES, DETAILS_KEY, PUSHBACK_KEY, from_call, to_status, trailers
from pointsman.v1 import types_pb2 as pb

MessageT = TypeVar("MessageT", bound=Message)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
READY_AT = NOW + timedelta(seconds=30)
SKIP = Skip(candidate="openai/gpt-4", reason=SkipReason.COOLING, ready_at=READY_AT, detail="cools for 30 s")
ATTEMPT = Attempt(candidate="openai/gpt-4", outcome=Outcome.NETWORK, started_at=NOW, duration_s=0.1)
VERDICT = Verdict(category="coding", confidence=0.9, decided_by=DecidedBy.MODEL, model_hop=ModelHop.ANSWERED)

NO_KEY = Missing(subject="openai/gpt-4", reason="NO_CREDENTIALS", advice="set OPENAI_API_KEY")
NOT_RUNNING = Missing(subject="local/m", reason="NOT_RUNNING", advice="start Ollama")
ROWS = [
    pytest.param(
        InvalidRequest(Violation(field="options.stop", reason="STOP_INVALID", message="too many")),
        "INVALID_ARGUMENT", "STOP_INVALID", [details_pb.BadRequest],
        id="InvalidRequest",
    ),
    pytest.param(
        PromptTooLarge(Violation(field="text", reason="PROMPT_TOO_LARGE", message="too large")),
        "INVALID_ARGUMENT", "PROMPT_TOO_LARGE", [details_pb.BadRequest],
        id="PromptTooLarge",
    ),
    pytest.param(
        PoolExhausted("all cool", trail=Trail([SKIP]), ready_at=READY_AT, category="coding"),
        "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED", [details_pb.QuotaFailure, details_pb.RetryInfo, pb.Trail],
        id="PoolExhausted",
    ),
    pytest.param(
        PoolExhausted("all out", trail=Trail([SKIP]), ready_at=None),
        "RESOURCE_EXHAUSTED", "POOL_EXHAUSTED", [details_pb.QuotaFailure, pb.Trail],
        id="PoolExhausted, and waiting does not help",
    ),
    pytest.param(
        NoAnswer("all failed", trail=Trail([ATTEMPT]), ready_at=READY_AT),
        "UNAVAILABLE", "NO_ANSWER", [details_pb.RetryInfo, pb.Trail],
        id="NoAnswer",
    ),
    pytest.param(
        TooManyCalls("no more are taken", ready_at=READY_AT),
        "RESOURCE_EXHAUSTED",
        "TOO_MANY_CALLS",
        [details_pb.RetryInfo],
        id="TooManyCalls",
    ),
    pytest.param(
        TooManyBytes("too large together", ready_at=READY_AT),
        "RESOURCE_EXHAUSTED", "TOO_MANY_BYTES", [details_pb.RetryInfo],
        id="TooManyBytes",
    ),
    pytest.param(CertificateUnknown("nobody's"), "UNAUTHENTICATED", "CERTIFICATE_UNKNOWN", [], id="CertificateUnknown"),
    pytest.param(NoAnswer("all failed"), "UNAVAILABLE", "NO_ANSWER", [], id="NoAnswer, and nobody knows when"),
    pytest.param(ClassifierDown("down"), "UNAVAILABLE", "CLASSIFIER_DOWN", [], id="ClassifierDown"),
    pytest.param(ExecutorDown("down"), "UNAVAILABLE", "EXECUTOR_DOWN", [], id="ExecutorDown"),
    pytest.param(Stopping("no more news"), "UNAVAILABLE", "STOPPING", [], id="Stopping"),
    pytest.param(
        NoCredentials("no keys", missing=(NO_KEY, NOT_RUNNING)),
        "FAILED_PRECONDITION", "NO_CREDENTIALS", [details_pb.PreconditionFailure],
        id="NoCredentials",
    ),
    pytest.param(
        OutOfTime("late", trail=Trail([ATTEMPT]), left_s="0.1"),
        "DEADLINE_EXCEEDED", "OUT_OF_TIME", [pb.Trail],
        id="OutOfTime",
    ),
    pytest.param(KeyMissing("none came"), "UNAUTHENTICATED", "KEY_MISSING", [], id="KeyMissing"),
    pytest.param(KeyUnknown("opens nothing"), "UNAUTHENTICATED", "KEY_UNKNOWN", [], id="KeyUnknown"),
    pytest.param(CallerUnknown("no grant", caller="a"), "PERMISSION_DENIED", "CALLER_UNKNOWN", [], id="CallerUnknown"),
    pytest.param(CategoryForbidden("not it"), "PERMISSION_DENIED", "CATEGORY_FORBIDDEN", [], id="CategoryForbidden"),
    pytest.param(
        CandidatesForbidden("none of them", trail=Trail([SKIP])),
        "PERMISSION_DENIED", "CANDIDATES_FORBIDDEN", [pb.Trail],
        id="CandidatesForbidden",
    ),
    pytest.param(
        CallerOverRate("too often", ready_at=READY_AT),
        "RESOURCE_EXHAUSTED", "CALLER_OVER_RATE", [details_pb.RetryInfo],
        id="CallerOverRate",
    ),
    pytest.param(
        CallerOverBudget("all spent", trail=Trail([SKIP]), ready_at=READY_AT),
        "RESOURCE_EXHAUSTED", "CALLER_OVER_BUDGET", [details_pb.RetryInfo, pb.Trail],
        id="CallerOverBudget",
    ),
    pytest.param(CallerOverLimit("used up"), "RESOURCE_EXHAUSTED", "CALLER_OVER_LIMIT", [], id="CallerOverLimit"),
    pytest.param(JournalDown("away"), "UNAVAILABLE", "JOURNAL_DOWN", [], id="JournalDown"),
]  # fmt: skip
UNEXPECTED = [
    pytest.param(PointsmanError("sk-secret"), id="PointsmanError"),
    pytest.param(SettingsError("sk-secret", path="a.b"), id="SettingsError"),
]


def received(error: PointsmanError) -> grpc.aio.AioRpcError:
    """Return what the other side of the wire sees of an error."""
    status = to_status(error, now=NOW)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    trailing = grpc.aio.Metadata(*trailers(error, status))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, details=status.message)


def bare(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="gRPC says so")


def unpacked(status: Status, kind: Callable[[], MessageT]) -> MessageT:
    """Return the one detail of that kind."""
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            return detail
    pytest.fail(f"no {kind} in the status")


@pytest.mark.parametrize("error, code, reason, kinds", ROWS)
def test_each_error_has_its_code_its_reason_and_its_details(
    error: PointsmanError, code: str, reason: str, kinds: list[type[Message]]
) -> None:
    status = to_status(error, now=NOW)

    assert status.code == grpc.StatusCode[code].value[0]
    assert status.message == error.message
    info = unpacked(status, details_pb.ErrorInfo)
    assert (info.domain, info.reason) == ("pointsman", reason)
    assert error.metadata.items() <= dict(info.metadata).items()
    names = [detail.type_url.rpartition("/")[2] for detail in status.details]
    assert names == ["google.rpc.ErrorInfo", *(kind.DESCRIPTOR.full_name for kind in kinds)]


@pytest.mark.parametrize("error, code, reason, kinds", ROWS)
def test_each_error_comes_back_as_it_was(
    error: PointsmanError, code: str, reason: str, kinds: list[type[Message]]
) -> None:
    again = from_call(received(error))

    assert type(again) is type(error)
    assert (again.message, again.reason, again.trail) == (error.message, error.reason, error.trail)
    for name in ("ready_at", "violations", "missing"):
        assert getattr(again, name, None) == getattr(error, name, None)
    assert error.metadata.items() <= again.metadata.items()


def test_each_one_that_lacks_something_says_what_kind_of_thing() -> None:
    status = to_status(NoCredentials("none", missing=(NO_KEY, NOT_RUNNING)), now=NOW)

    needs = unpacked(status, details_pb.PreconditionFailure)
    assert [(need.subject, need.type) for need in needs.violations] == [
        ("openai/gpt-4", "NO_CREDENTIALS"),
        ("local/m", "NOT_RUNNING"),
    ]


def test_the_verdict_travels_with_an_error() -> None:
    error = NoAnswer("all failed")
    error.verdict = VERDICT

    assert from_call(received(error)).verdict == VERDICT


def test_every_error_of_the_tree_has_a_row() -> None:
    tree = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PointsmanError)}
    tested = {type(row.values[0]) for row in (*ROWS, *UNEXPECTED)}

    assert tested == tree
    assert set(CODES) | {SettingsError} == tree


def test_a_row_is_never_hidden_by_an_earlier_one() -> None:
    kinds = list(CODES)

    assert not [(a, b) for a, b in combinations(kinds, 2) if issubclass(b, a)]


@pytest.mark.parametrize("error", UNEXPECTED)
def test_anything_else_is_internal_and_says_no_more_than_its_ids(error: PointsmanError) -> None:
    status = to_status(error, now=NOW, known={"trace_id": "t" * 32, "request_id": "r-1"})

    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert b"sk-secret" not in status.SerializeToString()
    info = unpacked(status, details_pb.ErrorInfo)
    assert info.reason == "INTERNAL"
    assert dict(info.metadata) == {"trace_id": "t" * 32, "request_id": "r-1"}
    assert unpacked(status, details_pb.RequestInfo).request_id == "t" * 32


def test_retry_info_is_the_time_until_the_earliest_candidate_is_ready() -> None:
    error = PoolExhausted("all cool", trail=Trail([SKIP]), ready_at=READY_AT)

    assert unpacked(to_status(error, now=NOW), details_pb.RetryInfo).retry_delay.seconds == 30
    assert unpacked(to_status(error, now=READY_AT + timedelta(1)), details_pb.RetryInfo).retry_delay.seconds == 0


def test_every_candidate_left_out_is_a_quota_failure_of_its_own() -> None:
    error = PoolExhausted("all cool", trail=Trail([SKIP, ATTEMPT, SKIP]), ready_at=READY_AT)

    failures = unpacked(to_status(error, now=NOW), details_pb.QuotaFailure).violations

    assert [(failure.subject, failure.description) for failure in failures] == [("openai/gpt-4", "COOLING")] * 2


@pytest.mark.parametrize(
    "trail, pushed_back",
    [
        pytest.param(Trail([SKIP, ATTEMPT]), True, id="a provider was called"),
        pytest.param(Trail([SKIP]), False, id="only skips"),
        pytest.param(None, False, id="no trail"),
    ],
)
def test_a_call_that_spent_quota_is_not_to_be_retried_by_a_channel(trail: Trail | None, *, pushed_back: bool) -> None:
    error = NoAnswer("all failed", trail=trail)

    keys = [key for key, _ in trailers(error, to_status(error, now=NOW))]

    assert keys == [DETAILS_KEY, *([PUSHBACK_KEY] if pushed_back else [])]


def test_a_long_trail_loses_its_oldest_sentences_first_and_says_so() -> None:
    steps = [Skip(candidate=f"p/{n}", reason=SkipReason.COOLING, detail="x" * 300) for n in range(40)]
    error = NoAnswer("all failed", trail=Trail([*steps]))

    status = to_status(error, now=NOW)

    kept = unpacked(status, pb.Trail).steps
    assert status.ByteSize() <= DETAILS_BYTES
    assert len(kept) == 40
    assert kept[0].skip.detail == ""
    assert kept[-1].skip.detail == "x" * 300
    assert unpacked(status, details_pb.ErrorInfo).metadata["trimmed"] == "40 of 40 steps kept"


def test_a_very_long_trail_loses_its_oldest_steps_too() -> None:
    steps = [Skip(candidate=f"provider/model-{n}", reason=SkipReason.COOLING) for n in range(500)]
    error = NoAnswer("all failed", trail=Trail([*steps]))

    status = to_status(error, now=NOW)

    kept = unpacked(status, pb.Trail).steps
    assert status.ByteSize() <= DETAILS_BYTES
    assert kept[-1].skip.candidate == "provider/model-499"
    assert unpacked(status, details_pb.ErrorInfo).metadata["trimmed"] == f"{len(kept)} of 500 steps kept"


def test_many_wrong_fields_with_long_sentences_still_fit() -> None:
    wrong = [Violation(field=f"f{n}", reason="STOP_INVALID", message="잘" * 2_000) for n in range(100)]

    status = to_status(InvalidRequest(*wrong), now=NOW)

    assert status.ByteSize() <= DETAILS_BYTES
    assert unpacked(status, details_pb.BadRequest).field_violations[0].field == "f0"


def test_a_message_is_cut_by_what_it_takes_in_a_header() -> None:
    status = to_status(NoAnswer("잘" * 5_000), now=NOW)

    assert 9 * (len(status.message) - 1) <= table.MESSAGE_BYTES
    assert status.message.endswith("…")


@given(
    message=st.text(st.characters(), max_size=3_000),
    metadata=st.dictionaries(st.text(st.sampled_from("abc_"), min_size=1, max_size=8), st.text(st.characters())),
    details=st.lists(st.text(st.characters(), max_size=2_000), max_size=20),
)
def test_whatever_an_error_says_can_be_sent(message: str, metadata: dict[str, str], details: list[str]) -> None:
    steps = [Skip(candidate="a/b", reason=SkipReason.COOLING, detail=detail) for detail in details]
    error = PoolExhausted(message, trail=Trail([*steps]), ready_at=READY_AT)
    error.metadata = metadata
    error.verdict = VERDICT

    status = to_status(error, now=NOW)

    assert status.ByteSize() <= DETAILS_BYTES
    assert isinstance(from_call(received(error)), PoolExhausted)


@pytest.mark.parametrize(
    "code, kind",
    [
        pytest.param(grpc.StatusCode.UNAVAILABLE, ClassifierDown, id="nothing listens"),
        pytest.param(grpc.StatusCode.CANCELLED, ClassifierDown, id="it is stopping"),
        pytest.param(grpc.StatusCode.RESOURCE_EXHAUSTED, ClassifierDown, id="it is full"),
        pytest.param(grpc.StatusCode.DEADLINE_EXCEEDED, OutOfTime, id="it is late"),
        pytest.param(grpc.StatusCode.UNKNOWN, PointsmanError, id="it is broken"),
        pytest.param(grpc.StatusCode.UNIMPLEMENTED, PointsmanError, id="it is another version"),
    ],
)
def test_a_status_of_grpc_itself_is_read_by_its_code(code: grpc.StatusCode, kind: type[PointsmanError]) -> None:
    error = from_call(bare(code), target="127.0.0.1:50052", down=ClassifierDown)

    assert type(error) is kind
    assert error.metadata == {"target": "127.0.0.1:50052"}
    assert "gRPC says so" not in error.message


@pytest.mark.parametrize("trailing", [b"\xff\xff", b""], ids=["broken", "empty"])
def test_details_that_cannot_be_read_are_as_good_as_none(trailing: bytes) -> None:
    metadata = grpc.aio.Metadata((DETAILS_KEY, trailing))
    failed = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), metadata, details="x")

    assert isinstance(from_call(failed), ExecutorDown)
