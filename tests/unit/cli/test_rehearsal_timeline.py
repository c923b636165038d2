from datetime import UTC, datetime

import pytest

from pointsman.cli.rehearsal_timeline import ManualClock, Places, Story, Timeline, at_once

START = datetime(2026, 11, 23, tzinfo=UTC)


class Stage:
    """A timeline whose stories write down when they come to what."""

    def __init__(self, places: int = 1) -> None:
        self.clock = ManualClock(START, 0.0)
        self.timeline = Timeline(self.clock)
        self.places = Places(places, queue=100, clock=self.clock, timeline=self.timeline)
        self.told: list[tuple[float, str]] = []

    def tell(self, what: str) -> None:
        self.told.append((self.clock.at_s, what))

    def sleeper(self, name: str, until: float) -> Story:
        yield until
        self.tell(name)

    def guest(self, name: str, *, stays_s: float, until: float) -> Story:
        if not (yield from self.places.take(until)):
            self.tell(f"{name} leaves")
            return
        self.tell(f"{name} sits")
        yield self.clock.at_s + stays_s
        self.places.give_back()


def test_stories_wake_in_the_order_of_their_instants() -> None:
    stage = Stage()

    stage.timeline.begin(stage.sleeper("late", 9.0), 1.0)
    stage.timeline.begin(stage.sleeper("early", 5.0), 2.0)
    stage.timeline.let_pass()

    assert stage.told == [(5.0, "early"), (9.0, "late")]


def test_what_is_due_comes_before_what_arrives() -> None:
    stage = Stage()

    stage.timeline.begin(stage.sleeper("first", 3.0), 1.0)
    stage.timeline.begin(stage.sleeper("second", 4.0), 3.0)

    assert stage.told == [(3.0, "first")]
    assert stage.clock.now() == START.replace(second=3)


def test_places_are_had_in_the_order_of_asking() -> None:
    stage = Stage()

    for name in ("a", "b", "c"):
        stage.timeline.begin(stage.guest(name, stays_s=10.0, until=100.0), 0.0)
    stage.timeline.let_pass()

    assert stage.told == [(0.0, "a sits"), (10.0, "b sits"), (20.0, "c sits")]


def test_who_waits_too_long_leaves_and_is_passed_over() -> None:
    stage = Stage()

    stage.timeline.begin(stage.guest("a", stays_s=10.0, until=100.0), 0.0)
    stage.timeline.begin(stage.guest("b", stays_s=10.0, until=4.0), 1.0)
    stage.timeline.begin(stage.guest("c", stays_s=10.0, until=50.0), 2.0)
    stage.timeline.let_pass()

    assert stage.told == [(0.0, "a sits"), (4.0, "b leaves"), (10.0, "c sits")]


def test_who_has_no_time_to_wait_leaves_at_once() -> None:
    stage = Stage()

    stage.timeline.begin(stage.guest("a", stays_s=10.0, until=100.0), 0.0)
    stage.timeline.begin(stage.guest("b", stays_s=10.0, until=1.0), 1.0)

    assert stage.told == [(0.0, "a sits"), (1.0, "b leaves")]


async def test_what_waits_cannot_be_had_at_once() -> None:
    clock = ManualClock(START, 0.0)

    with pytest.raises(AssertionError, match="nothing in a rehearsal may sleep"):
        at_once(clock.sleep(1.0))
