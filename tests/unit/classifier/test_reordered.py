from pointsman.classifier import instructions
from pointsman.classifier.hop import Opinion
from pointsman.classifier.reordered import Reordered, reordered
from pointsman.domain.category import CATEGORIES
from pointsman.domain.verdict import ModelHop

PROMPT = instructions.write("coding: do this\nquick: and that", "", num_ctx=4096)


def described(prompt: str) -> list[str]:
    task = prompt.partition("<|im_end|>")[0]
    return [line.partition(":")[0] for line in task.split("\n") if line.partition(":")[0] in CATEGORIES]


def test_categories_are_described_in_reverse_order() -> None:
    assert sorted(described(PROMPT)) == sorted(CATEGORIES)
    assert described(reordered(PROMPT, categories=CATEGORIES)) == described(PROMPT)[::-1]


def test_no_description_is_lost() -> None:
    assert sorted(reordered(PROMPT, categories=CATEGORIES).split("\n")) == sorted(PROMPT.split("\n"))


def test_what_the_user_wrote_stays_as_it_was() -> None:
    assert reordered(PROMPT, categories=CATEGORIES).partition("<|im_end|>")[2] == PROMPT.partition("<|im_end|>")[2]


async def test_every_question_is_turned_round_on_its_way() -> None:
    asked: list[tuple[str, float]] = []

    class Hop:
        async def ask(self, prompt: str, *, timeout_s: float) -> Opinion:
            asked.append((prompt, timeout_s))
            return Opinion(hop=ModelHop.LATE)

    opinion = await Reordered(Hop(), categories=CATEGORIES).ask(PROMPT, timeout_s=0.4)

    assert opinion == Opinion(hop=ModelHop.LATE)
    assert asked == [(reordered(PROMPT, categories=CATEGORIES), 0.4)]
