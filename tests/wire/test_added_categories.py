"""A category that settings add, from the file to the answer: the real stack over simulated providers."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.config.settings import OllamaSettings, PoolSettings
from pointsman.domain.category import CATEGORIES
from pointsman.domain.clock import SystemClock
from pointsman.v1 import types_pb2
from pointsman_client import Client
from tests.fakes.categories import LEGAL, OF_LEGAL
from tests.fakes.hops import running
from tests.fakes.ollama import FakeOllama

SAYS_LEGAL: Mapping[str, float] = {" legal": 0.9, " quick": 0.05, " reasoning": 0.03}
VAGUE = "the paragraph from before"


@pytest.fixture
def with_legal(settings: Settings) -> Settings:
    """The settings of the other tests, with one more category and its pool."""
    pools = {**settings.pools, "legal": PoolSettings(candidates=("deepseek/deepseek-coder",))}
    return replace(settings, pools=pools, classifier=replace(settings.classifier, categories={"legal": LEGAL}))


@pytest.fixture
async def legal_stack(with_legal: Settings) -> AsyncIterator[Stack]:
    """The three services under those settings; the embedded classifier rules alone."""
    async with running(with_legal, clock=SystemClock()) as stack:
        yield stack


@pytest.mark.parametrize("text", OF_LEGAL)
async def test_a_prompt_of_an_added_category_is_answered_by_its_pool(legal_stack: Stack, text: str) -> None:
    async with Client(legal_stack.router.address) as client:
        answer = await client.route(text)

    assert answer.category == "legal"
    assert answer.response.candidate == "deepseek/deepseek-coder"
    assert not answer.degraded
    probabilities = {one.category: one.probability for one in answer.response.verdict.probabilities}
    assert set(probabilities) == {*CATEGORIES, "legal"}
    assert sum(probabilities.values()) == pytest.approx(1)


async def test_the_five_go_where_they_went(legal_stack: Stack) -> None:
    async with Client(legal_stack.router.address) as client:
        answer = await client.route("Write a Python function that merges two sorted lists.")

    assert answer.category == "coding"


async def test_an_added_category_can_be_named_by_the_caller(legal_stack: Stack) -> None:
    async with Client(legal_stack.router.address) as client:
        answer = await client.route("hello", category="legal")

    assert answer.response.verdict.decided_by == types_pb2.DECIDED_BY_CALLER
    assert answer.response.candidate == "deepseek/deepseek-coder"


async def test_the_small_model_reads_the_description_and_may_answer_with_the_name(with_legal: Settings) -> None:
    async with FakeOllama(first_token=SAYS_LEGAL).running() as ollama:
        warm = OllamaSettings(url=ollama.url, timeout_s=5)
        asking = replace(with_legal.classifier, mode="ollama", ollama=warm)
        with capture_logs() as events:
            async with (
                running(replace(with_legal, classifier=asking), clock=SystemClock()) as stack,
                Client(stack.router.address) as client,
            ):
                while not any(event.get("state") == "ready" for event in events):
                    await client.route("hello", category="quick")
                answer = await client.route(VAGUE)

    assert (answer.category, answer.response.verdict.decided_by) == ("legal", types_pb2.DECIDED_BY_MODEL)
    assert answer.response.verdict.classifier_version.endswith("-uncalibrated")
    assert f"legal: {LEGAL.description}" in str(ollama.questions[-1].body["prompt"])
