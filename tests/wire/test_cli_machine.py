"""`pointsman doctor`, `pull` and `check-config`, as processes of their own, against Ollamas and ports of every kind."""

import json
import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from pointsman.cli.rehearsal import overrides
from pointsman.cli.stack import Stack
from pointsman.config import Settings
from pointsman.domain.clock import SystemClock
from pointsman.simulator import scenarios
from pointsman.simulator.server import serve
from pointsman.simulator.simulation import Simulation
from tests.fakes.command import Finished, pointsman
from tests.fakes.http_server import Fate, ScriptedReply, http_server

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "deploy/pointsman.toml"

ANY_PORTS = {
    "POINTSMAN_CONFIG": str(REFERENCE),
    "POINTSMAN__ROUTER__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__CLASSIFIER__ADDRESS": "127.0.0.1:0",
    "POINTSMAN__EXECUTOR__ADDRESS": "127.0.0.1:0",
}
CANARY = "sk-canary-0123456789abcdefghij"


def ollama_at(url: str) -> dict[str, str]:
    return {"POINTSMAN__PROVIDERS__LOCAL__BASE_URL": url, "POINTSMAN__CLASSIFIER__OLLAMA__URL": url}


NO_OLLAMA = ollama_at("http://127.0.0.1:1")


def finding(finished: Finished, subject: str) -> Any:  # noqa: ANN401 - JSON
    return next(each for each in finished.json()["findings"] if each["subject"] == subject)


async def test_doctor_finds_nothing_wrong_where_all_is_there(settings: Settings, simulation: Simulation) -> None:
    environment = ANY_PORTS | overrides(settings, simulation.base_urls)

    finished = await pointsman("doctor", "--json", environment=environment)

    assert finished.code == 0
    assert [each for each in finished.json()["findings"] if each["level"] != "ok"] == []
    assert finished.json()["usable"] == list(settings.candidates)
    assert finding(finished, "self-test")["message"].startswith("label coverage 0.")


async def test_doctor_says_who_is_simulated_before_its_last_word(settings: Settings, simulation: Simulation) -> None:
    finished = await pointsman("doctor", environment=ANY_PORTS | overrides(settings, simulation.base_urls))

    *_, warning, _ = finished.out.splitlines()
    assert warning == "SIMULATED: what anthropic, gemini, openai, deepseek, moonshot, local answer is invented."


async def test_doctor_leaves_with_1_when_nothing_could_answer_and_says_what_to_do() -> None:
    finished = await pointsman("doctor", "--json", environment=ANY_PORTS | NO_OLLAMA)

    assert finished.code == 1
    assert finished.json()["can_answer"] is False
    assert "console.anthropic.com" in finding(finished, "key anthropic")["advice"]
    assert "ollama serve" in finding(finished, "ollama http://127.0.0.1:1")["advice"]
    assert finding(finished, "pool coding")["level"] == "problem"


async def test_doctor_speaks_to_people_too() -> None:
    finished = await pointsman("doctor", environment=ANY_PORTS | NO_OLLAMA)

    assert finished.code == 1
    assert "note    key openai: OPENAI_API_KEY is not set" in finished.out
    assert "        → export OPENAI_API_KEY=… with a key from https://platform.openai.com" in finished.out
    assert finished.out.endswith("\nNothing could answer yet.\n")
    assert "\x1b" not in finished.out


async def test_doctor_never_shows_a_key() -> None:
    environment = ANY_PORTS | NO_OLLAMA | {"OPENAI_API_KEY": CANARY}

    plain = await pointsman("doctor", environment=environment)
    as_json = await pointsman("doctor", "--json", environment=environment)

    assert plain.code == 0
    assert finding(as_json, "key openai") == {
        "subject": "key openai",
        "level": "ok",
        "message": "OPENAI_API_KEY is set",
        "advice": "",
    }
    assert "canary" not in plain.out + plain.err + as_json.out + as_json.err


async def test_doctor_knows_a_running_pointsman_from_a_stranger_on_its_port(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        stranger = f"127.0.0.1:{taken.getsockname()[1]}"
        environment = ANY_PORTS | NO_OLLAMA
        environment |= {"POINTSMAN__ROUTER__ADDRESS": stack.router.address, "POINTSMAN__EXECUTOR__ADDRESS": stranger}

        finished = await pointsman("doctor", "--json", environment=environment)

    assert finding(finished, "port router")["message"].endswith("is held by a running Pointsman")
    assert finding(finished, "port executor")["message"].endswith("is taken by another program")
    assert finding(finished, "port executor")["level"] == "problem"
    assert finished.json()["running"] == {"router": stack.router.address}
    assert finding(finished, "port classifier")["message"].endswith("is free")


async def test_doctor_beside_a_running_pointsman_says_whom_its_verdict_is_about(stack: Stack) -> None:
    addresses = {f"POINTSMAN__{room.upper()}__ADDRESS": address for room, address in stack.addresses.items()}

    finished = await pointsman("doctor", environment=ANY_PORTS | NO_OLLAMA | addresses)

    *_, verdict, runs, command = finished.out.splitlines()
    assert finished.code == 1
    assert verdict == "Nothing could answer yet, with the settings and keys of this shell."
    assert runs == "A Pointsman runs here already; what that one can call:"
    assert command.endswith(f"-m pointsman pools --address {stack.executor.address}")


async def test_doctor_knows_a_wrong_override_from_a_wrong_file() -> None:
    finished = await pointsman("doctor", "--json", environment=ANY_PORTS | {"POINTSMAN__ROUTER__ADRESS": "x"})

    assert finished.code == 2
    assert finding(finished, "settings")["advice"] == "correct or unset POINTSMAN__ROUTER__ADRESS"


async def test_doctor_names_the_wrong_file_in_the_command_that_looks_at_it(tmp_path: Path) -> None:
    wrong = tmp_path / "my settings.toml"
    wrong.write_text("[router]\nadress = 1\n")

    finished = await pointsman("doctor", "--json", "--config", str(wrong), environment=NO_OLLAMA)

    assert finished.code == 2
    assert f" check-config '{wrong}' looks at the file alone" in finding(finished, "settings")["advice"]


async def test_check_config_knows_a_wrong_override_from_a_wrong_file() -> None:
    finished = await pointsman("check-config", str(REFERENCE), environment={"POINTSMAN__ROUTER__ADRESS": "x"})

    assert finished.code == 2
    assert finished.err.endswith("\n  → correct or unset POINTSMAN__ROUTER__ADRESS\n")
    assert str(REFERENCE) not in finished.err


@pytest.mark.parametrize(
    "local, subject, says_what",
    [
        pytest.param({"version": "0.12.10"}, None, "gives no log-probabilities", id="an old Ollama"),
        pytest.param({"models": ()}, "model qwen2.5:1.5b-instruct", "is not there", id="no models"),
        pytest.param({"has_logprobs": False}, "self-test", "label coverage 0.00", id="no log-probabilities"),
    ],
)
async def test_doctor_says_what_is_wrong_with_ollama(
    local: Mapping[str, Any], subject: str | None, says_what: str, settings: Settings
) -> None:
    scenario = replace(scenarios.INSTANT, local=replace(scenarios.INSTANT.local, **local))
    async with serve(scenario, clock=SystemClock(), seed=1) as simulation:
        environment = ANY_PORTS | overrides(settings, simulation.base_urls)

        finished = await pointsman("doctor", "--json", environment=environment)
        found = finding(finished, subject or f"ollama {simulation.base_urls['ollama']}")

    assert found["level"] == "note"
    assert says_what in found["message"]
    assert found["advice"]


async def test_doctor_names_the_providers_whose_limits_nobody_knows(tmp_path: Path) -> None:
    bare = REFERENCE.read_text().replace(
        "\nquota = { requests_per_minute = 150", "\n# quota = { requests_per_minute = 150"
    )
    file = tmp_path / "bare.toml"
    file.write_text(bare)

    finished = await pointsman("doctor", "--json", "--config", str(file), environment=ANY_PORTS | NO_OLLAMA)

    subjects = {each["subject"] for each in finished.json()["findings"]}
    assert "quota gemini/gemini-pro" in subjects
    assert "quota gemini/gemini-flash" not in subjects
    assert "quota moonshot/kimi" not in subjects
    assert "quota openai/gpt-4" not in subjects


async def test_doctor_reports_settings_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text("[router]\nadress = 1\n")

    finished = await pointsman("doctor", "--config", str(file), "--json")

    assert finished.code == 2
    assert "router.adress is not a setting; did you mean 'address'?" in finding(finished, "settings")["message"]


@pytest.mark.parametrize(
    "reply, says_what",
    [
        pytest.param(ScriptedReply(body=b"<html>hello</html>"), "is not Ollama", id="a web page"),
        pytest.param(ScriptedReply(status=404), "is not Ollama: it answers 404", id="another server"),
        pytest.param(ScriptedReply(body=b"[]"), "its answer has another shape", id="JSON of another shape"),
        pytest.param(ScriptedReply(fate=Fate.RESET), "no Ollama at", id="a reset"),
        pytest.param(ScriptedReply(fate=Fate.SILENCE), "does not answer in time", id="silence"),
    ],
)
async def test_doctor_is_not_upset_by_what_listens_in_place_of_ollama(reply: ScriptedReply, says_what: str) -> None:
    async with http_server(reply) as server:
        url = server.url
        finished = await pointsman("doctor", "--json", environment=ANY_PORTS | ollama_at(url))

    assert says_what in finding(finished, f"ollama {url}")["message"]


async def test_pull_brings_the_large_model_before_the_small_one(settings: Settings, simulation: Simulation) -> None:
    environment = ANY_PORTS | overrides(settings, simulation.base_urls)

    finished = await pointsman("pull", "--json", environment=environment)

    lines = [json.loads(line) for line in finished.out.splitlines()]
    assert finished.code == 0
    assert [line["model"] for line in lines if line.get("ok")] == ["qwen2.5:14b-instruct-q8_0", "qwen2.5:1.5b-instruct"]
    halfway = [line for line in lines if line.get("total_bytes")]
    assert all(0 <= line["completed_bytes"] <= line["total_bytes"] for line in halfway)


@pytest.mark.parametrize(
    "only, model",
    [("classifier", "qwen2.5:1.5b-instruct"), ("fallback", "qwen2.5:14b-instruct-q8_0")],
    ids=["classifier", "fallback"],
)
async def test_pull_brings_only_the_model_that_was_asked_for(
    only: str, model: str, settings: Settings, simulation: Simulation
) -> None:
    environment = ANY_PORTS | overrides(settings, simulation.base_urls)

    finished = await pointsman("pull", "--only", only, environment=environment)

    assert finished.code == 0
    assert {line.split(": ")[0] for line in finished.out.splitlines()} == {model}
    assert finished.out.splitlines()[-1].startswith(f"{model}: success")


async def test_pull_without_ollama_says_how_to_get_it() -> None:
    finished = await pointsman("pull", environment=ANY_PORTS | NO_OLLAMA)

    assert finished.code == 1
    assert finished.err == (
        "pointsman: no Ollama at http://127.0.0.1:1; get it at https://ollama.com/download and start it: ollama serve\n"
    )


def lines_of(*lines: Mapping[str, object]) -> ScriptedReply:
    return ScriptedReply(
        headers={"content-type": "application/x-ndjson"}, body=b"".join(orjson.dumps(line) + b"\n" for line in lines)
    )


LAYER = {"status": "pulling 0123456789ab", "digest": "sha256:01", "total": 100}


@pytest.mark.parametrize(
    "reply, says_what",
    [
        pytest.param(
            lines_of({"status": "pulling manifest"}, {"error": "pull model manifest: file does not exist"}),
            "says: pull model manifest: file does not exist",
            id="an error inside a good answer",
        ),
        pytest.param(lines_of(LAYER | {"completed": 40}), "stopped in the middle", id="no success at the end"),
        pytest.param(ScriptedReply(status=500, body=b'{"error":"disk full"}'), "says: disk full", id="an error"),
        pytest.param(ScriptedReply(fate=Fate.RESET), "no Ollama at", id="a reset"),
    ],
)
async def test_only_success_counts_as_pulled(reply: ScriptedReply, says_what: str) -> None:
    async with http_server(reply) as server:
        url = server.url
        finished = await pointsman("pull", "--only", "classifier", environment=ANY_PORTS | ollama_at(url))

    assert finished.code == 1
    assert says_what in finished.err
    assert "Traceback" not in finished.err
    assert finished.err.count("\n") <= 3


async def test_a_line_without_completed_bytes_does_not_go_back() -> None:
    reply = lines_of(LAYER | {"completed": 40}, LAYER, {"status": "success"})
    async with http_server(reply) as server:
        url = server.url
        finished = await pointsman("pull", "--only", "classifier", "--json", environment=ANY_PORTS | ollama_at(url))

    completed = [json.loads(line).get("completed_bytes") for line in finished.out.splitlines()]
    assert completed == [40, 40, 40, None]


async def test_check_config_shows_what_a_file_amounts_to() -> None:
    finished = await pointsman("check-config", str(REFERENCE))

    assert finished.code == 0
    assert finished.out.startswith(f"{REFERENCE}: fine\n")
    assert "anthropic/claude-sonnet → deepseek/deepseek-coder → openai/gpt-4" in finished.out
    assert "local fallback: local/qwen2.5-14b" in finished.out


async def test_check_config_shows_limits_and_how_their_minutes_are_counted() -> None:
    group = "POINTSMAN__GROUPS__GEMINI-FLASH__"
    variables = {f"{group}ALGORITHM": "fixed_window", f"{group}OFFSET_S": "17"}

    finished = await pointsman("check-config", str(REFERENCE), environment=variables)

    assert "limits of group gemini-flash: 1,000 requests/min · 10,000 requests/day · " in finished.out
    assert " · each minute begins at its second 17\n" in finished.out
    assert "limits of candidate deepseek/deepseek-coder: 500 at once\n" in finished.out
    assert "no limits are set for openai/gpt-4, local/qwen2.5-14b" in finished.out


async def test_check_config_tells_scripts_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[routr]\n", encoding="utf-8")

    finished = await pointsman("check-config", str(file), "--json")

    assert finished.code == 2
    assert finished.json()["ok"] is False
    assert "routr is not a setting" in finished.json()["error"]["message"]


async def test_check_config_knows_a_window_in_which_the_instructions_leave_no_room() -> None:
    variables = {"POINTSMAN__CLASSIFIER__OLLAMA__NUM_CTX": "1024"}
    finished = await pointsman("check-config", str(REFERENCE), environment=variables)

    assert finished.code == 2
    assert "classifier.ollama.num_ctx is 1024; the instructions need at least" in finished.err


async def test_check_config_refuses_an_address_that_up_would_refuse() -> None:
    variables = {"POINTSMAN__EXECUTOR__ADDRESS": "0.0.0.0:50053"}

    finished = await pointsman("check-config", str(REFERENCE), environment=variables)

    assert finished.code == 2
    assert "cannot listen on 0.0.0.0:50053: others can reach it" in finished.err


async def test_check_config_has_json_for_scripts(settings: Settings) -> None:
    told = (await pointsman("check-config", str(REFERENCE), "--json")).json()

    assert told["ok"] is True
    assert list(told["pools"]) == list(settings.pools)
    assert len(told["hash"]) == 12
    assert told["limits"]["candidates"]["deepseek/deepseek-coder"] == {"concurrency": 500}


@pytest.mark.parametrize(
    "text, says_what",
    [
        pytest.param("[router\n", "is not valid TOML", id="not TOML"),
        pytest.param("[routr]\n", "routr is not a setting; did you mean 'router'?", id="unknown key"),
        pytest.param('[router]\ngrace_s = "long"\n', "router.grace_s = 'long': must be a number", id="wrong type"),
        pytest.param("", "providers is missing", id="empty"),
    ],
)
async def test_check_config_names_what_is_wrong(text: str, says_what: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)

    finished = await pointsman("check-config", str(file))

    assert finished.code == 2
    assert finished.out == ""
    assert says_what in finished.err
    assert str(file) in finished.err


async def test_check_config_of_a_file_that_is_not_there() -> None:
    finished = await pointsman("check-config", "/nowhere.toml")

    assert finished.code == 2
    assert re.fullmatch(
        "pointsman: settings file /nowhere.toml does not exist; "
        "name one that does: .* -m pointsman check-config FILE\n",
        finished.err,
    )


async def test_check_config_of_what_is_no_file(tmp_path: Path) -> None:
    finished = await pointsman("check-config", str(tmp_path))

    assert finished.code == 2
    assert finished.err == f"pointsman: settings file {tmp_path} cannot be read: Is a directory\n"


async def test_check_config_of_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"[router]\xff\n")

    finished = await pointsman("check-config", str(file))

    assert finished.code == 2
    assert "is not valid TOML" in finished.err
    assert "Traceback" not in finished.err


async def test_check_config_knows_a_model_of_which_too_little_is_known(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(REFERENCE.read_text().replace('model = "claude-opus-5-5"', 'model = "claude-unheard-of"'))

    finished = await pointsman("check-config", str(file))

    assert finished.code == 2
    assert 'candidates."anthropic/claude-opus".facts.context_tokens is missing' in finished.err
