"""Sums of usage."""

from pointsman.domain.answer import Usage


def test_usage_adds_up_field_by_field() -> None:
    one = Usage(input_tokens=1, cached_input_tokens=2, cache_write_tokens=3, output_tokens=4, reasoning_tokens=5)

    assert one + one == Usage(
        input_tokens=2, cached_input_tokens=4, cache_write_tokens=6, output_tokens=8, reasoning_tokens=10
    )


def test_a_sum_with_a_guess_in_it_is_a_guess() -> None:
    assert (Usage(input_tokens=1) + Usage(estimated=True)).estimated
    assert (Usage(estimated=True) + Usage()).estimated
