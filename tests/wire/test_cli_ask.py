"""`pointsman route`, `explain`, `pools` and `report`, as processes of their own, against a real stack."""

import asyncio
import base64
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from tests.fakes.command import Finished, pointsman, pointsman_running

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


async def ask(stack: Stack, command: str, *arguments: str, stdin: bytes = b"") -> Finished:
    room = "executor" if command in {"pools", "report"} else "router"
    return await pointsman(command, *arguments, "--address", stack.addresses[room], stdin=stdin)


async def test_route_prints_the_answer_and_says_apart_how_it_came_about(stack: Stack) -> None:
    finished = await ask(stack, "route", "2+2는?", "--category", "quick")

    assert finished.code == 0
    assert "2+2는?" in finished.out
    assert "gemini" not in finished.out.removeprefix("[simulated gemini-3.8-flash]")
    for part in ("quick 1.00", "gemini/gemini-flash (gemini-3.8-flash)", "1 attempt", " ms", "$", "[simulated]"):
        assert part in finished.err


async def test_route_prints_one_json_object_for_scripts(stack: Stack) -> None:
    finished = await ask(stack, "route", "Reverse a list in Python.", "--json")

    told = finished.json()
    assert finished.code == 0
    assert told["answer"]["text"].startswith("[simulated")
    assert told["trail"]["steps"][0]["attempt"]["outcome"] == "OUTCOME_ANSWERED"
    assert told["degraded"] is False
    assert finished.err == ""


async def test_route_reads_the_prompt_from_standard_input(stack: Stack) -> None:
    finished = await ask(stack, "route", "-", "--category", "review", stdin="이 글을 고쳐줘: 자료 보내.".encode())

    assert finished.code == 0
    assert "자료 보내" in finished.out


async def test_an_image_goes_to_the_vision_pool(stack: Stack, tmp_path: Path) -> None:
    image = tmp_path / "no-ending"
    image.write_bytes(PNG)

    finished = await ask(stack, "route", "What is this?", "--image", str(image), "--json")

    assert finished.json()["verdict"]["category"] == "vision"
    assert finished.json()["candidate"] == "gemini/gemini-vision"


async def test_local_only_stays_on_this_machine(stack: Stack) -> None:
    finished = await ask(stack, "route", "Draft a refusal.", "--local-only", "--json")

    assert finished.json()["local"] is True
    assert finished.json()["candidate"] == "local/qwen2.5-14b"


async def test_a_degraded_answer_says_so(stack: Stack, simulation: Simulation) -> None:
    simulation.script("*", Fault.SERVER_ERROR, times=2)

    finished = await ask(stack, "route", "hi", "--category", "quick")

    assert finished.code == 0
    assert "local/qwen2.5-14b" in finished.err
    assert "[degraded: local_fallback]" in finished.err


@pytest.mark.parametrize(
    "arguments, says",
    [
        pytest.param(("",), "the prompt holds nothing", id="empty prompt"),
        pytest.param((" \n\t",), "white space", id="only white space"),
        pytest.param(("hi", "--category", "nonsense"), "name one of reasoning, coding", id="unknown category"),
    ],
)
async def test_what_the_server_refuses_is_told_in_one_line(arguments: tuple[str, ...], says: str, stack: Stack) -> None:
    finished = await ask(stack, "route", *arguments)

    assert finished.code == 1
    assert finished.out == ""
    assert says in finished.err
    assert finished.err.startswith("pointsman: ")
    assert finished.err.count("\n") == 1


async def test_a_failure_is_an_object_too_for_scripts(stack: Stack) -> None:
    finished = await ask(stack, "route", "hi", "--category", "nonsense", "--json")

    assert finished.code == 1
    assert finished.json()["error"]["reason"] == "CATEGORY_UNKNOWN"
    assert finished.json()["error"]["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    "arguments, says",
    [
        pytest.param(("route",), "Missing argument", id="no prompt"),
        pytest.param(("route", "hi", "--image", "/nowhere.png"), "cannot be read: No such file", id="no such image"),
        pytest.param(("route", "hi", "--image", __file__), "is no image that models take", id="not an image"),
        pytest.param(
            ("route", "hi", "--max-output-tokens", "0"), "--max-output-tokens is 0; give 1 to 1000000", id="no tokens"
        ),
        pytest.param(("route", "hi", "--timeout", "-1"), "--timeout is -1; give seconds", id="negative time"),
        pytest.param(("route", "hi", "--timeout", "soon"), "--timeout is soon; give seconds", id="not a number"),
        pytest.param(("route", "hi", "--colour"), "No such option", id="unknown option"),
        pytest.param(("route", b"\xff\xfe"), "the prompt is not UTF-8", id="a prompt that is no text"),
        pytest.param(("rout", "hi"), "No such command", id="unknown command"),
        pytest.param(("report", "--since", "yesterday"), "write a number with m, h, d or w", id="not a span"),
        pytest.param(("report", "--by", "colour"), "'colour' is not one of", id="unknown group"),
    ],
)
async def test_a_wrong_command_line_leaves_with_2_and_says_why(arguments: tuple[str | bytes, ...], says: str) -> None:
    finished = await pointsman(*arguments)

    assert finished.code == 2
    assert finished.out == ""
    assert says in finished.err
    assert "Traceback" not in finished.err


async def test_standard_input_that_is_no_text_is_refused() -> None:
    finished = await pointsman("route", "-", stdin=b"caf\xe9")

    assert finished.code == 2
    assert "standard input is not UTF-8 text (byte 3)" in finished.err


@pytest.mark.parametrize("command", ["route", "explain"])
async def test_without_a_stack_the_failure_says_how_to_get_one(command: str) -> None:
    finished = await pointsman(command, "hi", "--address", "127.0.0.1:1")

    assert finished.code == 1
    assert re.fullmatch(
        "pointsman: no Pointsman answers at 127.0.0.1:1; "
        "start one with `.*python.* -m pointsman up`, or name it with --address\n"
        "without keys and Ollama: `.* -m pointsman demo`, or `make demo` in the source tree; .* needs --authority, "
        "and may need --certificate and --key\n",
        finished.err,
    )


@pytest.mark.parametrize("command", ["pools", "report"])
async def test_without_an_executor_the_failure_says_how_to_get_one(command: str) -> None:
    finished = await pointsman(command, "--address", "127.0.0.1:1")

    assert finished.code == 1
    assert "no Executor answers at 127.0.0.1:1; start a stack with `" in finished.err
    assert "-m pointsman doctor`" in finished.err


@pytest.mark.parametrize(
    "arguments, room, says",
    [
        pytest.param(("route", "hi"), "executor", "is no Router; it listens at 127.0.0.1:50051 unless", id="route"),
        pytest.param(("explain", "hi"), "classifier", "is no Router", id="explain"),
        pytest.param(("pools",), "router", "is no Executor; it listens at 127.0.0.1:50053 unless", id="pools"),
        pytest.param(("pools", "--watch"), "router", "is no Executor", id="pools that are watched"),
        pytest.param(("report",), "classifier", "is no Executor", id="report"),
    ],
)
async def test_the_address_of_another_service_is_noticed(
    arguments: tuple[str, ...], room: str, says: str, stack: Stack
) -> None:
    finished = await pointsman(*arguments, "--address", stack.addresses[room])

    assert finished.code == 1
    assert f"what listens at {stack.addresses[room]} {says}" in finished.err
    assert finished.err.count("\n") == 1


async def test_an_output_without_korean_letters_gets_escapes(stack: Stack) -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    address = stack.router.address

    plain = await pointsman("route", "2+2는?", "--address", address, environment=ascii_only)
    as_json = await pointsman("explain", "2+2는?", "--json", "--address", address, environment=ascii_only)

    assert plain.code == 0
    assert "\\ub294" in plain.out
    assert as_json.json()["plan"]["category"] == "quick"


async def test_explain_shows_the_decision_and_calls_nobody(stack: Stack, simulation: Simulation) -> None:
    finished = await ask(stack, "explain", "Fix this code: def f(x) return x", "--category", "coding")

    assert finished.code == 0
    for part in (
        "coding 1.00",
        "pool coding (ordered): 3 of 3 eligible, tried in this order",
        "1. anthropic/claude-sonnet",
        "local fallback",
        "settings ",
    ):
        assert part in finished.out
    assert simulation.tallies.total.calls == 0


async def test_explain_says_who_is_left_out_and_until_when(stack: Stack, simulation: Simulation) -> None:
    simulation.script("gemini-3.8-flash", Fault.MINUTE_LIMIT)
    await ask(stack, "route", "hi", "--category", "quick")

    finished = await ask(stack, "explain", "hi", "--category", "quick")

    assert "1 of 2 eligible" in finished.out
    assert "gemini/gemini-flash · skipped: cooling" in finished.out
    assert "ready in " in finished.out


async def test_explain_has_json_for_scripts(stack: Stack) -> None:
    finished = await ask(stack, "explain", "hi", "--json")

    assert {"verdict", "plan"} <= set(finished.json())


async def test_pools_shows_every_candidate(stack: Stack, settings: Settings) -> None:
    finished = await ask(stack, "pools")

    assert finished.code == 0
    assert [name for name in settings.candidates if name not in finished.out] == []
    assert len(finished.out.splitlines()) == len(settings.candidates)
    assert "\t1,000 of 1,000 requests/min, configured; " in finished.out
    assert "\tkey POINTSMAN_SIMULATED_KEY set\n" in finished.out


async def test_pools_has_json_for_scripts(stack: Stack, settings: Settings) -> None:
    finished = await ask(stack, "pools", "--category", "quick", "--json")

    ids = [each["candidate"] for each in finished.json()["candidates"]]
    assert ids == list(settings.pools["quick"].candidates)


async def test_watching_pools_goes_on_with_what_changes(stack: Stack) -> None:
    address = stack.addresses["executor"]
    async with pointsman_running("pools", "--watch", "--json", "--address", address) as watching:
        first = await watching.json_line()
        await ask(stack, "route", "hi", "--category", "quick")
        changed = await watching.json_line()

    assert len(first["candidates"]) > len(changed["candidates"])
    assert "gemini/gemini-flash" in {each["candidate"] for each in changed["candidates"]}


async def test_watching_in_a_pipe_prints_a_line_for_each_state_that_changed(stack: Stack, settings: Settings) -> None:
    address = stack.addresses["executor"]
    async with pointsman_running("pools", "--watch", "--address", address) as watching:
        first = [await watching.line() for _ in settings.candidates]
        await ask(stack, "route", "hi", "--category", "coding")
        changed = await watching.line()

    assert [line.split("\t")[0] for line in first] == list(settings.candidates)
    assert changed.startswith("anthropic/claude-sonnet\tready\t")
    assert changed not in first


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["lines", "json"])
async def test_watching_ends_at_once_when_nobody_reads_any_more(form: tuple[str, ...], stack: Stack) -> None:
    reading, writing = os.pipe()
    command = (sys.executable, "-m", "pointsman", "pools", "--watch", *form, "--address", stack.addresses["executor"])
    watching = await asyncio.create_subprocess_exec(*command, env={}, stdout=writing, stderr=asyncio.subprocess.PIPE)
    os.close(writing)
    first = await asyncio.to_thread(os.read, reading, 10)

    os.close(reading)
    async with asyncio.timeout(20):
        _, err = await watching.communicate()

    assert first
    assert watching.returncode == 1
    assert err == b""


async def test_a_report_by_label_without_labels_says_so(stack: Stack) -> None:
    await ask(stack, "route", "hi", "--category", "quick")

    finished = await ask(stack, "report", "--by", "label")

    assert "No request in this span of time carried a label" in finished.out


async def test_report_sums_up_what_the_stack_has_seen(stack: Stack) -> None:
    await ask(stack, "route", "hi", "--category", "quick")
    await ask(stack, "route", "hi", "--category", "coding")

    finished = await ask(stack, "report", "--by", "category", "--since", "1h")

    assert finished.code == 0
    assert finished.out.startswith("2 requests since ")
    assert "calls per request" in finished.out
    assert "\nquick\t1 requests\t" in finished.out
    assert "the Executor forgets it when it stops" in finished.out


async def test_a_report_that_is_a_page_too_says_where_the_page_is(stack: Stack, tmp_path: Path) -> None:
    page = tmp_path / "report.html"

    finished = await ask(stack, "report", "--html", str(page))

    assert finished.out.replace("\n", "").endswith(f"The page is in {page}.")


async def test_report_has_json_for_scripts(stack: Stack) -> None:
    finished = await ask(stack, "report", "--json")

    assert finished.json()["total"]["requests"] == "0"
    assert json.loads(finished.out) == finished.json()


async def test_interrupted_watching_ends_without_a_word(stack: Stack) -> None:
    async with pointsman_running("pools", "--watch", "--json", "--address", stack.addresses["executor"]) as watching:
        await watching.line()
        watching.tell(signal.SIGINT)
        finished = await watching.end()

    assert finished.code == 130
    assert finished.err == ""


async def test_a_prompt_that_is_given_up_ends_without_a_traceback(stack: Stack, simulation: Simulation) -> None:
    simulation.script("*", Fault.SILENCE)
    async with pointsman_running("route", "hi", "--address", stack.addresses["router"]) as asking:
        while not simulation.tallies.total.in_flight:
            await SystemClock().sleep(0.01)
        asking.tell(signal.SIGINT)
        finished = await asking.end()

    assert finished.code == 130
    assert finished.err == "pointsman: stopped; the request was cancelled, and the provider's work with it\n"


async def test_time_that_runs_out_is_said_with_who_was_called_and_for_how_long(
    stack: Stack, simulation: Simulation
) -> None:
    simulation.script("*", Fault.SILENCE, times=9)

    finished = await ask(stack, "route", "hi", "--category", "quick", "--timeout", "1.4")
    as_json = await ask(stack, "route", "hi", "--category", "quick", "--timeout-s", "1.4", "--json")

    assert finished.code == as_json.code == 1
    assert re.search(r"\n  called gemini/gemini-flash for [\d.]+ m?s: timed out", finished.err)
    steps = as_json.json()["error"]["trail"]["steps"]
    assert [step["attempt"]["candidate"] for step in steps if "attempt" in step][:1] == ["gemini/gemini-flash"]


async def test_when_nobody_answers_the_trail_that_the_message_promises_is_there(
    stack: Stack, simulation: Simulation
) -> None:
    simulation.script("*", Fault.SERVER_ERROR, times=9)

    finished = await ask(stack, "route", "hi", "--category", "quick")

    assert finished.code == 1
    assert "the trail says why\n" in finished.err
    for candidate in ("gemini/gemini-flash", "anthropic/claude-haiku", "local/qwen2.5-14b"):
        assert re.search(rf"\n  called {candidate} for .*: server error", finished.err)


async def test_the_summary_says_why_another_model_was_passed_over(stack: Stack, simulation: Simulation) -> None:
    simulation.script("gemini-3.8-flash", Fault.SERVER_ERROR)

    finished = await ask(stack, "route", "hi", "--category", "quick")

    assert "passed over: gemini/gemini-flash (server error)" in finished.err


@pytest.mark.parametrize("command", [("route", "hi"), ("pools",)], ids=["route", "pools"])
@pytest.mark.parametrize(
    "address, says",
    [
        pytest.param("localhost", "--address localhost names no host with a port; give host:port", id="no port"),
        pytest.param("http://127.0.0.1:1", "--address http://127.0.0.1:1 is a URL; give host:port alone", id="a URL"),
    ],
)
async def test_an_address_that_cannot_be_one_is_refused(command: tuple[str, ...], address: str, says: str) -> None:
    finished = await pointsman(*command, "--address", address)

    assert finished.code == 2
    assert says in finished.err
