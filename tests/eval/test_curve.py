"""How sittings are drawn: whole, or not at all."""

from random import Random

from tests.eval import corpus, curve


def test_a_sitting_is_drawn_whole() -> None:
    rows = corpus.training()
    sizes = {sitting[0].id.rpartition("-")[0]: len(sitting) for sitting in curve.sittings(rows)}

    drawn = curve.draw(rows, 500, Random(1))

    assert 500 <= len(drawn) < 500 + max(sizes.values())
    assert all(len(sitting) == sizes[sitting[0].id.rpartition("-")[0]] for sitting in curve.sittings(drawn))


def test_all_is_drawn_when_more_is_wanted_than_there_is() -> None:
    rows = corpus.training()

    assert len(curve.draw(rows, 10**9, Random(1))) == len(rows)
