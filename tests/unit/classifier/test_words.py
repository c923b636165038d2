import pytest

from pointsman.classifier.cues import PHRASES, RUNS, STEMS, WORDS
from pointsman.classifier.words import Piece, cues_among, is_short


def test_every_word_and_every_stem_of_the_lexicon_is_found_in_a_text_that_says_it() -> None:
    words = [cue for of_word in (*WORDS.values(), *STEMS.values()) for cue in of_word]

    missed = [cue for cue in words if (cue, True) not in cues_among(Piece(f"- {cue[1]} -"))]

    assert len(words) > 500
    assert missed == []


def test_every_phrase_of_the_lexicon_is_found_in_a_text_that_says_it() -> None:
    phrases = [phrase.cue for of_first in PHRASES.values() for of_letter in of_first.values() for phrase in of_letter]

    missed = [cue for cue in phrases if (cue, True) not in cues_among(Piece(f"- {cue[1]} -"))]

    assert len(phrases) > 500
    assert missed == []


def test_every_run_of_the_lexicon_is_found_inside_other_text() -> None:
    runs = [cue for of_opening in RUNS.values() for cue in of_opening]

    missed = [cue for cue in runs if (cue, True) not in cues_among(Piece(f"뷁{cue[1]}뷁"))]

    assert len(runs) > 500
    assert missed == []


def test_a_phrase_is_found_where_its_first_word_is_no_end_of_another() -> None:
    begins_a_word = [cue[1] for cue, _ in cues_among(Piece("tell me how many there are"))]
    ends_a_word = [cue[1] for cue, _ in cues_among(Piece("they show many pictures"))]

    assert "how many" in begins_a_word
    assert "how many" not in ends_a_word


def test_what_begins_behind_forty_characters_is_not_at_the_start() -> None:
    before = "z" * 38

    assert ("debug", True) in [(cue[1], at_start) for cue, at_start in cues_among(Piece(f"{before} debug"))]
    assert ("debug", False) in [(cue[1], at_start) for cue, at_start in cues_among(Piece(f"{before}z debug"))]


def test_words_of_plain_text_are_those_of_any_text() -> None:
    plain = "what's c++ or c#? read-me.txt, a_b 3.5% (x)"
    beside_korean = " ".join(f"{stretch}가" for stretch in plain.split())

    words = [word.text for word in Piece(plain).words]

    assert words == [word.text for word in Piece(beside_korean).words if word.text != "가"]


def test_a_phrase_is_found_where_it_stands_after_a_place_where_it_does_not() -> None:
    found = cues_among(Piece("they show many pictures, so how many are there"))

    assert "how many" in [cue[1] for cue, _ in found]


def test_a_long_word_has_the_cues_that_a_short_one_has() -> None:
    long = "debug" + "z" * 40

    assert ("debug", True) in [(cue[1], at_start) for cue, at_start in cues_among(Piece(long))]


@pytest.mark.parametrize(
    "text, is_worth_it", [("a" * 30, True), ("a" * 31, False), ("가" * 10, True), ("가" * 11, False)]
)
def test_what_is_worth_remembering_goes_by_bytes_because_hangul_takes_more_memory(
    text: str,
    is_worth_it: bool,  # noqa: FBT001 - a column of the table
) -> None:
    assert is_short(text) is is_worth_it
