import pytest

from pointsman.cli.failure import Misuse
from pointsman.cli.simulate import fault_of
from pointsman.simulator.faults import Fault, ScriptedFault


@pytest.mark.parametrize(
    "words, fault",
    [
        ("*=reset", ScriptedFault(model="*", fault=Fault.RESET)),
        ("openai=stream_cut:3", ScriptedFault(model="openai", fault=Fault.STREAM_CUT, times=3)),
        (
            "qwen2.5:14b-instruct-q8_0=overloaded:12",
            ScriptedFault(model="qwen2.5:14b-instruct-q8_0", fault=Fault.OVERLOADED, times=12),
        ),
    ],
)
def test_a_fault_is_asked_for_in_words(words: str, fault: ScriptedFault) -> None:
    assert fault_of(words) == fault


@pytest.mark.parametrize(
    "words", ["reset", "=reset", "openai=", "openai=explosion", "openai=reset:0", "openai=reset:x"]
)
def test_what_is_no_fault_is_told_with_those_that_are(words: str) -> None:
    with pytest.raises(Misuse, match=r"write MODEL=FAULT.*stream_cut"):
        fault_of(words)
