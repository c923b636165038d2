"""What is seen of a run is read as it was written: books that outlive their process, journals, clocks set wrong."""

import asyncio
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from pointsman.domain.trail import Outcome
from pointsman.simulator.tally import Sighting
from tests.chaos import world
from tests.chaos.book import Book, read
from tests.chaos.load import draw
from tests.chaos.watch import Watch, limits_of

BEGUN = Sighting(kind="openai", model="gpt", id="a" * 24, is_over=False)
ENDED = replace(
    BEGUN,
    is_over=True,
    outcome=Outcome.ANSWERED,
    input_tokens=3,
    output_tokens=4,
    cost_usd=Decimal("0.0000001"),
)


def test_a_book_pairs_what_began_with_what_ended_and_keeps_what_did_not(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.openai.1")
    for sighting in (BEGUN, replace(BEGUN, id="b" * 24), ENDED):
        book.write(sighting)

    first, second = read([tmp_path / "book.openai.1", tmp_path / "not.there"])

    assert (first.id, first.outcome, first.input_tokens, first.cost_usd) == (
        "a" * 24, Outcome.ANSWERED, 3, Decimal("0.0000001"),
    )  # fmt: skip
    assert (second.id, second.ended, second.outcome) == ("b" * 24, None, None)
    assert first.ended is not None
    assert first.began <= first.ended


def test_calls_without_an_id_are_paired_in_their_order(tmp_path: Path) -> None:
    book, nameless = Book(tmp_path / "book"), replace(BEGUN, id="")
    for sighting in (nameless, nameless, replace(ENDED, id="")):
        book.write(sighting)

    assert [call.outcome for call in read([tmp_path / "book"])] == [Outcome.ANSWERED, None]


@pytest.mark.parametrize("offset_s", [-7_200.0, 90.0])
def test_a_clock_is_wrong_by_what_its_file_says_and_durations_are_not(tmp_path: Path, offset_s: float) -> None:
    code = (
        "import sys; from pathlib import Path; from pointsman.domain.clock import SystemClock\n"
        "from tests.chaos.service import follow, set_clock\n"
        "clock, path = SystemClock(), Path(sys.argv[1]); set_clock(path, 0.0); follow(path)\n"
        "began, before = clock.now(), clock.monotonic(); set_clock(path, float(sys.argv[2]))\n"
        "print(round((clock.now() - began).total_seconds()), round(clock.monotonic() - before))"
    )

    words = [sys.executable, "-c", code, str(tmp_path / "clock"), str(offset_s)]
    said = subprocess.run(words, capture_output=True, check=True, text=True, cwd=Path(__file__).parents[2])

    assert said.stdout.split() == [str(round(offset_s)), "0"]


def test_each_provider_is_a_world_of_its_own_with_the_limits_of_the_settings() -> None:
    limits = {
        kind: [limit.amount for model in world.scenario(kind).providers[0].models for limit in model.limits]
        for kind in world.kinds()
    }

    assert limits == {"anthropic": [60], "gemini": [50], "openai": [50], "deepseek": [3], "moonshot": []}
    assert [limit.amount for limit in world.scenario("moonshot").providers[0].limits] == [40]
    assert {model.id for model in world.scenario(world.OLLAMA).local.models} >= {"qwen2.5:14b-instruct-q8_0"}


def test_the_windows_that_are_watched_are_those_of_the_settings() -> None:
    watched = limits_of(world.settings())

    assert watched["provider:moonshot", "requests|60"] == 40
    assert watched["model:deepseek/deepseek-v4-pro", "concurrency|-1"] == 3


def test_a_seed_asks_the_same_again() -> None:
    one, other = Random(3), Random(3)

    assert [draw(number, one, rate=5.0) for number in range(50)] == [
        draw(number, other, rate=5.0) for number in range(50)
    ]


async def test_a_machine_that_has_no_time_is_noticed() -> None:
    watch = Watch({}, "redis://127.0.0.1:1/0", {})
    watching = asyncio.ensure_future(watch.keep_time())
    await asyncio.sleep(0)
    began = datetime.now(UTC)
    while datetime.now(UTC) - began < timedelta(seconds=0.3):
        pass  # the loop is kept from what is due
    await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.wait([watching])

    assert max(stall.lasted_s for stall in watch.stalls) >= 0.1
