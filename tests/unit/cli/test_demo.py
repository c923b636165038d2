import shlex

import pytest
from typer.testing import CliRunner

from pointsman.cli.commands import app
from pointsman.cli.demo import commands

ROUTER, EXECUTOR = "127.0.0.1:1001", "127.0.0.1:1003"


@pytest.mark.parametrize(
    "command, address",
    [("route", ROUTER), ("explain", ROUTER), ("pools", EXECUTOR), ("top", EXECUTOR), ("report", EXECUTOR)],
)
def test_the_demo_names_a_command_with_the_address_of_its_own_service(command: str, address: str) -> None:
    named = {shlex.split(line)[0]: line for line in commands(router=ROUTER, executor=EXECUTOR)}

    assert named[command].endswith(f"--address {address}")


def test_every_command_the_demo_names_has_the_options_it_is_given() -> None:
    for line in commands(router=ROUTER, executor=EXECUTOR):
        name, *words = shlex.split(line)

        told = CliRunner().invoke(app, [name, "--help"]).output

        assert all(word in told for word in words if word.startswith("--"))
