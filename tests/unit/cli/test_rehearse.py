from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.cli.failure import Misuse
from pointsman.cli.rehearsal_hosts import hosts
from pointsman.cli.rehearsal_parts import RUN_IN_S, parts, work_s
from pointsman.cli.rehearsal_run import Rehearsal
from pointsman.cli.rehearsal_table import name_of, plain, when
from pointsman.cli.rehearsal_tally import Bound, Line, Tally
from pointsman.cli.rehearsal_traffic import Coming, Invented, sized
from pointsman.cli.rehearse import START, Wanted, falls_short, figures, notes, traffic_of
from pointsman.config import Settings, load
from pointsman.config.settings import QuotaSettings
from pointsman.domain.trail import SkipReason
from pointsman.executor.pools import candidates

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(REFERENCE, environ={})


def rehearsed(settings: Settings, coming: list[Coming], *, lazily: bool = True) -> Tally:
    world = hosts(settings, candidates(settings), seed=1)
    tally = Rehearsal(settings, world, start=START, at_s=0.0, seed=1, lazily=lazily).run(coming, counted_from=0.0)
    tally.days = 1.0
    return tally


def with_flash_limit(settings: Settings, **quota: int) -> Settings:
    limited = QuotaSettings(**quota)  # type: ignore[arg-type]  # limits only
    return replace(settings, groups=settings.groups | {"gemini-flash": limited})


def quick(at_s: float, *, output_tokens: int = 20, has_image: bool = False) -> Coming:
    category = "vision" if has_image else "quick"
    return at_s, sized(category, text_bytes=400, has_image=has_image, output_tokens=output_tokens)


def test_the_preferred_candidate_answers_while_its_limit_allows(reference: Settings) -> None:
    tally = rehearsed(with_flash_limit(reference, requests_per_minute=2), [quick(at) for at in (1.0, 2.0, 3.0, 90.0)])

    assert tally.lines["gemini/gemini-flash"].answered == 3
    assert tally.lines["anthropic/claude-haiku"].answered == 1
    assert tally.lines["gemini/gemini-flash"].skipped == {SkipReason.OUT_OF_QUOTA: 1}
    assert list(tally.bound_at) == [Bound("group:gemini-flash", "requests", 60.0, 2)]
    assert tally.figures()["calls_per_request"] == 1


def test_recorded_answers_cost_what_their_tokens_cost(reference: Settings) -> None:
    coming = [(0.0, sized("quick", text_bytes=1, has_image=False, input_tokens=1_000_000, output_tokens=1_000))]

    tally = rehearsed(reference, coming)

    assert tally.cost_usd == pytest.approx(0.75 + 0.00375)


def test_who_finds_nobody_waits_for_the_local_model_and_is_lost_without_one(reference: Settings) -> None:
    local_only = replace(
        reference, pools={"quick": replace(reference.pools["quick"], candidates=("gemini/gemini-flash",))}
    )
    scarce = with_flash_limit(local_only, requests_per_day=1)
    alone = replace(scarce, fallback=replace(scarce.fallback, candidate=""))
    coming = [quick(at) for at in (0.0, 5.0, 6.0)]

    helped, lost = rehearsed(scarce, coming), rehearsed(alone, coming)

    assert (helped.by_fallback, helped.lost) == (2, 0)
    assert (lost.by_fallback, lost.lost) == (0, 2)
    assert falls_short(helped) == []
    assert falls_short(lost) == ["2 of 3 requests found nobody to answer them"]


def test_images_go_to_who_sees_them(reference: Settings) -> None:
    tally = rehearsed(
        with_flash_limit(reference, requests_per_day=1), [quick(0.0, has_image=True), quick(1.0, has_image=True)]
    )

    assert tally.lines["gemini/gemini-vision"].answered == 1
    assert tally.lines["anthropic/claude-vision"].answered == 1


def test_planning_only_as_far_as_needed_gives_the_same_as_the_whole_plan(reference: Settings) -> None:
    settings = with_flash_limit(reference, requests_per_minute=3)
    coming = [*Invented(rps=0.3, mix={"quick": 1, "vision": 1, "coding": 1}, days=1, seed=1).between(36_000, 37_800)]

    assert rehearsed(settings, coming) == rehearsed(settings, coming, lazily=False)


def test_patience_and_preference_come_from_the_real_plan(reference: Settings) -> None:
    scarce = with_flash_limit(reference, requests_per_minute=1)
    patient = replace(scarce, pools={"quick": replace(scarce.pools["quick"], patience_s=90.0)})
    cheapest = replace(reference, pools={"quick": replace(reference.pools["quick"], policy="cheapest")})

    waiting, cheap = rehearsed(patient, [quick(0.0), quick(1.0)]), rehearsed(cheapest, [quick(0.0)])

    assert waiting.lines["gemini/gemini-flash"].answered == 2
    assert waiting.p95_s > 50
    assert cheap.lines["anthropic/claude-haiku"].answered == 1


def test_invented_traffic_has_its_rate_its_mix_and_is_the_same_for_the_same_seed() -> None:
    traffic = Invented(rps=0.2, mix={"quick": 3, "coding": 1}, days=2, seed=7)

    coming = [*traffic.between(0, 2 * 86_400)]

    assert len(coming) == pytest.approx(0.2 * 2 * 86_400, rel=0.05)
    assert sum(asked.category == "quick" for _, asked in coming) / len(coming) == pytest.approx(0.75, abs=0.02)
    instants = [at for at, _ in coming]
    assert instants == sorted(instants)
    assert [at for at, _ in traffic.between(86_400, 90_000)] == [at for at in instants if 86_400 <= at < 90_000]


def test_long_rehearsals_are_two_halves_and_the_second_warms_up(reference: Settings) -> None:
    traffic = Invented(rps=1, mix={"quick": 1}, days=5, seed=1)

    first, second = parts(reference, traffic, start=START, seed=1)

    assert (first.since_s, first.counted_from_s, first.until_s) == (0, 0, 3 * 86_400)
    assert (second.since_s, second.counted_from_s, second.until_s) == (3 * 86_400 - RUN_IN_S, 3 * 86_400, 5 * 86_400)
    assert work_s([first, second]) == 5 * 86_400 + RUN_IN_S


def test_sums_of_parts_are_those_of_the_whole(reference: Settings) -> None:
    one, other = (rehearsed(reference, [quick(at) for at in instants]) for instants in ((0.0, 1.0), (5_000.0,)))

    both = one + other

    assert (both.days, both.requests, both.calls) == (2.0, 3, 3)
    assert both.lines["gemini/gemini-flash"].answered_at == [2, 0, 0, 0, 0, 1] + [0] * 90
    assert both.duration_s == one.duration_s + other.duration_s


def test_scripts_read_totals_candidates_and_limits() -> None:
    tally = Tally(days=2, lines={"a/one": Line(answered=3, calls=4, wasted=1, cost_usd=0.5)}, lost=1)
    tally.bind(Bound("model:a/one", "concurrency", 0.0, 5), 61)

    read = figures(tally)

    assert read["requests"] == 4
    assert read["cost_usd_a_month"] == 7.5
    assert read["candidates"] == [
        {"candidate": "a/one", "answered": 3, "share": 0.75, "calls": 4, "wasted": 1, "cost_usd": 0.5, "skipped": {}}
    ]
    assert read["limits"] == [
        {"scope": "model:a/one", "unit": "concurrency", "period_s": None, "limit": 5, "minutes_a_day": 0.5}
    ]


def test_what_is_wasted_or_called_too_often_falls_short() -> None:
    tally = Tally(days=1, lines={"a/one": Line(answered=10, calls=12, wasted=2)})

    assert falls_short(tally) == [
        "1.2 calls a request, promised 1.01",
        "16.67% of the calls are wasted, promised 0.1%",
    ]


def test_a_pipe_gets_lines_that_say_what_they_are() -> None:
    tally = Tally(days=1, lines={"a/one": Line(answered=3, calls=3)})
    tally.lines["a/one"].skipped[SkipReason.OUT_OF_QUOTA] = 2

    said = plain(tally)

    assert "requests\t3" in said
    assert "a/one\t3 answered\t3 calls\t0 wasted\t$0 a month\tout of quota 2" in said


@pytest.mark.parametrize(
    "bound, name",
    [
        pytest.param(Bound("group:g", "requests", 60.0, 1_000), "group:g: 1,000 requests a minute", id="a minute"),
        pytest.param(Bound("model:m", "input_tokens", 86_400.0, 5), "model:m: 5 input tokens a day", id="a day"),
        pytest.param(Bound("provider:p", "concurrency", 0.0, 3), "provider:p: 3 calls at once", id="at once"),
    ],
)
def test_limits_have_names_that_people_read(bound: Bound, name: str) -> None:
    assert name_of(bound) == name


def test_the_hours_in_which_a_limit_binds_are_told_in_spans() -> None:
    minutes = [0] * 1_440
    for hour in (9, 10, 20):
        minutes[hour * 60] = 4
    minutes[12 * 60] = 1

    assert when(minutes) == "09:00 to 11:00, 20:00 to 21:00"


@pytest.mark.parametrize(
    "wanted, complaint",
    [
        pytest.param(Wanted(traffic=Path("x"), rps=1), "--traffic has its own rate and mix", id="a record and a rate"),
        pytest.param(Wanted(traffic=Path("x"), mix="quick=1"), "--traffic has its own rate", id="a record and a mix"),
    ],
)
def test_traffic_that_is_none_is_refused(reference: Settings, wanted: Wanted, complaint: str) -> None:
    with pytest.raises(Misuse, match=complaint):
        traffic_of(reference, wanted)


@pytest.mark.parametrize(
    "wanted, is_wanted",
    [
        pytest.param(Wanted(seed=3), False, id="nothing but a seed"),
        pytest.param(Wanted(days=1), True, id="days"),
        pytest.param(Wanted(rps=1), True, id="a rate"),
        pytest.param(Wanted(mix="quick=1"), True, id="a mix"),
        pytest.param(Wanted(traffic=Path("x")), True, id="a record"),
        pytest.param(Wanted(picture=Path("x")), True, id="a picture"),
    ],
)
def test_a_rehearsal_is_what_was_asked_for(wanted: Wanted, *, is_wanted: bool) -> None:
    assert wanted.is_wanted is is_wanted


def test_a_reader_is_told_what_to_know_before_believing(reference: Settings) -> None:
    told = notes(reference, Tally(days=1, lines={}, without_price=2))

    assert told[0] == "No limit of your settings holds for openai/gpt-4: nothing can bind there."
    assert told[1].startswith("2 calls have no known price")
