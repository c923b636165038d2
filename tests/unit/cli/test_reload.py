import os
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from pointsman.cli.reload import Reloader
from pointsman.config import Settings, load, settings_hash
from pointsman.config.revision import Commit
from pointsman.domain.errors import SettingsError

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"
OTHER_POLICY = ('policy = "ordered" ', 'policy = "cheapest" ')


class Service:
    """Takes settings up, unless it cannot."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.taken: list[Settings] = []
        self._trouble = trouble

    async def prepare(self, settings: Settings) -> Commit:
        if self._trouble:
            raise self._trouble
        return lambda: self.taken.append(settings)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    copy = tmp_path / "pointsman.toml"
    copy.write_bytes(REFERENCE.read_bytes())
    return copy


@pytest.fixture
def rewrite(file: Path) -> Callable[[str, str], None]:
    def replaced(old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        another = file.with_suffix(".new")
        another.write_text(text.replace(old, new, 1))
        another.replace(file)  # as editors do

    return replaced


def touch(file: Path) -> None:
    file.touch()


def remove(file: Path) -> None:
    file.unlink()


def move(file: Path, to: Path) -> None:
    file.rename(to)


def reloader(file: Path, *services: Service) -> Reloader:
    made = Reloader(load(file), file)
    for service in services:
        made.register(service.prepare)
    return made


async def test_a_file_that_changed_is_taken_up_by_all_once_it_is_still(
    file: Path, rewrite: Callable[[str, str], None]
) -> None:
    first, second = Service(), Service()
    watched = reloader(file, first, second)
    await watched.look()
    await watched.look()
    rewrite(*OTHER_POLICY)

    await watched.look()
    early = [*first.taken]
    await watched.look()
    await watched.look()

    assert early == []
    assert first.taken == second.taken == [load(file)]
    assert watched.hash == settings_hash(load(file))


async def test_it_is_said_with_both_hashes_and_what_changed(file: Path, rewrite: Callable[[str, str], None]) -> None:
    watched = reloader(file, Service())
    before = watched.hash
    rewrite(*OTHER_POLICY)

    with capture_logs() as lines:
        await watched.reload()

    assert lines == [
        {
            "event": "settings.reloaded",
            "log_level": "info",
            "before": before,
            "after": watched.hash,
            "changed": ("pools.reasoning.policy",),
        }
    ]


@pytest.mark.parametrize(
    "old, new, says",
    [
        pytest.param("[router] ", "[rooter] ", "rooter is not a setting", id="a typo"),
        pytest.param("[router] ", "[router ", "not valid TOML", id="no TOML"),
        pytest.param(
            'default_category = "reasoning"', 'default_category = "none"', "not defined", id="a bad reference"
        ),
    ],
)
async def test_settings_that_cannot_be_used_change_nothing_and_the_log_says_why(
    old: str, new: str, says: str, file: Path, rewrite: Callable[[str, str], None]
) -> None:
    service = Service()
    watched = reloader(file, service)
    before = watched.settings
    rewrite(old, new)

    with capture_logs() as lines:
        await watched.reload()

    (line,) = lines
    assert (line["event"], line["log_level"]) == ("settings.refused", "error")
    assert says in line["detail"]
    assert line["settings_hash"] == settings_hash(before)
    assert (watched.settings, service.taken) == (before, [])


async def test_when_one_service_cannot_take_them_up_none_does(file: Path, rewrite: Callable[[str, str], None]) -> None:
    willing, unwilling = Service(), Service(SettingsError("facts are missing", path="candidates"))
    watched = reloader(file, willing, unwilling)
    before = watched.settings
    rewrite(*OTHER_POLICY)

    with capture_logs() as lines:
        await watched.reload()

    assert [line["event"] for line in lines] == ["settings.refused"]
    assert (watched.settings, willing.taken) == (before, [])


async def test_what_needs_a_restart_is_named_and_left(file: Path, rewrite: Callable[[str, str], None]) -> None:
    service = Service()
    watched = reloader(file, service)
    before = watched.settings
    rewrite('address = "127.0.0.1:50051"', 'address = "127.0.0.1:6000"')

    with capture_logs() as lines:
        await watched.reload()

    assert [(line["event"], line["log_level"], line["left"]) for line in lines] == [
        ("settings.untouched", "warning", ("router.address",))
    ]
    assert (watched.settings, service.taken) == (before, [])


async def test_who_asks_hears_that_nothing_has_changed(file: Path) -> None:
    watched = reloader(file, Service())

    with capture_logs() as lines:
        await watched.reload(is_asked_for=True)

    assert [(line["event"], line["changed"]) for line in lines] == [("settings.reloaded", ())]


async def test_a_file_that_was_only_touched_is_not_worth_a_word(file: Path) -> None:
    watched = reloader(file, Service())
    await watched.look()
    touch(file)

    with capture_logs() as lines:
        for _ in range(3):
            await watched.look()

    assert lines == []


async def test_a_file_that_is_gone_leaves_the_settings_and_is_said_once(file: Path) -> None:
    watched = reloader(file, Service())
    await watched.look()
    await watched.look()
    remove(file)

    with capture_logs() as lines:
        for _ in range(4):
            await watched.look()

    assert [line["event"] for line in lines] == ["settings.refused"]
    assert f"{file} is gone; put it back: those in force stay" in lines[0]["detail"]


async def test_a_file_that_is_gone_is_said_at_each_hang_up(file: Path) -> None:
    watched = reloader(file, Service())
    remove(file)

    with capture_logs() as lines:
        await watched.reload(is_asked_for=True)
        await watched.reload(is_asked_for=True)

    assert [line["event"] for line in lines] == ["settings.refused", "settings.refused"]
    assert watched.settings == load(REFERENCE)


async def test_a_file_that_is_back_as_it_was_is_said_once(file: Path) -> None:
    watched = reloader(file, Service())
    away = file.with_suffix(".away")
    move(file, away)
    await watched.reload()
    move(away, file)

    with capture_logs() as lines:
        for _ in range(4):
            await watched.look()

    assert [(line["event"], line["changed"]) for line in lines] == [("settings.reloaded", ())]


async def test_a_bad_file_that_is_mended_is_taken_up(file: Path, rewrite: Callable[[str, str], None]) -> None:
    service = Service()
    watched = reloader(file, service)
    rewrite("[router] ", "[router ")
    await watched.reload()
    rewrite("[router ", "[router] ")
    rewrite(*OTHER_POLICY)

    await watched.look()
    await watched.look()

    assert service.taken == [load(file)]


async def test_a_fault_of_ours_leaves_the_settings_in_force_and_the_next_file_is_read(
    file: Path, rewrite: Callable[[str, str], None]
) -> None:
    faulty = Service(ZeroDivisionError())
    watched = reloader(file, faulty)
    before = watched.settings
    rewrite(*OTHER_POLICY)

    with capture_logs() as lines:
        await watched.look()
        await watched.look()

    assert [(line["event"], line["exc_info"]) for line in lines] == [("settings.refused", True)]
    assert watched.settings == before


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir])
async def test_what_is_no_file_is_refused_and_never_waited_for(put: Callable[[Path], None], file: Path) -> None:
    watched = reloader(file, Service())
    for _ in range(2):
        await watched.look()
    remove(file)
    put(file)

    with capture_logs() as lines:
        for _ in range(3):
            await watched.look()
        await watched.reload(is_asked_for=True)

    assert [line["event"] for line in lines] == ["settings.refused"] * 2
    assert "is no file that can be read again" in lines[0]["detail"]
