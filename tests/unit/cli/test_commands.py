"""The command line as a newcomer meets it. Runs `--help` in this process; what commands do is in tests/wire."""

import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from pointsman.cli.commands import app

COMMANDS = [
    "up", "serve", "route", "explain", "pools", "top", "report", "doctor", "pull", "check-config", "certs", "eval",
    "simulate", "demo", "keys",
]  # fmt: skip

HEAVY = ("grpc", "google.protobuf", "httpx", "ollama", "rich", "aiohttp", "opentelemetry", "structlog")


def shown(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_help_lists_every_command_with_a_whole_sentence() -> None:
    listed = shown("--help").split("Commands:")[1].split("First steps:")[0].splitlines()

    lines = [line.split(maxsplit=1) for line in listed if line.strip()]
    assert [name for name, _ in lines] == COMMANDS
    assert [sentence for _, sentence in lines if not sentence.endswith(".") or sentence.endswith("...")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    text = shown(command, "-h")

    assert "Examples:" in text
    assert f"pointsman {command}" in text.split("Examples:")[1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_to_scripts(command: str) -> None:
    assert "--json" in shown(command, "--help")


def test_without_a_command_the_help_is_shown() -> None:
    result = CliRunner().invoke(app, [])

    assert "First steps:" in result.output


def test_help_imports_nothing_that_takes_its_time() -> None:
    code = (
        "import sys; sys.argv = ['pointsman', '--help']\n"
        "from pointsman.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('imported:', [name for name in {HEAVY!r} if name in sys.modules])"
    )

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert finished.stdout.splitlines()[-1] == "imported: []"


@pytest.mark.parametrize(
    "missing, arguments",
    [
        pytest.param("typer", ["--help"], id="the base install"),
        pytest.param("pointsman_client", ["route", "hi"], id="without the client"),
    ],
)
def test_what_is_not_installed_is_named_with_the_way_to_get_it(missing: str, arguments: list[str]) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv = ['pointsman', *{arguments!r}]\n"
        "from pointsman.__main__ import main; main()"
    )

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert finished.returncode == 1
    assert finished.stderr == (
        f"pointsman: {missing} is not installed; get the command line with: pip install 'pointsman[serve]'\n"
    )


def test_every_command_that_is_suggested_can_be_pasted_as_this_one_was_called() -> None:
    code = (
        "import sys; sys.argv = ['.venv/bin/pointsman', '-h']\n"
        "from pointsman.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.argv = ['.venv/bin/pointsman', 'route', '-h']\n"
        "main()"
    )

    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": "/nowhere"}
    )

    assert "Usage: .venv/bin/pointsman" in finished.stdout
    assert '  .venv/bin/pointsman route "2+2는?"' in finished.stdout
    assert "git diff | .venv/bin/pointsman route -" in finished.stdout
    assert re.findall(r"(?<!bin/)\bpointsman (?:up|route|demo|doctor)", finished.stdout) == []
