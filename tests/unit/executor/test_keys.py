import pickle
from pathlib import Path

import pytest
import structlog

from pointsman.config.settings import ProviderSettings
from pointsman.executor.keys import LOOK_EVERY_S, KeyFile, Keys, has_key, key_of
from tests.fakes.clock import FakeClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("sk-first\n")
    return file


def provider(path: Path | str = "", variable: str = "") -> ProviderSettings:
    return ProviderSettings(
        wire="openai", base_url="https://p.example", api_key_env=variable, api_key_file=str(path) if path else ""
    )


def test_the_key_is_what_stands_in_the_file_without_white_space(file: Path, clock: FakeClock) -> None:
    assert KeyFile(str(file), clock).reveal() == "sk-first"


def test_a_changed_file_is_read_again_within_a_second(file: Path, clock: FakeClock) -> None:
    key = KeyFile(str(file), clock)
    assert key.reveal() == "sk-first"
    file.write_text("sk-second")

    within = key.reveal()
    clock.advance(LOOK_EVERY_S)

    assert (within, key.reveal()) == ("sk-first", "sk-second")


def test_a_link_that_is_turned_to_another_file_is_followed(file: Path, tmp_path: Path, clock: FakeClock) -> None:
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_text("sk-other")
    link.symlink_to(file)
    key = KeyFile(str(link), clock)
    assert key.reveal() == "sk-first"
    (tmp_path / "new").symlink_to(other)
    (tmp_path / "new").rename(link)

    clock.advance(LOOK_EVERY_S)

    assert key.reveal() == "sk-other"


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"sk-a b", b"\xff\xfe", b"k" * 16_385], ids=["empty", "blank", "two", "binary", "long"]
)
def test_a_file_that_holds_no_key_leaves_the_one_before_and_is_said_once_without_its_content(
    file: Path, clock: FakeClock, content: bytes
) -> None:
    key = KeyFile(str(file), clock)
    assert key.reveal() == "sk-first"
    file.write_bytes(content)

    with structlog.testing.capture_logs() as lines:
        for _ in range(3):
            clock.advance(LOOK_EVERY_S)
            assert key.reveal() == "sk-first"

    assert [(line["event"], line["file"]) for line in lines] == [("key_file.unusable", str(file))]
    assert "sk-a" not in str(lines)


def test_a_file_that_is_gone_leaves_the_key_until_it_is_back(file: Path, clock: FakeClock) -> None:
    key = KeyFile(str(file), clock)
    assert key.reveal() == "sk-first"
    file.unlink()
    clock.advance(LOOK_EVERY_S)
    with structlog.testing.capture_logs() as lines:
        gone = key.reveal()
    file.write_text("sk-second")

    clock.advance(LOOK_EVERY_S)

    assert (gone, key.reveal()) == ("sk-first", "sk-second")
    assert [line["detail"] for line in lines] == ["No such file or directory"]


def test_a_provider_is_among_the_keys_once_its_file_holds_one(tmp_path: Path, clock: FakeClock) -> None:
    file = tmp_path / "late"
    keys = Keys({"late": provider(file), "open": provider()}, clock=clock)
    with structlog.testing.capture_logs():
        before = "late" in keys
    file.write_text("sk-late")

    clock.advance(LOOK_EVERY_S)

    assert not before
    assert "late" in keys
    assert "open" in keys
    assert "unknown" not in keys


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format], ids=["repr", "str", "format", "r"])
def test_a_key_from_a_file_is_not_shown(file: Path, clock: FakeClock, show: "type[str]") -> None:
    key = KeyFile(str(file), clock)
    assert key

    assert "sk-first" not in show(key)


def test_a_key_from_a_file_does_not_leave_the_process(file: Path, clock: FakeClock) -> None:
    key = KeyFile(str(file), clock)
    assert key

    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "place, there",
    [("sk-key", True), ("", False), (None, False)],
    ids=["full", "empty", "absent"],
)
def test_looking_for_a_key_says_nothing(tmp_path: Path, place: str | None, there: bool) -> None:  # noqa: FBT001 - a row
    file = tmp_path / "key"
    if place is not None:
        file.write_text(place)

    with structlog.testing.capture_logs() as lines:
        found = has_key(provider(file))

    assert found is there
    assert lines == []


def test_a_name_that_is_no_name_of_a_file_is_said_and_not_raised(clock: FakeClock) -> None:
    with structlog.testing.capture_logs() as lines:
        assert not key_of(provider("a\0b"), clock=clock)

    assert [line["detail"] for line in lines] == ["its name is no name of a file"]
