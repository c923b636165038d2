"""The Classifier as others see it: a real server, a real client, a scripted Ollama behind it."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeAlias

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # has .pyi files, but no py.typed
from grpc_status import rpc_status
from structlog.testing import capture_logs

from pointsman.classifier.app import run
from pointsman.config.settings import ClassifierSettings, LimitsSettings, OllamaSettings
from pointsman.domain.category import CATEGORIES
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.telemetry import facts
from pointsman.v1 import classifier_pb2, classifier_pb2_grpc, types_pb2
from tests.eval import corpus
from tests.fakes.ollama import FakeOllama
from tests.fakes.serving import lines_of

Request = classifier_pb2.ClassifyRequest
Stub: TypeAlias = "classifier_pb2_grpc.ClassifierServiceAsyncStub"  # only the .pyi has it
NOBODY = OllamaSettings(url="http://127.0.0.1:9", model="qwen2.5:1.5b-instruct")


@asynccontextmanager
async def classifier(settings: ClassifierSettings) -> AsyncIterator[Stub]:
    limits = LimitsSettings(text_bytes=10_000)
    async with (
        run(settings, limits, (*CATEGORIES, "legal"), clock=SystemClock()) as server,
        grpc.aio.insecure_channel(server.address, options=(("grpc.enable_http_proxy", 0),)) as channel,
    ):
        yield classifier_pb2_grpc.ClassifierServiceStub(channel)


def settings(mode: str = "embedded", ollama: OllamaSettings = NOBODY, accept: float = 0.8) -> ClassifierSettings:
    return ClassifierSettings(
        address="127.0.0.1:0",
        mode=mode,  # type: ignore[arg-type]  # one of three words
        accept_confidence=accept,
        ollama=ollama,
        grace_s=0.1,
    )


@pytest.fixture
async def embedded() -> AsyncIterator[Stub]:
    async with classifier(settings()) as stub:
        yield stub


@pytest.mark.parametrize(
    "request_pb, category, decided_by",
    [
        pytest.param(Request(text="2+2는?"), "quick", types_pb2.DECIDED_BY_EMBEDDED, id="a text"),
        pytest.param(Request(has_image=True), "vision", types_pb2.DECIDED_BY_RULE, id="an image alone"),
        pytest.param(Request(text="hi", category="legal"), "legal", types_pb2.DECIDED_BY_CALLER, id="a named category"),
    ],
)
async def test_a_valid_request_gets_a_verdict(
    embedded: Stub,
    request_pb: Request,
    category: str,
    decided_by: types_pb2.DecidedBy.ValueType,
) -> None:
    response = await embedded.Classify(request_pb, timeout=5)

    assert (response.verdict.category, response.verdict.decided_by) == (category, decided_by)
    assert list(response.degraded_reasons) == []


@pytest.mark.parametrize(
    "request_pb, reason, field",
    [
        pytest.param(Request(), "PROMPT_EMPTY", "text", id="nothing"),
        pytest.param(Request(text=" \n\t　"), "PROMPT_EMPTY", "text", id="only white space"),
        pytest.param(Request(text="hi", category="nope"), "CATEGORY_UNKNOWN", "category", id="unknown category"),
        pytest.param(Request(text="x" * 10_001), "PROMPT_TOO_LARGE", "text", id="over the limit"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(
    embedded: Stub, request_pb: Request, reason: str, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await embedded.Classify(request_pb, timeout=5)

    status = rpc_status.from_call(raised.value)  # type: ignore[arg-type]  # AioRpcError has what is read of a call
    assert status is not None
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert any(detail.Unpack(info) for detail in status.details)
    assert any(detail.Unpack(bad) for detail in status.details)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (info.reason, bad.field_violations[0].field) == (reason, field)


async def test_it_serves_before_ollama_has_loaded_the_model() -> None:
    async with FakeOllama().running() as ollama:
        ollama.may_load.clear()
        async with classifier(settings("cascade", OllamaSettings(url=ollama.url), accept=1.0)) as stub:
            response = await stub.Classify(Request(text="hello there"), timeout=5)

        assert response.verdict.decided_by == types_pb2.DECIDED_BY_EMBEDDED
        assert response.verdict.model_hop == types_pb2.MODEL_HOP_STARTING


@pytest.mark.parametrize(
    "mode, decided_by",
    [
        pytest.param("cascade", types_pb2.DECIDED_BY_FUSION, id="cascade: both together"),
        pytest.param("ollama", types_pb2.DECIDED_BY_MODEL, id="ollama: the model alone"),
    ],
)
async def test_a_loaded_model_is_heard(mode: str, decided_by: types_pb2.DecidedBy.ValueType) -> None:
    async with FakeOllama().running() as ollama:
        warm = OllamaSettings(url=ollama.url, timeout_s=5)
        with capture_logs(processors=[facts.merge]) as events:
            async with classifier(settings(mode, warm, accept=1.0)) as stub:
                while not any(event.get("state") == "ready" for event in events):
                    await stub.Classify(Request(has_image=True), timeout=5)
                response = await stub.Classify(Request(text="that other thing", context="hm"), timeout=5)

    assert (response.verdict.decided_by, response.verdict.model_hop) == (decided_by, types_pb2.MODEL_HOP_ANSWERED)
    assert response.verdict.HasField("model_duration")
    assert list(response.degraded_reasons) == []
    line = lines_of(events, "pointsman.v1.ClassifierService/Classify")[-1]
    assert line["model_duration_s"] == pytest.approx(response.verdict.model_duration.ToNanoseconds() / 1e9, abs=1e-6)
    assert (line["cached"], line["degraded"]) == (False, [])


async def test_in_mode_ollama_without_ollama_the_verdict_is_degraded() -> None:
    async with classifier(settings("ollama")) as stub:
        response = await stub.Classify(Request(text="hello there"), timeout=5)

    assert response.verdict.decided_by == types_pb2.DECIDED_BY_EMBEDDED
    assert list(response.degraded_reasons) == [types_pb2.DEGRADED_REASON_MODEL_HOP_DOWN]


async def test_an_equal_prompt_is_answered_from_memory(
    embedded: Stub,
) -> None:
    first = await embedded.Classify(Request(text="name three rivers"), timeout=5)

    again = await embedded.Classify(Request(text="  name three rivers\n"), timeout=5)

    assert (first.verdict.cached, again.verdict.cached) == (False, True)
    assert again.verdict.category == first.verdict.category


async def test_the_text_is_in_no_log_line(embedded: Stub) -> None:
    with capture_logs() as events:
        await embedded.Classify(Request(text="canary-7f3a please", context="canary-7f3b", request_id="r1"), timeout=5)

    assert "canary" not in repr(events)


async def test_a_window_too_small_for_the_instructions_stops_the_start() -> None:
    small = settings("cascade", OllamaSettings(num_ctx=1024))

    with pytest.raises(SettingsError, match=r"classifier\.ollama\.num_ctx"):
        async with classifier(small):
            pass


@pytest.mark.parametrize("mode", ["cascade", "ollama"])
async def test_with_ollama_stopped_each_of_a_thousand_prompts_gets_a_verdict(mode: str) -> None:
    texts = list(dict.fromkeys(row.text.strip()[:3_000] for row in corpus.training() if not row.has_image))[:1_000]
    async with AsyncExitStack() as while_ollama_runs, AsyncExitStack() as service:
        ollama = await while_ollama_runs.enter_async_context(FakeOllama().running())
        warm = settings(mode, OllamaSettings(url=ollama.url, timeout_s=5), accept=1.0)
        with capture_logs() as events:
            stub = await service.enter_async_context(classifier(warm))
            while not any(event.get("state") == "ready" for event in events):
                await stub.Classify(Request(has_image=True), timeout=5)
        before = await stub.Classify(Request(text="is it there?"), timeout=10)
        await while_ollama_runs.aclose()
        verdicts = [(await stub.Classify(Request(text=text), timeout=10)).verdict for text in texts]

    assert before.verdict.model_hop == types_pb2.MODEL_HOP_ANSWERED
    assert len(verdicts) == 1_000
    assert {verdict.decided_by for verdict in verdicts} == {types_pb2.DECIDED_BY_EMBEDDED}
    assert all(sum(one.probability for one in verdict.probabilities) == pytest.approx(1) for verdict in verdicts)
    hops = Counter(verdict.model_hop for verdict in verdicts)
    assert set(hops) <= {types_pb2.MODEL_HOP_FAILED, types_pb2.MODEL_HOP_STARTING, types_pb2.MODEL_HOP_COOLING}
    assert hops[types_pb2.MODEL_HOP_FAILED] <= warm.ollama.breaker_failures
