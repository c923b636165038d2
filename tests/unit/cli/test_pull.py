from dataclasses import replace
from pathlib import Path

import pytest

from pointsman.cli.ollama import Progress
from pointsman.cli.pull import PlainLines, Wanted, models
from pointsman.config import Settings, load
from pointsman.config.settings import FallbackSettings

WANTED = Wanted(which="classifier", url="http://127.0.0.1:11434", model="small")


@pytest.fixture(scope="module")
def reference() -> Settings:
    return load(Path(__file__).parents[3] / "deploy/pointsman.toml", environ={})


def test_the_large_model_comes_first(reference: Settings) -> None:
    assert [wanted.which for wanted in models(reference)] == ["fallback", "classifier"]


def test_a_model_that_is_not_used_is_not_brought(reference: Settings) -> None:
    classifier = replace(reference.classifier, mode="embedded")

    assert models(replace(reference, classifier=classifier, fallback=FallbackSettings())) == ()


def test_where_nobody_watches_a_line_comes_with_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    show = PlainLines()

    show(WANTED, Progress(status="pulling manifest", completed_bytes=0, total_bytes=0))
    for percent in range(101):
        show(WANTED, Progress(status="pulling 01", completed_bytes=percent * 10**7, total_bytes=10**9))

    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["small: pulling manifest", "small: pulling 01 0 % of 1.00 GB"]
    assert len(lines) == 12
