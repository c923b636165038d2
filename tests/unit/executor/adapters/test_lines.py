import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.executor.adapters.lines import LINE_BYTES, Lines, LineTooLong

ODD = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg".encode()


def lines_of(*chunks: bytes) -> list[bytes]:
    lines = Lines()
    whole = [line for chunk in chunks for line in lines.feed(chunk)]
    return [*whole, lines.flush()]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_each_of_three_ends_ends_a_line(end: bytes) -> None:
    assert lines_of(b"a" + end + b"b" + end + end + b"c") == [b"a", b"b", b"", b"c"]


def test_nothing_else_ends_a_line() -> None:
    assert lines_of(ODD + b"\nx") == [ODD, b"x"]


def test_a_line_that_ends_in_a_return_is_there_before_the_next_byte() -> None:
    assert list(Lines().feed(b"a\r")) == [b"a"]


@pytest.mark.parametrize("chunks", [(b"a\r", b"\nb"), (b"a\r", b"", b"\nb"), (b"a", b"\r\nb")])
def test_an_end_of_two_bytes_may_be_cut(chunks: tuple[bytes, ...]) -> None:
    assert lines_of(*chunks) == [b"a", b"b"]


def test_a_return_and_a_line_end_behind_a_line_are_two_ends() -> None:
    assert lines_of(b"a\r", b"\n", b"\nb") == [b"a", b"", b"b"]


@given(st.lists(st.sampled_from([b"", b"a", b"\r", b"\n", b"\xe2\x80\xa8", b"\xe2", b"data: x"])))
def test_lines_are_the_same_however_they_are_cut(chunks: list[bytes]) -> None:
    body = b"".join(chunks)

    assert lines_of(*chunks) == lines_of(body) == body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")


@pytest.mark.parametrize("size", [1 << 14, 1 << 17, LINE_BYTES + 1])
def test_the_longest_line_is_read(size: int) -> None:
    body = b"x" * LINE_BYTES + b"\n"

    assert lines_of(*(body[at : at + size] for at in range(0, len(body), size))) == [b"x" * LINE_BYTES, b""]


@pytest.mark.parametrize("tail", [b"", b"\n"], ids=["open", "ended"])
@pytest.mark.parametrize("size", [1 << 14, 2 * LINE_BYTES])
def test_a_longer_line_is_refused_behind_those_before_it(size: int, tail: bytes) -> None:
    lines, taken = Lines(), []
    body = b"a\nb\n" + b"x" * (LINE_BYTES + 1) + tail

    def take() -> None:
        for at in range(0, len(body), size):
            for line in lines.feed(body[at : at + size]):
                taken.append(line)  # noqa: PERF402 - what came before the refusal is to be kept

    with pytest.raises(LineTooLong):
        take()
    assert taken == [b"a", b"b"]
