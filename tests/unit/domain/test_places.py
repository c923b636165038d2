"""Places that callers share: nobody takes all of them, and whoever holds none is let in while one is free."""

import pytest

from pointsman.domain.places import Denied, Places


def taken_by(places: Places, *callers: str) -> dict[str, int]:
    """Have callers take one place after another in turns until nobody gets another; return what each holds."""
    before = -1
    while before != places.taken:
        before = places.taken
        for caller in callers:
            if places.denied(caller) is None:
                places.take(caller)
    return {caller: places.held_by(caller) for caller in callers}


def test_without_names_all_places_are_there_for_all() -> None:
    places = Places(256)

    taken_by(places, "")

    assert places.taken == 256
    assert places.denied("") is Denied.ALL


@pytest.mark.parametrize("most, gets", [(1, 1), (2, 1), (4, 3), (16, 12), (256, 192)])
def test_a_caller_alone_leaves_a_quarter_free_where_there_is_more_than_one_place(most: int, gets: int) -> None:
    places = Places(most)

    assert taken_by(places, "alice") == {"alice": gets}
    assert places.denied("alice") is (Denied.ALL if most == 1 else Denied.SHARE)


def test_who_comes_late_finds_a_place_though_another_took_all_that_it_could() -> None:
    places = Places(256)
    taken_by(places, "alice")

    assert places.denied("bob") is None
    assert taken_by(places, "bob")["bob"] == 48


def test_callers_who_come_together_get_alike_and_leave_some_free() -> None:
    places = Places(256)

    shares = taken_by(places, "alice", "bob")

    assert shares == {"alice": 110, "bob": 109}


def test_who_holds_more_than_its_share_gets_nothing_until_it_has_given_back() -> None:
    places = Places(256)
    taken_by(places, "alice")
    taken_by(places, "bob")
    for _ in range(83):
        places.give_back("alice")

    assert places.denied("alice") is None
    assert places.denied("bob") is None


def test_what_was_given_back_is_free_again_and_nobody_is_remembered() -> None:
    places = Places(8)
    for caller in ("alice", "bob", ""):
        places.take(caller, 2)

    for caller in ("alice", "bob", ""):
        places.give_back(caller, 2)

    assert places == Places(8)


def test_an_amount_that_no_place_is_left_for_is_denied_to_everybody() -> None:
    places = Places(10)

    assert places.denied("alice", 10) is None
    assert places.denied("alice", 11) is Denied.ALL
