"""The simulator and the real adapters understand each other: real wire bytes on a virtual clock."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest

from pointsman.config.settings import ProviderSettings
from pointsman.domain.answer import Delta
from pointsman.domain.pool import Candidate
from pointsman.domain.prompt import Image, Message, Part, Prompt, Request, Role, Text
from pointsman.domain.secret import Secret
from pointsman.domain.trail import Outcome
from pointsman.executor import catalog
from pointsman.executor.adapters.base import Adapter, Call, Opening, Reply
from pointsman.executor.adapters.registry import make_adapter
from pointsman.simulator.faults import Fault
from pointsman.simulator.prompts import sunrise_png
from pointsman.simulator.scenario import Scenario
from pointsman.simulator.scenarios import BUSY_HOUR, CALM, INSTANT
from pointsman.simulator.simulation import Simulation
from pointsman.simulator.transport import SimulatorTransport
from pointsman.simulator.virtual_time import VirtualClock, run_virtual

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MODELS = {
    "openai": "gpt-6.2-sol",
    "deepseek": "deepseek-v4-pro",
    "moonshot": "kimi-k3.1-pro",
    "anthropic": "claude-opus-5-5",
    "gemini": "gemini-3.8-flash",
    "ollama": "qwen2.5:14b-instruct-q8_0",
}
PROVIDERS = [kind for kind in MODELS if kind != "ollama"]
SAME_EVERYWHERE = {
    Fault.OVERLOADED: Outcome.OVERLOADED,
    Fault.SERVER_ERROR: Outcome.SERVER_ERROR,
    Fault.SERVER_ERROR_HTML: Outcome.SERVER_ERROR,
    Fault.BAD_GATEWAY_EMPTY: Outcome.SERVER_ERROR,
    Fault.OK_HTML: Outcome.SERVER_ERROR,
    Fault.OK_EMPTY: Outcome.SERVER_ERROR,
    Fault.OK_ERROR_INSIDE: Outcome.SERVER_ERROR,
    Fault.RESET: Outcome.NETWORK,
    Fault.SILENCE: Outcome.TIMED_OUT,
}
SAME_AT_PROVIDERS = {
    Fault.BILLING: Outcome.BILLING,
    Fault.CONTENT_BLOCKED: Outcome.CONTENT_BLOCKED,
    Fault.BAD_KEY: Outcome.UNAUTHORIZED,
    Fault.OUTPUT_ALL_REASONING: Outcome.ANSWERED,
}


T = TypeVar("T")


def replies(
    kind: str,
    *,
    scenario: Scenario = INSTANT,
    faults: tuple[Fault, ...] = (),
    calls: int = 1,
    image: bytes = b"",
) -> list[Reply]:
    """Return what the real adapter makes of that many calls."""
    return _asked(kind, lambda adapter: adapter.call(_call(kind, image)), scenario, faults, calls)


def streams(
    kind: str, *, scenario: Scenario = INSTANT, faults: tuple[Fault, ...] = (), calls: int = 1
) -> list[list[Opening | Delta | Reply]]:
    """Return what the real adapter makes of that many streams."""

    async def listen(adapter: Adapter) -> list[Opening | Delta | Reply]:
        return [step async for step in adapter.stream(_call(kind, b""))]

    return _asked(kind, listen, scenario, faults, calls)


def _asked(
    kind: str, ask: Callable[[Adapter], Awaitable[T]], scenario: Scenario, faults: tuple[Fault, ...], calls: int
) -> list[T]:
    async def main(clock: VirtualClock) -> list[T]:
        world = Simulation(scenario, clock=clock, seed=1)
        for fault in faults:
            world.script(MODELS[kind], fault)
        provider = ProviderSettings(wire=kind, base_url=world.base_urls[kind])  # type: ignore[arg-type]  # a literal
        adapter = make_adapter(
            provider,
            api_key=Secret("key"),
            clock=clock,
            connections=1,
            connect_timeout_s=1.0,
            transport=SimulatorTransport(world),
        )
        made = [await ask(adapter) for _ in range(calls)]
        await adapter.close()
        return made

    return run_virtual(main, start=START)


def _call(kind: str, image: bytes) -> Call:
    model = catalog.model(kind, MODELS[kind])
    assert model is not None
    parts: tuple[Part, ...] = (Text(text="What is this?"),)
    if image:
        parts = (Image(content=image, mime_type="image/png"), *parts)
    return Call(
        candidate=Candidate(
            id=f"{kind}/it",
            provider=kind,
            model=model,
            local=kind == "ollama",
            api_key_env="",
            scopes=(),
            quota_scope="",
            default_output_tokens=900,
        ),
        request=Request(prompt=Prompt(messages=(Message(role=Role.USER, parts=parts),))),
        max_output_tokens=900,
        timeout_s=30.0,
    )


@pytest.mark.parametrize("kind", list(MODELS))
def test_an_answer_is_understood_with_its_usage_and_that_it_is_simulated(kind: str) -> None:
    (reply,) = replies(kind)

    assert reply.outcome is Outcome.ANSWERED
    assert reply.simulated
    assert reply.answer is not None
    assert reply.answer.text.startswith(f"[simulated {MODELS[kind]}]")
    assert reply.usage is not None
    assert reply.usage.input_tokens > 0
    assert reply.usage.output_tokens > 0


@pytest.mark.parametrize("kind", ["openai", "moonshot", "anthropic", "gemini"])
def test_an_image_arrives(kind: str) -> None:
    (reply,) = replies(kind, image=sunrise_png())

    assert reply.outcome is Outcome.ANSWERED
    assert reply.usage is not None
    assert reply.usage.input_tokens > 1_000


@pytest.mark.parametrize("fault", list(SAME_EVERYWHERE), ids=str)
@pytest.mark.parametrize("kind", list(MODELS))
def test_a_fault_ends_as_what_it_means(kind: str, fault: Fault) -> None:
    (reply,) = replies(kind, faults=(fault,))

    assert reply.outcome is SAME_EVERYWHERE[fault]


@pytest.mark.parametrize("fault", list(SAME_AT_PROVIDERS), ids=str)
@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_fault_of_providers_ends_as_what_it_means(kind: str, fault: Fault) -> None:
    (reply,) = replies(kind, faults=(fault,))

    assert reply.outcome is SAME_AT_PROVIDERS[fault]


@pytest.mark.parametrize(
    "kind, after_calls, outcome, wait_s",
    [
        pytest.param("openai", 10, Outcome.RATE_LIMITED, 6.0, id="openai: a bucket of ten a minute"),
        pytest.param("anthropic", 5, Outcome.RATE_LIMITED, 12.0, id="anthropic: a bucket of five a minute"),
        pytest.param("gemini", 10, Outcome.RATE_LIMITED, 17.0, id="gemini: until 17 s past the minute"),
        pytest.param("moonshot", 20, Outcome.RATE_LIMITED, 60.0, id="moonshot: a sliding minute"),
    ],
)
def test_the_call_over_the_limit_is_limited_with_the_wait_that_the_algorithm_gives(
    kind: str, after_calls: int, outcome: Outcome, wait_s: float
) -> None:
    *before, last = replies(kind, scenario=BUSY_HOUR.without_waiting(), calls=after_calls + 1)

    assert {reply.outcome for reply in before} == {Outcome.ANSWERED}
    assert last.outcome is outcome
    assert last.retry_after_s == pytest.approx(wait_s, abs=0.5)


def test_the_end_of_geminis_day_is_midnight_in_california() -> None:
    (reply,) = replies("gemini", faults=(Fault.DAILY_QUOTA,))

    assert reply.outcome is Outcome.DAILY_QUOTA
    assert reply.out_until == START + timedelta(hours=23)


CACHED = replace(
    INSTANT,
    providers=tuple(
        replace(provider, models=tuple(replace(model, cached_share=0.5) for model in provider.models))
        for provider in INSTANT.providers
    ),
)


@pytest.mark.parametrize("scenario", [INSTANT, CALM, CACHED], ids=["at once", "over time", "half of it cached"])
@pytest.mark.parametrize("kind", list(MODELS))
def test_a_streamed_answer_is_the_whole_answer_in_pieces(kind: str, scenario: Scenario) -> None:
    (whole,) = replies(kind, scenario=scenario)
    ((opening, *deltas, reply),) = streams(kind, scenario=scenario)

    assert opening == Opening(model=MODELS[kind], simulated=True)
    assert len(deltas) > 1
    assert whole.answer is not None
    assert "".join(delta.text for delta in deltas if isinstance(delta, Delta)) == whole.answer.text
    assert isinstance(reply, Reply)
    assert _lasting(reply) == _lasting(replace(whole, answer=replace(whole.answer, text="")))


def _lasting(reply: Reply) -> Reply:
    """Return the reply without what depends on how long the answer took."""
    return replace(reply, durations_s=(), stated=())


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_quotas_that_are_stated_with_a_stream_are_read(kind: str) -> None:
    ((*_, reply),) = streams(kind, scenario=BUSY_HOUR.without_waiting())

    assert isinstance(reply, Reply)
    assert reply.outcome is Outcome.ANSWERED
    assert reply.stated


@pytest.mark.parametrize("fault", list(SAME_EVERYWHERE), ids=str)
@pytest.mark.parametrize("kind", list(MODELS))
def test_a_fault_of_a_stream_ends_as_what_it_means(kind: str, fault: Fault) -> None:
    ((*deltas, reply),) = streams(kind, faults=(fault,))

    assert isinstance(reply, Reply)
    assert (deltas, reply.outcome) == ([], SAME_EVERYWHERE[fault])


@pytest.mark.parametrize("fault", list(SAME_AT_PROVIDERS), ids=str)
@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_fault_of_a_providers_stream_ends_as_what_it_means(kind: str, fault: Fault) -> None:
    (whole,) = replies(kind, faults=(fault,))
    ((*deltas, reply),) = streams(kind, faults=(fault,))

    assert isinstance(reply, Reply)
    assert (deltas, reply.outcome) == ([], SAME_AT_PROVIDERS[fault])
    assert reply == whole


def test_a_stream_over_the_limit_is_limited_as_a_call_is() -> None:
    *before, last = streams("openai", scenario=BUSY_HOUR.without_waiting(), calls=11)

    assert {steps[-1].outcome for steps in before if isinstance(steps[-1], Reply)} == {Outcome.ANSWERED}
    (reply,) = last
    assert isinstance(reply, Reply)
    assert reply.outcome is Outcome.RATE_LIMITED
    assert reply.retry_after_s == pytest.approx(6.0, abs=0.5)
