"""The file of keys, and which keys are good enough to stand in it."""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pointsman.config import keys
from pointsman.domain.errors import SettingsError

AT = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.jsonl"


def test_a_made_key_has_192_random_bits_and_our_mark() -> None:
    made = {keys.make() for _ in range(100)}

    assert len(made) == 100
    assert all(re.fullmatch(r"pm_[\w-]{32}", key) for key in made)


def test_keys_come_back_from_the_file_as_they_went_in(file: Path) -> None:
    record = keys.record(keys.make(), caller="alice", created=AT)

    with keys.changing(file) as known:
        known.append(record)

    assert keys.read(file) == (record,)


def test_the_file_holds_no_key_and_is_its_owners_alone(file: Path) -> None:
    key = keys.make()

    with keys.changing(file) as known:
        known.append(keys.record(key, caller="alice", created=AT))

    assert key.removeprefix("pm_") not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_a_change_that_fails_leaves_the_file_as_it_was(file: Path) -> None:
    with keys.changing(file) as known:
        known.append(keys.record(keys.make(), caller="alice", created=AT))
    before = file.read_text()

    with suppress(RuntimeError), keys.changing(file) as known:
        known.clear()
        raise RuntimeError

    assert file.read_text() == before


def test_a_record_does_not_show_its_hash() -> None:
    record = keys.record("k" * 40, caller="alice", created=AT)

    assert record.sha256 not in repr(record)


def test_a_file_that_others_can_write_is_not_trusted(file: Path) -> None:
    file.touch()
    file.chmod(0o620)

    with pytest.raises(SettingsError, match="chmod go-w"):
        keys.read(file)


def test_a_file_that_is_not_there_is_named(file: Path) -> None:
    with pytest.raises(SettingsError, match=f"{file}, which does not exist"):
        keys.read(file)


WHOLE = {"id": "1", "caller": "a", "sha256": "0" * 64, "created": AT.isoformat(), "revoked": None}


@pytest.mark.parametrize(
    "line",
    ["pm_put-there-by-hand", "[]", json.dumps(WHOLE | {"sha256": "00"}), json.dumps(WHOLE | {"created": "now"}), "{}"],
)
def test_a_line_of_another_kind_is_named_by_its_number_and_never_shown(file: Path, line: str) -> None:
    file.write_text(f"{json.dumps(WHOLE)}\n{line}\n")

    with pytest.raises(SettingsError, match=f"line 2 of {file}") as caught:
        keys.read(file)

    assert "by-hand" not in repr(caught.value)


@pytest.mark.parametrize(
    "key, why",
    [
        pytest.param("pm_aB3dE6gH9", "12 characters", id="short"),
        pytest.param("a" * 40, "1 different", id="one character"),
        pytest.param("aB3dE6gH9kL2" * 3, "repeats itself", id="repeated"),
        pytest.param("aB3dE6gH9kL2-Password-mN5pQ8", '"password"', id="a word"),
        pytest.param("my-test-key-0987612345fghjkl", '"12345"', id="a row of the keyboard"),
        pytest.param("aB3dE6gH9kL2 mN5pQ8rS1tU4vW7", "no header can carry", id="a space"),
        pytest.param("aB3dE6gH9kL2é5mN5pQ8rS1tU4vW7", "no header can carry", id="not ASCII"),
    ],
)
def test_a_key_that_could_be_guessed_is_weak_and_not_shown(key: str, why: str) -> None:
    told = keys.weakness(key)

    assert why in told
    assert key not in told


def test_a_random_key_is_not_weak() -> None:
    assert keys.weakness("pm_kJ8sQ2vX9bN4mZ7cL1fH6gD3wR5yT0uA") == ""
