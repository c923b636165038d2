from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum

import pytest

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.prompt import Role, ToolCall
from pointsman.domain.trail import Attempt, Outcome, Skip, SkipReason, Trail
from pointsman.domain.verdict import DecidedBy, DegradedReason, ModelHop, Verdict
from pointsman.rpc import convert
from pointsman.v1 import types_pb2 as pb

NOON = datetime(2026, 11, 22, 12, 0, 0, 250_000, tzinfo=UTC)

VERDICT = Verdict(
    category="coding",
    confidence=0.75,
    decided_by=DecidedBy.FUSION,
    model_hop=ModelHop.ANSWERED,
    probabilities=(("coding", 0.75), ("quick", 0.25)),
    classifier_version="e1/m1",
    cached=True,
    duration_s=0.0015,
    model_duration_s=0.12,
    degraded=(DegradedReason.MODEL_HOP_DOWN,),
)

ATTEMPT = Attempt(
    candidate="openai/gpt-4",
    outcome=Outcome.ANSWERED,
    started_at=NOON,
    duration_s=1.25,
    time_to_first_token_s=0.5,
    usage=Usage(input_tokens=10, cached_input_tokens=4, cache_write_tokens=2, output_tokens=7, reasoning_tokens=3),
    cost_usd=Decimal("0.000123"),
    wasted=False,
    local=True,
    fallback=True,
    simulated=True,
    provider_request_id="req-1",
    http_status=200,
    detail="said 4",
    retry_after_s=2.5,
    price_version="2026-11",
    ignored_options=("temperature",),
)

SKIP = Skip(candidate="moonshot/k2", reason=SkipReason.COOLING, ready_at=NOON, detail="cools for 3 s")


@pytest.mark.parametrize(
    "ours, theirs, names, prefix",
    [
        pytest.param(Role, pb.Role, convert.ROLES, "ROLE_", id="roles"),
        pytest.param(FinishReason, pb.FinishReason, convert.FINISH_REASONS, "FINISH_REASON_", id="finish reasons"),
        pytest.param(DecidedBy, pb.DecidedBy, convert.DECIDED_BY, "DECIDED_BY_", id="decided by"),
        pytest.param(ModelHop, pb.ModelHop, convert.MODEL_HOPS, "MODEL_HOP_", id="model hops"),
        pytest.param(Outcome, pb.Outcome, convert.OUTCOMES, "OUTCOME_", id="outcomes"),
        pytest.param(SkipReason, pb.SkipReason, convert.SKIP_REASONS, "SKIP_REASON_", id="skip reasons"),
        pytest.param(
            DegradedReason, pb.DegradedReason, convert.DEGRADED_REASONS, "DEGRADED_REASON_", id="degraded reasons"
        ),
    ],
)
def test_every_word_has_its_twin_in_the_contract_and_back(
    ours: type[StrEnum],
    theirs: "type[pb.Role]",
    names: "convert.Names[Role, pb.Role.ValueType]",
    prefix: str,
) -> None:
    in_contract = {name.removeprefix(prefix) for name in theirs.keys()}  # noqa: SIM118  # no dict, though it has keys

    assert in_contract - {"UNSPECIFIED"} == {member.name for member in ours}
    assert [names.from_pb(names.to_pb(member)) for member in ours] == list(ours)  # type: ignore[arg-type]  # any twin
    assert names.from_pb(0) is None


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(VERDICT, id="everything set"),
        pytest.param(
            Verdict(category="vision", confidence=1.0, decided_by=DecidedBy.RULE, model_hop=ModelHop.NOT_NEEDED),
            id="a rule decided",
        ),
        pytest.param(replace(VERDICT, duration_s=0.0, model_duration_s=0.0), id="in no time"),
    ],
)
def test_a_verdict_survives_the_wire(verdict: Verdict) -> None:
    verdict_pb = pb.Verdict.FromString(convert.verdict_to_pb(verdict).SerializeToString())

    assert convert.verdict_from_pb(verdict_pb, convert.degraded_to_pb(verdict.degraded)) == verdict
    assert verdict_pb.runner_up == verdict.runner_up


def test_a_trail_survives_the_wire_in_its_order() -> None:
    bare = Attempt(candidate="a/b", outcome=Outcome.NETWORK, started_at=NOON, duration_s=0.0)
    trail = Trail([SKIP, ATTEMPT, replace(SKIP, ready_at=None), bare])

    trail_pb = pb.Trail.FromString(convert.trail_to_pb(trail).SerializeToString())

    assert convert.trail_from_pb(trail_pb) == trail


def test_an_unknown_price_is_absent_and_not_zero() -> None:
    attempt_pb = pb.Attempt()
    convert.write_attempt(attempt_pb, replace(ATTEMPT, cost_usd=None))

    assert not attempt_pb.HasField("cost_usd")
    assert convert.attempt_from_pb(attempt_pb).cost_usd is None


def test_an_answer_survives_the_wire() -> None:
    answer = Answer(
        text="넷",
        finish_reason=FinishReason.TOOL_CALLS,
        tool_calls=(ToolCall(id="c1", name="add", arguments_json='{"a":2}'),),
    )

    assert convert.answer_from_pb(convert.answer_to_pb(answer)) == answer


def test_half_a_character_from_a_provider_does_not_lose_the_answer() -> None:
    answer = Answer(text="\ud83d smile", finish_reason=FinishReason.STOP)

    assert convert.answer_to_pb(answer).text == "? smile"


def test_words_of_a_newer_peer_are_read_as_the_safest_we_have() -> None:
    verdict_pb = pb.Verdict(category="coding", decided_by=99, model_hop=99)  # type: ignore[arg-type]  # as said
    trail_pb = pb.Trail(
        steps=[
            pb.TrailStep(skip=pb.Skip(candidate="a/b", reason=99)),  # type: ignore[arg-type]  # as said
            pb.TrailStep(attempt=pb.Attempt(candidate="a/b", outcome=99)),  # type: ignore[arg-type]  # as said
            pb.TrailStep(),
        ]
    )

    verdict = convert.verdict_from_pb(verdict_pb, [99])
    skip, attempt = convert.trail_from_pb(trail_pb).steps

    assert (verdict.decided_by, verdict.model_hop, verdict.degraded) == (DecidedBy.DEFAULT, ModelHop.FAILED, ())
    assert isinstance(skip, Skip)
    assert skip.reason is SkipReason.OUT_OF_SERVICE
    assert isinstance(attempt, Attempt)
    assert attempt.outcome is Outcome.SERVER_ERROR


@pytest.mark.parametrize("seconds", [0.0, 0.000000001, 0.4, 59.999999999, 86_400.5])
def test_a_duration_keeps_its_nanoseconds(seconds: float) -> None:
    assert convert.duration_from_pb(convert.duration_to_pb(seconds)) == pytest.approx(seconds, abs=1e-9)
