from array import array
from importlib import resources
from math import sqrt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.classifier.embedded import FILE, Embedded, unpack
from pointsman.classifier.features import extract
from pointsman.classifier.ngrams import BUCKETS
from pointsman.domain.category import CATEGORIES

PACKED = (resources.files("pointsman.classifier") / "weights" / FILE).read_bytes()
EMBEDDED = Embedded(PACKED)

GOLDEN = [
    ("What is the capital of Mongolia?", "quick"),
    ("2+2는?", "quick"),
    ("오늘 점심 메뉴 추천해줘", "quick"),
    ("Write a Python function that merges two sorted lists", "coding"),
    ("리액트 컴포넌트에서 무한 루프가 나는데 코드 좀 고쳐줘", "coding"),
    ("review my pull request, does this SQL query leak connections?", "coding"),
    ("Prove that the square root of 3 is irrational", "reasoning"),
    ("두 가지 안의 장단점을 비교하고 단계별 실행 계획을 세워줘", "reasoning"),
    ("Proofread this email: I has attached the the invoice", "review"),
    ("이 자기소개서 문장 자연스럽게 다듬어줘: 저는 열심히 합니다", "review"),
    ("What is written on the sign in the attached photo?", "vision"),
    ("첨부한 사진에 뭐가 보여?", "vision"),
    ("Write a binary search in Rust", "coding"),
    ("코드를 짜줘: 이진 탐색", "coding"),
    ("SQL로 중복 행을 지우는 방법", "coding"),
    ("Review this Go handler for a race: func h(w http.ResponseWriter, r *http.Request) { hits++ }", "coding"),
    ("두 소수의 합이 항상 짝수인지 증명해줘.", "reasoning"),
    ("Summarise the attached contract in three lines: Payment is due in thirty days.", "quick"),
]


@pytest.mark.parametrize("text, category", GOLDEN)
def test_a_plain_case_is_ruled_as_anyone_would(text: str, category: str) -> None:
    distribution = EMBEDDED.distribution(text)

    assert CATEGORIES[distribution.index(max(distribution))] == category


@settings(deadline=None)
@given(st.text(max_size=2_000))
def test_any_text_gets_a_distribution(text: str) -> None:
    distribution = EMBEDDED.distribution(text)

    assert len(distribution) == len(CATEGORIES)
    assert sum(distribution) == pytest.approx(1)
    assert min(distribution) >= 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("travel traveller travelling travel", id="in words alike"),
        pytest.param("the pneumonoultramicroscopicsilicovolcanoconiosis and the pneumonoultramicroscopic", id="long"),
    ],
)
def test_an_ngram_that_several_words_share_counts_once(text: str) -> None:
    header, rows = unpack(PACKED)
    features = extract(text)
    size = len(CATEGORIES)
    weights = [array("b", rows[at : at + size]) for at in range(0, len(rows), size)]
    ngrams = [sum(column) for column in zip(*(weights[number] for number in features.ngrams), strict=True)]
    named = [sum(column) for column in zip(*(weights[BUCKETS + number] for number in features.named), strict=True)]
    scale = header.ngram_step / sqrt(len(features.ngrams))

    assert EMBEDDED.logits(features) == [
        bias + scale * ngram + header.named_step * name
        for bias, ngram, name in zip(header.bias, ngrams, named, strict=True)
    ]


def test_the_weights_stay_under_a_megabyte() -> None:
    assert len(PACKED) <= 1_000_000


def test_the_version_names_the_weights() -> None:
    other = PACKED[:-1] + bytes([PACKED[-1] ^ 1])

    assert EMBEDDED.version.startswith("e1-")
    assert Embedded(other).version != EMBEDDED.version


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"something else", id="another kind of file"),
        pytest.param(PACKED[:-1], id="cut off"),
        pytest.param(PACKED.replace(b'"features": "', b'"features": "0', 1), id="for other features"),
    ],
)
def test_weights_that_cannot_be_right_are_refused(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="weights"):
        unpack(damaged)
