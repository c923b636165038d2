from itertools import pairwise
from random import Random

import pytest

from pointsman.simulator.wording import compose, count_prompt_tokens, count_tokens, cut, is_korean


@pytest.mark.parametrize(
    "text, tokens",
    [
        pytest.param("", 0, id="nothing"),
        pytest.param("a", 1, id="one letter"),
        pytest.param("a" * 426, 100, id="English: 4.26 characters a token"),
        pytest.param("가" * 151, 100, id="Korean: 1.51 characters a token"),
        pytest.param("a" * 426 + "가" * 151, 200, id="both"),
    ],
)
def test_tokens_are_counted_as_measured(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


def test_turns_and_images_weigh_something_too() -> None:
    assert count_prompt_tokens(["", ""], images=1) == 4 + 4 + 1_000


@pytest.mark.parametrize(
    "text, korean",
    [
        ("안녕하세요", True),
        ("Python 함수를 고쳐 주세요", True),
        ("Translate “안녕” into English, and say when people use the word", False),
        ("42", False),
        ("", False),
    ],
)
def test_the_language_is_that_of_enough_letters(text: str, *, korean: bool) -> None:
    assert is_korean(text) is korean


@pytest.mark.parametrize("prompt", ["Name a prime.", "소수 하나를 말해 주세요."])
@pytest.mark.parametrize("tokens", [60, 200, 1_000])
def test_an_answer_is_about_as_long_as_asked(prompt: str, tokens: int) -> None:
    text = compose("m", prompt, tokens, Random(1))

    assert tokens * 0.8 < count_tokens(text) < tokens * 1.5 + 40


def test_no_sentence_comes_twice_in_a_row() -> None:
    sentences = compose("m", "Name a prime.", 1_000, Random(1)).split(". ")

    assert all(one != other for one, other in pairwise(sentences))


@pytest.mark.parametrize("tokens", [1, 20, 50])
def test_a_cut_text_fits_and_keeps_its_marker(tokens: int) -> None:
    text = cut(compose("m", "Name a prime.", 200, Random(1)), tokens, "m")

    assert text.startswith("[simulated m]")
    assert count_tokens(text) <= max(tokens, count_tokens("[simulated m]"))


def test_braces_in_a_prompt_are_only_text() -> None:
    assert "{x} {0}" in compose("m", "format {x} {0}", 30, Random(1))
