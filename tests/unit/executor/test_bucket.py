"""A token bucket by our own count: what rises, what drains, and what can be taken back."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.executor.bucket import Bucket

PER_S = 0.5
MARGIN_S = 2.0


def bucket(margin_s: float = MARGIN_S, *, level: float = 0.0) -> Bucket:
    return Bucket(PER_S, margin_s, level=level, seen_at=0.0, poured=level)


def test_an_empty_bucket_stays_empty() -> None:
    assert Bucket(PER_S, MARGIN_S).used(1_000.0) == 0


def test_the_first_drop_begins_to_drain_a_margin_late() -> None:
    one = Bucket(PER_S, MARGIN_S)

    one.pour(10, 100.0)

    assert [one.used(at) for at in (100.0, 102.0, 104.0, 112.0, 122.0, 999.0)] == [10, 10, 9, 5, 0, 0]


def test_what_is_left_of_a_drop_is_rounded_up() -> None:
    one = bucket(margin_s=0.0)
    one.pour(2, 0.0)

    assert (one.used(1.0), one.used(2.0)) == (2, 1)


def test_calls_one_upon_the_other_are_late_once() -> None:
    one = bucket(level=20.0)

    one.pour(10, 10.0)

    assert one.used(12.0) == 20 - 5 + 10 - 1


def test_a_call_that_comes_when_little_is_left_is_late_anew() -> None:
    one = bucket(level=20.0)

    one.pour(10, 39.0)  # half a drop is left, which drains for a second of the margin

    assert one.used(40.0) == 11
    assert one.used(41.0) == 10  # as late as if it had come alone


def test_a_drop_that_arrives_while_nothing_drains_yet_waits_with_the_others() -> None:
    one = Bucket(PER_S, MARGIN_S)
    one.pour(1, 0.0)

    one.pour(1, 1.0)

    assert one.used(3.0) == 2
    assert one.used(5.0) == 1


def test_what_a_call_did_not_use_is_taken_back() -> None:
    one = bucket()
    one.pour(10, 0.0)

    one.take_back(4, 10.0, 1.0)

    assert one.used(1.0) == 6


def test_what_has_drained_is_not_taken_back() -> None:
    one = bucket(margin_s=0.0)
    one.pour(10, 0.0)
    one.pour(10, 20.0)  # the first has drained

    one.take_back(10, 10.0, 20.0)

    assert one.used(20.0) == 10


def test_of_what_has_partly_drained_the_rest_is_taken_back() -> None:
    one = bucket(margin_s=0.0)
    one.pour(10, 0.0)
    one.pour(10, 4.0)

    one.take_back(10, 10.0, 4.0)

    assert one.used(4.0) == 10  # eighteen less the eight that are left of the first


def test_what_one_call_took_back_another_cannot() -> None:
    one = bucket(margin_s=0.0)
    one.pour(10, 0.0)
    one.pour(2, 0.0)
    one.take_back(10, 10.0, 0.0)

    one.take_back(2, 12.0, 3.0)

    assert one.used(3.0) == 0


def test_a_part_of_a_bucket_is_inherited() -> None:
    one, whole = bucket(), bucket(level=20.0)

    one.inherit(whole, 2, 4.0)

    assert one.used(4.0) == 9


def test_a_bucket_that_holds_more_inherits_nothing() -> None:
    one, whole = bucket(level=12.0), bucket(level=20.0)

    one.inherit(whole, 2, 4.0)

    assert one.used(4.0) == 10


def test_what_was_inherited_is_not_taken_back() -> None:
    one, whole = bucket(margin_s=0.0), bucket(level=20.0)
    one.pour(3, 0.0)
    one.inherit(whole, 2, 6.0)  # the first has drained

    one.take_back(3, 3.0, 6.0)

    assert one.used(6.0) == 9


def test_nothing_is_waited_for_where_little_enough_is_used() -> None:
    assert bucket(level=5.0).lowered_at(5, 0.0) == 0.0


def test_what_is_under_way_is_waited_for_as_well() -> None:
    one = bucket(level=5.0)

    assert one.lowered_at(3, 0.0) == 4.0
    assert one.lowered_at(3, 0.0, under_way=4) == 12.0


@given(
    poured=st.lists(st.tuples(st.floats(0.0, 50.0), st.integers(1, 50)), min_size=1, max_size=30),
    most=st.integers(0, 60),
    under_way=st.integers(0, 20),
)
def test_at_the_instant_that_is_named_no_more_is_used(
    poured: list[tuple[float, int]], most: int, under_way: int
) -> None:
    one, now = Bucket(PER_S, MARGIN_S), 0.0
    for gap_s, amount in poured:
        now += gap_s
        one.pour(amount, now)

    lowered_at = one.lowered_at(most, now, under_way=under_way)
    one.pour(under_way, now)

    assert one.used(lowered_at) <= most
