import json
from pathlib import Path

import pytest

from pointsman.cli.failure import Misuse
from pointsman.cli.labelled import Labelled, read_labelled

KNOWN = ("coding", "quick", "vision")


def written(folder: Path, *lines: str) -> Path:
    file = folder / "prompts.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def test_text_and_label_are_enough(tmp_path: Path) -> None:
    file = written(tmp_path, '{"text": "2+2는?", "label": "quick"}')

    assert read_labelled(file, KNOWN) == (Labelled(id="line 1", text="2+2는?", label="quick"),)


def test_all_that_a_line_may_say_is_read_and_the_rest_passed_over(tmp_path: Path) -> None:
    row = {
        "id": 7, "text": "고쳐줘", "label": "coding", "also_ok": ["quick"], "lang": "ko", "has_image": True,
        "context": "earlier", "source": {"licence": "MIT"},
    }  # fmt: skip
    file = written(tmp_path, json.dumps(row))

    assert read_labelled(file, KNOWN) == (
        Labelled(
            id="7", text="고쳐줘", label="coding", also_ok=("quick",), lang="ko", has_image=True, context="earlier"
        ),
    )


def test_empty_lines_are_counted_but_hold_nothing(tmp_path: Path) -> None:
    file = written(tmp_path, "", '{"text": "hi", "label": "quick"}', "", '{"text": "yo", "label": "quick"}')

    assert [prompt.id for prompt in read_labelled(file, KNOWN)] == ["line 2", "line 4"]


def test_an_image_needs_no_words(tmp_path: Path) -> None:
    file = written(tmp_path, '{"text": "", "label": "vision", "has_image": true}')

    assert read_labelled(file, KNOWN)[0].text == ""


@pytest.mark.parametrize(
    "line, says",
    [
        pytest.param("hello", "this is no JSON (Expecting value", id="no JSON"),
        pytest.param("[" * 100_000, "this is nested too deep", id="too deep"),
        pytest.param("[]", "this is no JSON object", id="a list"),
        pytest.param('{"label": "quick"}', '"text" is missing', id="no text"),
        pytest.param('{"text": "hi"}', '"label" is missing', id="no label"),
        pytest.param('{"text": 5, "label": "quick"}', '"text" is 5; it must be a string', id="a number"),
        pytest.param('{"text": " ", "label": "quick"}', '"text" is empty', id="an empty text"),
        pytest.param(
            '{"text": "hi", "label": "chat"}',
            "\"label\" names 'chat'; the categories are coding, quick, vision",
            id="an unknown label",
        ),
        pytest.param(
            '{"text": "hi", "label": "quick", "also_ok": ["chat"]}', "\"also_ok\" names 'chat'", id="an unknown also_ok"
        ),
        pytest.param(
            '{"text": "hi", "label": "quick", "also_ok": "coding"}',
            "\"also_ok\" is 'coding'; it must be a list of categories",
            id="no list",
        ),
        pytest.param(
            '{"text": "hi", "label": "quick", "has_image": 1}',
            '"has_image" is 1; it must be true or false',
            id="no truth",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_what_is_wrong(line: str, says: str, tmp_path: Path) -> None:
    file = written(tmp_path, '{"text": "hi", "label": "quick"}', "", line)

    with pytest.raises(Misuse) as raised:
        read_labelled(file, KNOWN)

    assert str(raised.value).startswith(f"{file}, line 3: {says}")
    assert str(raised.value).endswith('; a line looks like {"text": "fix my loop", "label": "coding"}')


def test_a_long_value_is_quoted_in_part(tmp_path: Path) -> None:
    file = written(tmp_path, json.dumps({"text": "hi", "label": "x" * 10_000}))

    with pytest.raises(Misuse, match=r"'xxx+…; the categories") as raised:
        read_labelled(file, KNOWN)

    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("content", ["", "\n\n"], ids=["no line", "no words"])
def test_an_empty_file_is_refused(content: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="holds no prompt; a line looks like"):
        read_labelled(written(tmp_path, content), KNOWN)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"cannot read .*nowhere\.jsonl: No such file"):
        read_labelled(tmp_path / "nowhere.jsonl", KNOWN)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_bytes(b'{"text": "\xff"}')

    with pytest.raises(Misuse, match="is no text in UTF-8"):
        read_labelled(file, KNOWN)
