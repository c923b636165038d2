import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import KEPT, mutated, seeds
from tests.fuzz.targets import TARGETS

EXAMPLES = 40
"""Of a target in the ordinary suite; `make fuzz` has its own number."""


def examples() -> int:
    usual = settings.get_profile("default").max_examples
    return EXAMPLES if settings().max_examples == usual else settings().max_examples


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_kept_and_what_is_documented_breaks_no_promise(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_a_promise(target: str) -> None:
    inputs = st.one_of(st.sampled_from(seeds(target)).flatmap(mutated), st.binary(max_size=300))

    @settings(max_examples=examples(), deadline=None, suppress_health_check=list(HealthCheck))
    @given(inputs)
    def play(content: bytes) -> None:
        TARGETS[target](content)

    play()


def test_every_folder_of_the_corpus_has_a_target() -> None:
    assert [folder.name for folder in KEPT.iterdir() if folder.is_dir() and folder.name not in TARGETS] == []
