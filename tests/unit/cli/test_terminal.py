import io
import json

import pytest
from rich.console import Console

from pointsman.cli.terminal import PIPE_WIDTH, count, dollars, gigabytes, print_json, printable, say, screen, seconds


@pytest.mark.parametrize(
    "text, shown",
    [
        pytest.param("plain\n\ttext", "plain\n\ttext", id="line ends and tabs stay"),
        pytest.param("한국어 — ok", "한국어 — ok", id="other alphabets stay"),
        pytest.param("a\x1b[2Jb", "a[2Jb", id="an escape that clears the screen"),
        pytest.param("a\x1b]0;title\x07b", "a]0;titleb", id="an escape that names the window"),
        pytest.param("50\r99", "5099", id="a return that hides what stands before it"),
        pytest.param("a\x9b2Jb", "a2Jb", id="an escape of eight bits"),
        pytest.param("a\x7fb", "ab", id="a delete"),
    ],
)
def test_no_text_steers_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "amount_usd, shown",
    [
        (None, "unknown cost"),
        (0.0, "$0"),
        (0.00019575, "$0.0002"),
        (0.00003, "$0.00003"),
        (0.0000000031, "$0.0000000031"),
        (0.0054, "$0.0054"),
        (0.25, "$0.25"),
        (1.5, "$1.50"),
        (1234.5, "$1,234.50"),
    ],
)
def test_amounts_have_the_digits_that_say_something(amount_usd: float | None, shown: str) -> None:
    assert dollars(amount_usd) == shown


@pytest.mark.parametrize(
    "duration_s, shown",
    [
        (0.0004, "0 ms"),
        (0.84, "840 ms"),
        (2.1, "2.1 s"),
        (60.0, "1 min"),
        (185.0, "3 min 5 s"),
        (7_800.0, "2 h 10 min"),
    ],
)
def test_durations_are_told_as_people_tell_them(duration_s: float, shown: str) -> None:
    assert seconds(duration_s) == shown


@pytest.mark.parametrize("size_bytes, shown", [(986_061_892, "986 MB"), (15_701_601_280, "15.70 GB")])
def test_sizes_are_in_the_units_of_model_libraries(size_bytes: int, shown: str) -> None:
    assert gigabytes(size_bytes) == shown


def test_a_pipe_gets_wide_lines_and_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)

    console = screen()
    console.print("x" * (PIPE_WIDTH - 1), style="red")

    assert out.getvalue() == "x" * (PIPE_WIDTH - 1) + "\n"


def test_brackets_in_a_text_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)

    screen().print("[bold]not bold[/bold] :smile:")

    assert out.getvalue() == "[bold]not bold[/bold] :smile:\n"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()

    Console(file=out, force_terminal=True).print("red", style="red")

    assert "\x1b[31m" not in out.getvalue()


@pytest.mark.parametrize(
    "number, shown",
    [(0, "0"), (9_998, "9,998"), (400_000, "400k"), (399_123, "399.1k"), (2_000_000, "2M"), (1_234_567, "1.235M")],
)
def test_large_numbers_are_told_in_four_digits(number: int, shown: str) -> None:
    assert count(number) == shown


@pytest.mark.parametrize(
    "width, shown",
    [
        (30, "  note  a b/c-d e/f-g h/i-j\n"),
        (20, "  note  a b/c-d\n        e/f-g h/i-j\n"),
    ],
)
def test_a_paragraph_goes_on_below_its_own_beginning(width: int, shown: str) -> None:
    out = io.StringIO()
    terminal = Console(file=out, width=width, force_terminal=True, color_system=None)

    say(terminal, "a b/c-d e/f-g h/i-j", lead="  note  ")

    assert out.getvalue() == shown


def test_a_paragraph_in_a_pipe_is_one_line_and_keeps_its_tabs() -> None:
    out = io.StringIO()

    say(Console(file=out, width=20), "a\tb " * 20, lead="  ")

    assert out.getvalue() == "  " + "a\tb " * 20 + "\n"


def test_json_stays_json_where_the_output_has_no_such_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii", errors="backslashreplace"))

    print_json({"text": "답 · é"})

    assert json.loads(written.getvalue()) == {"text": "답 · é"}
