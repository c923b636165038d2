"""What every reply is stamped with, whatever it says."""

from dataclasses import fields
from datetime import timedelta

import pytest

from pointsman.domain.answer import Answer, FinishReason, Usage
from pointsman.domain.pool import Unit
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import replies
from pointsman.executor.adapters.base import HttpResponse, Reply, StatedQuota
from tests.fakes.clock import START

BY_HEADERS = StatedQuota(unit=Unit.TOKENS, limit=7)
BY_WORDS = StatedQuota(unit=Unit.REQUESTS, limit=3, period=timedelta(minutes=1))
FULL = Reply(
    outcome=Outcome.RATE_LIMITED,
    answer=Answer(text="x", finish_reason=FinishReason.STOP),
    usage=Usage(input_tokens=1, output_tokens=2),
    stated=(BY_WORDS,),
    retry_after_s=7.0,
    out_until=START,
    detail="A limit is reached.",
    durations_s=(("ollama.load", 1.0),),
    repeat_means_billing=True,
    rose_too_fast=True,
)
STAMPED = {"stated", "model", "provider_request_id", "http_status", "simulated", "ignored_options"}
KEPT = [field.name for field in fields(Reply) if field.name not in STAMPED]


def test_what_a_reply_says_stays() -> None:
    stamped = replies.stamped(FULL, HttpResponse(status=429))

    assert [name for name in KEPT if getattr(stamped, name) != getattr(FULL, name)] == []


def test_the_reply_that_is_tried_says_all_that_a_reply_can_say() -> None:
    empty = Reply(outcome=Outcome.ANSWERED)

    assert [name for name in KEPT if getattr(FULL, name) == getattr(empty, name)] == []


def test_what_the_response_says_is_added() -> None:
    response = HttpResponse(status=429, headers={"x-pointsman-simulated": "1"})
    stamped = replies.stamped(FULL, response, model="m1", id_="req_1", stated=(BY_HEADERS,), ignored=("stop",))

    assert stamped.stated == (BY_HEADERS, BY_WORDS)
    assert (stamped.model, stamped.provider_request_id, stamped.http_status) == ("m1", "req_1", 429)
    assert (stamped.simulated, stamped.ignored_options) == (True, ("stop",))


@pytest.mark.parametrize(
    "name, passed_on",
    [
        pytest.param("gpt", "gpt", id="plain"),
        pytest.param("х" * 200, "х" * 200, id="as long as may be"),  # noqa: RUF001 - two bytes each
        pytest.param("g" * 201, "g" * 200, id="too long"),
        pytest.param("g\ud83d", "g?", id="half a character"),
    ],
)
def test_a_name_is_passed_on_short_and_in_whole_characters(name: str, passed_on: str) -> None:
    assert replies.short(name) == passed_on
