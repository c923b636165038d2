"""`pointsman eval` as a shell runs it: a process of its own, the real classifier, and a scripted Ollama."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.fakes.command import pointsman
from tests.fakes.ollama import FakeOllama

PROMPTS = (
    {"text": "write a bash loop over all files of this folder", "label": "coding", "lang": "en"},
    {"text": "What is the capital of France?", "label": "quick", "lang": "en"},
    {"text": "이 문장을 더 공손하게 고쳐줘: 자료 보내.", "label": "review", "lang": "ko", "also_ok": ["quick"]},
    {"text": "", "label": "vision", "has_image": True},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "prompts.jsonl"
    made.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in PROMPTS), encoding="utf-8")
    return made


async def test_scripts_get_one_object_and_nothing_else(file: Path) -> None:
    finished = await pointsman("eval", str(file), "--json", "--min-accuracy", "0.5")

    assert (finished.code, finished.err) == (0, "")
    told = finished.json()
    assert (told["ok"], told["falls_short"]) == (True, [])
    assert (told["figures"]["prompts"], told["figures"]["mode"], told["figures"]["hop_share"]) == (4, "embedded", 0.0)
    assert told["figures"]["confusion"]["vision"]["vision"] == 1


async def test_a_bound_that_does_not_hold_fails_the_build_and_is_named(file: Path) -> None:
    finished = await pointsman("eval", str(file), "--json", "--max-p99-ms", "0")

    assert finished.code == 1
    short = finished.json()["falls_short"]
    assert finished.json()["ok"] is False
    assert short[0].endswith("wanted at most 0")
    assert finished.err == f"pointsman: the evaluation fell short: {short[0]}\n"


async def test_people_get_figures_and_a_page(file: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    finished = await pointsman("eval", str(file), "--html", str(report))

    assert (finished.code, finished.err) == (0, "")
    assert f"\nThe report is in {report}.\n" in finished.out
    assert "prompts\t4\n" in finished.out
    made = report.read_text(encoding="utf-8").removeprefix("<!doctype html>\n")
    assert ET.fromstring(made).findtext("body/h1") == "Classifier on prompts.jsonl"  # noqa: S314 - our own


@pytest.mark.parametrize("mode", ["cascade", "ollama"])
async def test_with_the_small_model_it_is_asked_in_both_orders(mode: str, file: Path) -> None:
    async with FakeOllama().running() as ollama:
        finished = await pointsman(
            "eval", str(file), "--mode", mode, "--json", environment={"POINTSMAN__CLASSIFIER__OLLAMA__URL": ollama.url,
            "POINTSMAN__CLASSIFIER__ACCEPT_CONFIDENCE": "1.0"},
        )  # fmt: skip

    assert (finished.code, finished.err) == (0, "")
    figures = finished.json()["figures"]
    assert (figures["mode"], figures["hop_share"]) == (mode, 0.75)
    assert figures["hop"] == {"answered": 3, "not_needed": 1}
    assert (figures["flips"]["share"], figures["flips"]["asked_twice"]) == (0.0, 3)


class Swayed(FakeOllama):
    """A model that names what is described first."""

    def _answer(self, body: dict[str, object]) -> dict[str, object]:
        prompt = str(body["prompt"])
        first = "reasoning" if prompt.index("\nreasoning:") < prompt.index("\nquick:") else "quick"
        self.first_token = {f" {first}": 0.9}
        return super()._answer(body)


async def test_a_verdict_that_goes_by_the_order_is_a_flip(file: Path) -> None:
    async with Swayed().running() as ollama:
        environment = {"POINTSMAN__CLASSIFIER__OLLAMA__URL": ollama.url}
        finished = await pointsman("eval", str(file), "--mode", "ollama", "--json", environment=environment)

    assert (finished.json()["figures"]["flips"]["share"], finished.json()["figures"]["flips"]["asked_twice"]) == (1, 3)


async def test_where_no_ollama_runs_the_way_out_is_named(file: Path) -> None:
    environment = {"POINTSMAN__CLASSIFIER__OLLAMA__URL": "http://127.0.0.1:9"}

    finished = await pointsman("eval", str(file), "--mode", "cascade", environment=environment)

    assert (finished.code, finished.out) == (1, "")
    assert finished.err == (
        'pointsman: mode "cascade" asks qwen2.5:1.5b-instruct, but no Ollama answers at http://127.0.0.1:9; start it: '
        "ollama serve\nor judge the embedded classifier alone: --mode embedded\n"
    )


async def test_a_model_that_is_not_there_is_named_with_the_way_to_get_it(file: Path) -> None:
    async with FakeOllama(installed=False).running() as ollama:
        environment = {"POINTSMAN__CLASSIFIER__OLLAMA__URL": ollama.url}
        finished = await pointsman("eval", str(file), "--mode", "ollama", environment=environment)

    assert finished.code == 1
    assert "but Ollama does not have it; get it: " in finished.err
    assert "pull --only classifier" in finished.err


@pytest.mark.parametrize(
    "content, arguments, complaint",
    [
        pytest.param(
            '\n{"text": "hi", "label": "chat"}', (), "prompts.jsonl, line 2: \"label\" names 'chat'", id="no label"
        ),
        pytest.param('{"text": "hi", "label": "quick"}', ("--html", "/nowhere/r.html"), "no folder", id="no folder"),
        pytest.param('{"text": "hi", "label": "quick"}', ("--min-accuracy", "80"), "--min-accuracy", id="no share"),
    ],
)
async def test_misuse_is_told_before_anything_is_judged(
    content: str, arguments: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(content, encoding="utf-8")

    finished = await pointsman("eval", str(file), *arguments)

    assert (finished.code, finished.out) == (2, "")
    assert complaint in finished.err


async def test_a_file_that_is_missing_is_named() -> None:
    finished = await pointsman("eval", "/nowhere/prompts.jsonl")

    assert (finished.code, finished.err) == (
        2, "pointsman: cannot read /nowhere/prompts.jsonl: No such file or directory\n",
    )  # fmt: skip
