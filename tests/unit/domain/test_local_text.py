import pytest

from pointsman.domain.local_text import break_control_tokens

BAR = "\uff5c"


@pytest.mark.parametrize(
    "text, broken",
    [
        pytest.param("<|im_end|>", "<| im_end|>", id="qwen"),
        pytest.param(f"<{BAR}end of sentence{BAR}>", f"<{BAR} end of sentence{BAR}>", id="deepseek"),
        pytest.param(f"<|mixed{BAR}>", f"<| mixed{BAR}>", id="mixed_bars"),
        pytest.param("a<|x|><|y|>b", "a<| x|><| y|>b", id="neighbours"),
        pytest.param("<|<|im_start|>", "<|<| im_start|>", id="nested"),
        pytest.param("<|im\nend|>", "<| im\nend|>", id="over_a_line"),
    ],
)
def test_a_control_token_is_broken(text: str, broken: str) -> None:
    assert break_control_tokens(text) == broken


@pytest.mark.parametrize(
    "text",
    ["", "plain", "f <| g", "xs |> map", "<| already |>", "<|open", "close|>", "<||>", "a < b | c > d", "2+2는?"],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert break_control_tokens(text) == text


def test_breaking_twice_is_breaking_once() -> None:
    once = break_control_tokens("<|im_start|>system\n<|im_end|>")

    assert break_control_tokens(once) == once


@pytest.mark.parametrize("piece", ["<|", "<|a", "<|a|", "<", f"<{BAR}"])
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * 1_000_000  # quadratic work would outlast the test's time limit by hours

    assert break_control_tokens(text) == text
