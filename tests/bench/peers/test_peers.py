"""What `make bench-peers` computes and how it asks; the peers themselves are no part of the tests."""

import asyncio
from pathlib import Path

import pytest

from pointsman.config import load as load_settings
from tests.bench.instant import ANSWER, Instant
from tests.bench.peers import tables
from tests.bench.peers.asking import Http
from tests.bench.peers.course import Pace, measure
from tests.bench.peers.figures import MANY, Meter, Results, compared, falls_short, row
from tests.bench.peers.gateways import (
    CATEGORIES,
    ECHO,
    LITELLM,
    LOOP,
    ONE,
    PORTKEY_GATEWAY,
    PROVIDER,
    RULED,
    TENSORZERO,
    THREE,
    pointsman_settings,
)
from tests.bench.peers.load import Slice, Took, prompt, run

SERVED_AT = {"router": "127.0.0.1:1", "classifier": "127.0.0.1:2", "executor": "127.0.0.1:3"}


def results(**cpu_us: float) -> Results:
    """Return figures in which everything holds, with other CPU microseconds where they are named."""
    known = {
        "provider": (PROVIDER.title, 20.0),
        "echo": (ECHO.title, 118.0),
        "three": (THREE.title, 1_000.0),
        "three_ruled": (THREE.title + RULED, 1_500.0),
        "one": (ONE.title, 400.0),
        "one_ruled": (ONE.title + RULED, 500.0),
        "litellm": (LITELLM.title, 7_900.0),
        "portkey": (PORTKEY_GATEWAY.title, 630.0),
        "tensorzero": (TENSORZERO.title, 200.0),
    }
    found: Results = {}
    for name, (title, holds_us) in known.items():
        used_us = cpu_us.get(name, holds_us)
        meters = {callers: Meter() for callers in (1, MANY)}
        for meter in meters.values():
            meter.add(Took(durations_s=[used_us / 1e6], errors=0, wall_s=1.0), used_us / 1e6)
        found[title] = row(meters, startup_s=1.0, rss_mib=50.0)
    compared(found)
    return found


def test_figures_that_hold_fall_short_of_nothing() -> None:
    assert [*falls_short(results())] == []


@pytest.mark.parametrize(
    "slow, used_us, sentence",
    [
        ("three_ruled", 1_700.0, "588 requests a core-second, promised 600"),
        ("three_ruled", 3_100.0, "adds 3.08 ms at one caller, promised 3.0"),
        ("one_ruled", 600.0, "1,667 requests a core-second, promised 1,700"),
        ("one", 800.0, "9.88 × the requests of LiteLLM"),
        ("one", 640.0, "0.98 × the requests of Portkey"),
        ("one", 620.0, "0.32 × the requests of TensorZero"),
    ],
)
def test_a_promise_that_does_not_hold_is_named(slow: str, used_us: float, sentence: str) -> None:
    assert [said for said in falls_short(results(**{slow: used_us})) if sentence in said] != []


def test_a_peer_that_is_not_there_is_not_judged() -> None:
    found = results(one=10_000.0)
    del found[LITELLM.title], found[PORTKEY_GATEWAY.title], found[TENSORZERO.title]

    assert [*falls_short(found)] == []


def test_a_call_that_pointsman_does_not_answer_rightly_is_named() -> None:
    found = results()
    found[ONE.title]["errors"] = 2.0

    assert [*falls_short(found)] == [f"{ONE.title}: 2 calls were not answered rightly"]


def test_no_two_prompts_are_alike() -> None:
    prompts = {prompt(series, number) for series in ("one", "other") for number in range(1_000)}

    assert len(prompts) == 2_000


def test_the_settings_are_read_and_every_category_has_both_models(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.toml"
    file.write_text(pointsman_settings("http://127.0.0.1:9/v1", SERVED_AT, tmp_path / "journal.sqlite"))

    settings = load_settings(file, environ={})

    assert {pool.candidates for pool in settings.pools.values()} == {("preferred", "second")}
    assert settings.pools.keys() == set(CATEGORIES)
    assert settings.router.executor_address == SERVED_AT["executor"]


@pytest.mark.parametrize("callers, asked", [(1, "alone"), (5, "together")])
async def test_the_load_counts_the_answers_of_the_provider(callers: int, asked: str) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Instant(0.0), "127.0.0.1", 0)
    async with server:
        way = Http(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, "model")

        took = await run(way, Slice(callers=callers, seconds=0.02, series=asked))
        way.close()

    assert took.errors == 0
    assert len(took.durations_s) >= callers


async def test_another_answer_than_the_providers_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 Oh\r\ncontent-length: 6\r\n\r\n" + ANSWER.encode())
        writer.close()

    async with await asyncio.start_server(other, "127.0.0.1", 0) as server:
        way = Http(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, "model")

        took = await run(way, Slice(callers=1, seconds=0.01, series="wrong"))
        way.close()

    assert took.errors > 0
    assert took.durations_s == []
    assert "another answer" in capfd.readouterr().err


@pytest.mark.timeout(240)  # five processes start
async def test_a_run_without_peers_fills_every_row() -> None:
    course = await measure((PROVIDER, ECHO, LOOP, ONE), Pace(rounds=1, seconds=0.2, warm_up_calls=1))

    assert [*course.results] == [PROVIDER.title, ECHO.title, LOOP.title, ONE.title, ONE.title + RULED]
    assert [figures["errors"] for figures in course.results.values()] == [0.0] * 5
    assert course.results[ONE.title]["cpu_us_64"] > course.results[ECHO.title]["cpu_us_64"]


def test_the_table_of_the_readme_is_rewritten_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")

    tables.rewrite(readme, tables.markdown_of(results(), dict.fromkeys(results(), "all"), "About it."))

    text = readme.read_text()
    assert text.startswith(f"before\n{tables.BEGIN}\nAbout it.\n\n| ")
    assert text.endswith(f"| all |\n{tables.END}\nafter\n")


def test_a_readme_without_marks_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing of the kind")

    with pytest.raises(ValueError, match="bench-peers"):
        tables.rewrite(readme, "table")
