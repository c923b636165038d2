import pytest

from pointsman.executor.adapters import shape
from pointsman.executor.adapters.base import Unsendable

DOCUMENT = {"a": [{"b": 3, "c": "x", "d": True, "e": -1, "f": 1e9, "g": 10**15, "h": None}, "y", 7]}


@pytest.mark.parametrize("body", [b"", b"null", b"<html></html>", b"{", b"\xff\xfe", b"[" * 100_000, b"NaN"])
def test_what_is_no_json_is_none(body: bytes) -> None:
    assert shape.parse(body) is None


@pytest.mark.parametrize("rest", [b"", b",NaN]", b"," + b"[" * 100_000, b"," + b"9" * 5_000 + b"]", b",\xff]"])
def test_what_is_no_json_is_none_beside_half_a_surrogate_pair_too(rest: bytes) -> None:
    assert shape.parse(rb'["\ud83d"' + rest) is None


def test_half_a_surrogate_pair_is_read() -> None:
    assert shape.parse(rb'["a\ud83d", "\uDE00b"]') == ["a\ud83d", "\ude00b"]


def test_blank_lines_before_json_do_not_matter() -> None:
    assert shape.parse(b"\n\n\n{}") == {}


@pytest.mark.parametrize("path", [("a", 9), ("a", -9), ("b",), ("a", "b"), (0,), ("a", 0, "b", "c")])
def test_a_way_that_breaks_off_is_none(path: tuple[str | int, ...]) -> None:
    assert shape.at(DOCUMENT, *path) is None


@pytest.mark.parametrize(
    "key, number",
    [("b", 3), ("c", 0), ("d", 0), ("e", 0), ("f", 0), ("g", 0), ("h", 0), ("z", 0)],
)
def test_only_whole_numbers_count(key: str, number: int) -> None:
    assert shape.count(DOCUMENT, "a", 0, key) == number


def test_text_that_is_none_is_empty() -> None:
    assert shape.text(DOCUMENT, "a", 0, "b") == ""
    assert shape.text(DOCUMENT, "a", 0, "c") == "x"


def test_objects_leave_out_what_is_none() -> None:
    assert shape.objects(DOCUMENT, "a") == [DOCUMENT["a"][0]]
    assert shape.objects(DOCUMENT, "a", 0) == []


def test_half_a_surrogate_pair_cannot_be_sent() -> None:
    with pytest.raises(Unsendable):
        shape.encode({"text": "\ud800"})


@pytest.mark.parametrize("source", ["", "[]", "{", "null", "1", '"x"'])
def test_what_is_no_json_object_cannot_be_sent(source: str) -> None:
    with pytest.raises(Unsendable, match="json_schema is not"):
        shape.decode_object(source, "json_schema")
