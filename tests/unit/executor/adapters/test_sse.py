import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.executor.adapters.framing import Event, JsonLines
from pointsman.executor.adapters.lines import LINE_BYTES, LineTooLong
from pointsman.executor.adapters.sse import Events

TORTURE = (
    b"\xef\xbb\xbf: welcome\r\n\r\n"
    b"event: first\ndata: one\n\n"
    b"data: two\rdata:three\rdata:  four\r\r"
    b"id: 7\nretry: 10\nnonsense\nnonsense: more\n\n"
    b"event: forgotten\n\n"
    b"data\n\n" + "data: \u2028\u0085한글 😀\r\n\r\n".encode() + b"data: last"
)
READ = [
    Event(data=b"one", name="first"),
    Event(data=b"two\nthree\n four"),
    Event(data=b""),
    Event(data="\u2028\u0085한글 😀".encode()),
    Event(data=b"last"),
]


def events_of(*chunks: bytes) -> list[Event]:
    events = Events()
    return [*(event for chunk in chunks for event in events.feed(chunk)), *events.flush()]


def test_events_are_read_as_the_standard_says() -> None:
    assert events_of(TORTURE) == READ


def test_events_are_the_same_byte_by_byte() -> None:
    assert events_of(*(TORTURE[at : at + 1] for at in range(len(TORTURE)))) == READ


@pytest.mark.parametrize("at", range(len(TORTURE)))
def test_events_are_the_same_wherever_they_are_cut(at: int) -> None:
    assert events_of(TORTURE[:at], TORTURE[at:]) == READ


PIECES = st.sampled_from(
    [b"data: ", b"data:", b"event: ", b"x", b"\n", b"\r", b"\r\n", b": c", b"{", b"}", b"\xef\xbb\xbf", b"\xe2\x80\xa8"]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=30), st.lists(st.integers(0, 120), max_size=8))
def test_events_are_the_same_in_any_pieces(pieces: list[bytes], cuts: list[int]) -> None:
    body = b"".join(pieces)
    borders = sorted({0, *(cut for cut in cuts if cut < len(body)), len(body)})
    chunks = [body[begin:end] for begin, end in itertools.pairwise(borders)]

    assert events_of(*chunks) == events_of(body)


@given(st.lists(st.text().map(lambda text: text.replace("\r", "").replace("\n", "")), min_size=1), st.integers(1, 50))
def test_what_is_sent_is_what_is_read(texts: list[str], size: int) -> None:
    body = "".join(f"data: {text}\n\n" for text in texts).encode()

    read = events_of(*(body[at : at + size] for at in range(0, len(body), size)))

    assert [event.data.decode() for event in read] == texts


def test_an_event_is_there_with_its_last_line_end() -> None:
    assert list(Events().feed(b"data: x\r\r")) == [Event(data=b"x")]


def test_a_mark_of_byte_order_stands_at_the_beginning_only() -> None:
    assert events_of(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n") == [Event(data=b"a")]


def test_json_without_data_is_an_event_at_the_end() -> None:
    assert events_of(b'data: a\n\n{\n  "error": {\n\n  }\n}\n') == [
        Event(data=b"a"),
        Event(data=b'{\n  "error": {\n\n  }\n}\n'),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"data: " + b"x" * LINE_BYTES,
        b": " + b"x" * LINE_BYTES,
        (b"data: " + b"x" * 1_000 + b"\n") * 1_100,
        b"{\n" + (b"x" * 1_000 + b"\n") * 1_100,
    ],
    ids=["line", "comment", "event", "bare json"],
)
def test_what_is_over_a_mebibyte_is_refused(body: bytes) -> None:
    with pytest.raises(LineTooLong):
        events_of(body)


def test_many_events_are_not_one_long_one() -> None:
    body = (b"data: " + b"x" * 1_000 + b"\n\n") * 1_100

    assert len(events_of(body)) == 1_100


def test_a_line_of_json_is_an_event_and_an_empty_one_is_none() -> None:
    lines = JsonLines()

    read = [*lines.feed(b'{"a"'), *lines.feed(b':1}\n\n \r\n{"b":2}\r\n{"c"'), *lines.feed(b":3}"), *lines.flush()]

    assert read == [Event(data=b'{"a":1}'), Event(data=b'{"b":2}'), Event(data=b'{"c":3}')]
