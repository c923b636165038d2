from pathlib import Path

import grpc
import pytest

from pointsman.cli.ask import Ask, failures_said, read_images, read_text
from pointsman.cli.failure import Failure, Misuse
from pointsman_client import PoolExhausted, Unreachable

STARTS = {
    "png": b"\x89PNG\r\n\x1a\nrest",
    "jpeg": b"\xff\xd8\xffrest",
    "gif": b"GIF89arest",
    "webp": b"RIFF\x00\x00\x00\x00WEBPrest",
}


def ask(*, max_output_tokens: int | None = None, timeout_s: float = 1.0) -> Ask:
    return Ask(
        text="hi",
        images=(),
        category="",
        max_output_tokens=max_output_tokens,
        local_only=False,
        timeout_s=timeout_s,
        address="127.0.0.1:1",
    )


def test_a_prompt_is_taken_as_it_is() -> None:
    assert read_text(" 2+2는?\n") == " 2+2는?\n"


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Misuse, match=r"the prompt is not UTF-8 text \(byte 1\)"):
        read_text("a\udcff")


@pytest.mark.parametrize("kind", STARTS)
def test_an_image_is_known_by_its_content_and_not_by_its_name(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.txt"
    file.write_bytes(STARTS[kind])

    assert read_images([file]) == (STARTS[kind],)


@pytest.mark.parametrize(
    "content, says",
    [(b"", "is empty"), (b"BM6\x00", "is no image that models take"), (b"%PDF-1.7", "give one of PNG, JPEG")],
    ids=["empty", "bitmap", "pdf"],
)
def test_what_is_no_image_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(content)

    with pytest.raises(Misuse, match=says):
        read_images([file])


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="cannot be read: Is a directory"):
        read_images([tmp_path])


def test_a_failure_says_when_it_is_worth_trying_again() -> None:
    error = PoolExhausted("no candidate is free", code=grpc.StatusCode.RESOURCE_EXHAUSTED, reason="POOL_EXHAUSTED")
    error.retry_after_s = 20.0

    with pytest.raises(Failure) as raised, failures_said("127.0.0.1:1", as_json=False):
        raise error

    assert str(raised.value) == "no candidate is free\nthe first candidate is free again in 20.0 s"


def test_the_words_of_our_own_services_are_kept() -> None:
    error = Unreachable("127.0.0.1:2 cannot be reached", code=grpc.StatusCode.UNAVAILABLE, reason="EXECUTOR_DOWN")

    with pytest.raises(Failure) as raised, failures_said("127.0.0.1:1", as_json=False):
        raise error

    assert str(raised.value) == "127.0.0.1:2 cannot be reached"
