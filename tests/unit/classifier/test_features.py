from hypothesis import given
from hypothesis import strategies as st

from pointsman.classifier.features import NAMES, extract
from pointsman.classifier.ngrams import BUCKETS


def named(text: str) -> set[str]:
    return {NAMES[number] for number in extract(text).named}


def test_names_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)


@given(st.text(max_size=2_000))
def test_any_text_has_features_within_their_ranges(text: str) -> None:
    features = extract(text)

    assert all(0 <= number < BUCKETS for number in features.ngrams)
    assert all(0 <= number < len(NAMES) for number in features.named)


def test_equal_texts_have_equal_features_in_every_process() -> None:
    # Numbers of crc32, not of hash(): these must not move with the seed of the process.
    assert sorted(extract("hi").ngrams) == [10924, 53208, 55614]


def test_a_cue_is_found_in_its_zone() -> None:
    text = "Proofread this letter please.\n\n" + "The weather was fine that day. " * 30 + "\nfix the grammar"

    found = named(text)

    assert {"review_ask@start", "review_ask@head", "review_ask@tail"} <= found


def test_korean_cues_are_found_inside_words() -> None:
    assert "review_ask@start" in named("맞춤법 고쳐줘")
    assert "reason_math@head" in named("남은 구슬은 몇 개인가요")


def test_a_latin_name_is_found_before_a_korean_or_japanese_particle() -> None:
    assert "code_language@start" in named("SQL로 뭐 하나만")
    assert "code_language@start" in named("用Python写一个")


def test_a_phrase_ends_at_a_word_border() -> None:
    assert "code_language@start" in named("sum a list in C")
    assert "code_language@start" not in named("take this in case it rains")


def test_an_attachment_alone_is_no_image() -> None:
    assert "attached@start" in named("see the attached lease")
    assert not {"vision_shown@start", "image_word@start"} & named("see the attached lease")


def test_the_middle_of_a_long_text_adds_no_ngrams() -> None:
    head, tail = "a" * 240, "b" * 160

    assert extract(head + "unseen words " * 500 + tail).ngrams == extract(head + "other filler " * 500 + tail).ngrams


def test_a_text_without_any_cue_says_so() -> None:
    assert "no_cue" in named("zzzz qqqq")
