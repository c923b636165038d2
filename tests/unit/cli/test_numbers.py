"""Numbers on the command line that cannot be: what was given, and what to give instead."""

import pytest
import typer
from typer.testing import CliRunner

from pointsman.cli.commands import app
from pointsman.cli.failure import Misuse
from pointsman.rpc.check_options import MAX_OUTPUT_TOKENS

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group, which the type does not say
OPTIONS = [
    (name, option.opts[0])
    for name, command in COMMANDS.items()
    for option in command.params
    if option.metavar in {"N", "SECONDS", "SHARE", "MS"}
]


def refusal(*arguments: str) -> str:
    failure = CliRunner().invoke(app, [*arguments]).exception
    assert isinstance(failure, Misuse), failure
    return str(failure)


@pytest.mark.parametrize("command, option", OPTIONS)
def test_what_is_no_number_is_named_with_what_to_give(command: str, option: str) -> None:
    assert refusal(command, option, "some").startswith(f"{option} is some; give ")


@pytest.mark.parametrize("given", ["0", "-1", "86401", "nan", "inf"])
def test_an_absurd_time_is_refused(given: str) -> None:
    assert refusal("route", "hi", "--timeout", given).startswith(f"--timeout is {given}; give seconds")


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("serve", "router", "--workers", "0"), "--workers is 0; give a whole number of processes from 1 to 64"),
        (("serve", "router", "--workers", "65"), "--workers is 65; give a whole number of processes from 1 to 64"),
        (("route", "hi", "--timeout", "0"), "--timeout is 0; give seconds, more than 0 and at most 86400 (a day)"),
        (("route", "hi", "--max-output-tokens", "0"), "--max-output-tokens is 0; give 1 to 1000000, or leave it out"),
        (("top", "--interval", "0"), "--interval is 0; give seconds from 0.1 to 60"),
        (("certs", "x", "--days", "826"), "--days is 826; give 1 to 825, which is the most that all machines believe"),
        (("simulate", "--days", "1.5"), "--days is 1.5; give a whole number of days from 1 to 366"),
        (("simulate", "--rps", "0"), "--rps is 0; give requests a second, more than 0 and at most 1000"),
        (("simulate", "--rps", "nan"), "--rps is nan; give requests a second, more than 0 and at most 1000"),
        (("simulate", "--port", "65535"), "--port is 65535; give a port from 0 to 65534"),
        (("eval", "x", "--min-accuracy", "80"), "--min-accuracy is 80; give a share from 0 to 1, such as 0.8"),
        (("eval", "x", "--max-p99-ms", "-1"), "--max-p99-ms is -1; give milliseconds, 0 or more"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_number_out_of_its_range_is_named_with_the_range(arguments: tuple[str, ...], says: str) -> None:
    assert refusal(*arguments) == says


def test_as_many_tokens_as_the_router_takes_are_taken() -> None:
    refused = refusal("route", "hi", "--address", "nowhere", "--max-output-tokens", str(MAX_OUTPUT_TOKENS))

    assert refused.startswith("--address nowhere")
    assert refusal("route", "hi", "--max-output-tokens", str(MAX_OUTPUT_TOKENS + 1)).startswith("--max-output-tokens")
