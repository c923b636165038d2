import sys
from pathlib import Path

import pytest

from pointsman.cli.invocation import program


def installed(folder: Path, name: str = "pointsman") -> Path:
    file = folder / ".venv/bin" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o755)
    return file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that the command is called in; nothing of this machine is on PATH."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    return tmp_path


@pytest.mark.parametrize("called", [".venv/bin/pointsman", "{here}/.venv/bin/pointsman"], ids=["relative", "absolute"])
def test_a_command_that_was_called_by_its_path_is_suggested_by_its_path(
    called: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(here)
    monkeypatch.setattr(sys, "argv", [called.format(here=here)])

    assert program() == ".venv/bin/pointsman"


def test_a_command_of_another_folder_keeps_its_whole_path_quoted(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = installed(here / "my tools")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    monkeypatch.setattr(sys, "argv", [str(file)])

    assert program() == f"'{file}'"


def test_a_command_on_path_is_suggested_by_its_name(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = installed(here)
    monkeypatch.setenv("PATH", str(file.parent))
    monkeypatch.setattr(sys, "argv", [str(file)])

    assert program() == "pointsman"


def test_another_pointsman_on_path_is_not_mistaken_for_this_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(here)
    monkeypatch.setenv("PATH", str(installed(here / "other").parent))
    monkeypatch.setattr(sys, "argv", [".venv/bin/pointsman"])

    assert program() == ".venv/bin/pointsman"


@pytest.mark.parametrize("is_on_path", [True, False], ids=["python on PATH", "python by its path"])
def test_a_module_is_suggested_as_a_module(here: Path, monkeypatch: pytest.MonkeyPatch, *, is_on_path: bool) -> None:
    python = installed(here, "python")
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setattr(sys, "argv", ["/src/pointsman/__main__.py"])
    if is_on_path:
        monkeypatch.setenv("PATH", str(python.parent))

    assert program() == ("python -m pointsman" if is_on_path else ".venv/bin/python -m pointsman")


def test_other_programs_that_use_this_code_are_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/pytest"])

    assert program() == "pointsman"
