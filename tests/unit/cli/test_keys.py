"""What `pointsman keys` says beside the keys themselves."""

from pathlib import Path

import pytest

from pointsman.cli.failure import Failure, Misuse
from pointsman.cli.keys import create, list_keys, revoke


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a settings file that knows alice, in a folder whose name a shell would split."""
    folder = tmp_path / "our settings"
    folder.mkdir()
    path = folder / "my.toml"
    path.write_text(_reference().replace('keys = ""', f'keys = "{folder / "keys.jsonl"}"') + "\n[callers.alice]\n")
    return path


def test_the_command_that_takes_a_key_back_names_the_settings_file(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create("alice", config, key_env="", as_json=False)

    assert f"pointsman keys revoke --config '{config}' " in capsys.readouterr().err.replace("\n", " ")


def test_an_unknown_id_is_answered_with_the_command_that_shows_the_known_ones(config: Path) -> None:
    with pytest.raises(Misuse) as raised:
        revoke("nobody", config, as_json=False)

    assert f"`pointsman keys list --config '{config}'`" in str(raised.value)


def test_one_key_is_counted_as_one(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create("alice", config, key_env="", as_json=False)

    list_keys(config, as_json=False)

    assert "keys.jsonl: 1 key\n" in capsys.readouterr().out


def test_settings_without_a_file_for_keys_are_answered_with_the_line_to_write(tmp_path: Path) -> None:
    path = tmp_path / "my.toml"
    path.write_text(_reference() + "\n[callers.alice]\n")

    with pytest.raises(Failure, match=r'in \[router\] set keys = "keys\.jsonl"'):
        create("alice", path, key_env="", as_json=False)


def _reference() -> str:
    return (Path(__file__).parents[3] / "deploy" / "pointsman.toml").read_text(encoding="utf-8")
