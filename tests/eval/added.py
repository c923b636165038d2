"""Prints what categories from settings find and take: `python -m tests.eval.added [--data FILE]`.

Three categories of eight examples each judge thirty other prompts of the same three kinds, and the held-out sittings or
FILE, where every prompt that they take is one too many, save those that are of their kind.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pointsman.cli.evaluation import evaluate_all
from pointsman.config.settings import CategorySettings, ClassifierSettings
from pointsman.domain.clock import SystemClock
from tests.eval import corpus

CATEGORIES: Mapping[str, CategorySettings] = {
    "law": CategorySettings(
        description="law, contracts, rights and duties",
        examples=(
            "Is a verbal agreement with a contractor binding?",
            "Can my landlord keep the deposit because of a scratched floor?",
            "What does an indemnity clause in a contract mean for me?",
            "My employer dismissed me without notice, what are my rights?",
            "전세 계약 중간에 집주인이 바뀌면 계약은 그대로 유효한가요?",
            "내용증명은 어떤 경우에 보내야 하나요?",
            "퇴직금을 안 주는데 노동청에 신고할 수 있나요?",
            "상속 포기는 언제까지 법원에 신청해야 하나요?",
        ),
    ),
    "recipes": CategorySettings(
        description="cooking, recipes, ingredients, baking",
        examples=(
            "How do I cook rice without a rice cooker?",
            "Give me a recipe for lentil soup for four people",
            "What can I use instead of eggs when baking a cake?",
            "How long should a whole chicken roast in the oven?",
            "김치찌개 맛있게 끓이는 법 알려줘",
            "두부랑 계란으로 만들 수 있는 반찬 레시피",
            "잡채 4인분 재료랑 양념 비율",
            "오븐 없이 빵 굽는 방법 있어?",
        ),
    ),
    "translation": CategorySettings(
        description="translating a text into another language",
        examples=(
            "Translate into Spanish: the meeting is moved to Friday",
            "How do you say 'see you next week' in Japanese?",
            "Please translate this letter into German: Dear neighbours,",
            "Put this sentence into French: we are closed on Mondays",
            "다음 문장을 영어로 번역해줘: 회의가 연기되었습니다",
            "이거 일본어로 뭐라고 해? 잘 부탁드립니다",
            "아래 메일을 중국어로 옮겨줘: 샘플을 보내 주세요",
            "영어로 번역 부탁해요. 주문이 취소되었습니다",
        ),
    ),
}

UNSEEN: Mapping[str, Sequence[str]] = {
    "law": (
        "do i have to pay the fine if the parking sign was hidden behind a tree",
        "Neighbour's fence stands half a metre on my plot, who has to move it?",
        "Our supplier missed the delivery date, may we terminate the contract?",
        "is it legal to record a phone call without telling the other person",
        "What happens to a tenancy when the landlord dies?",
        "중고거래 사기 당했는데 고소하려면 뭐가 필요해?",
        "월세 보증금을 못 돌려받고 있는데 소송 말고 방법이 있나요",
        "수습기간에 해고당하면 해고예고수당 받을 수 있나요?",
        "층간소음 때문에 손해배상 청구가 되나요",
        "이혼하면 재산은 반반으로 나누는 게 법이야?",
    ),
    "recipes": (
        "my sourdough never rises, the kitchen is about 17 degrees",
        "dinner from half a cabbage, two eggs and leftover rice",
        "How much salt goes into a kilo of sauerkraut?",
        "quick pasta sauce without tomatoes",
        "Can I freeze pancake batter?",
        "된장찌개에 넣을 만한 채소 뭐 있어",
        "계란찜 폭신하게 하려면 물 얼마나 넣어?",
        "삼겹살 김치볶음 양념 비율 알려줘",
        "감자로 만들 수 있는 간단한 간식",
        "미역국 끓일 때 소고기는 언제 넣어요?",
    ),
    "translation": (
        "what's 'the bill, please' in Portuguese",
        "Translate for my Polish colleague: the scaffold comes down tomorrow.",
        "Into English please: Der Aufzug ist seit gestern defekt.",
        "how would a native say this in Korean: sorry for the late reply",
        "French version of: no entry, staff only",
        "이 문장 영어로 바꿔줘: 물건은 내일 도착합니다",
        "베트남어로 '잠깐만 기다려 주세요'가 뭐야",
        "번역해줘: The shipment was held at customs.",
        "일본 거래처에 보낼 건데 일본어로 번역 좀: 견적서를 첨부합니다",
        "스페인어로 생일 축하해 어떻게 말해?",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """How many of the unseen prompts each category found, and which of the ordinary ones went to which."""

    hits: Mapping[str, int]
    taken: Sequence[tuple[str, str]]
    ordinary: int


def find(ordinary: Sequence[corpus.Row]) -> Found:
    """Return what the categories make of the unseen prompts, and of ordinary ones that nobody wrote for them."""
    unseen = [
        corpus.Row(id=f"{name}-{number}", text=text, label=name)
        for name, texts in UNSEEN.items()
        for number, text in enumerate(texts)
    ]
    texts = [row for row in ordinary if not row.has_image]
    settings = ClassifierSettings(mode="embedded", categories=dict(CATEGORIES))
    evaluation = asyncio.run(evaluate_all(settings, [*unseen, *texts], clock=SystemClock()))
    ruled = [(row, verdict.category) for row, verdict in zip(evaluation.prompts, evaluation.verdicts, strict=True)]
    return Found(
        hits={name: sum(row.label == name == category for row, category in ruled) for name in CATEGORIES},
        taken=[(row.id, category) for row, category in ruled[len(unseen) :] if category in CATEGORIES],
        ordinary=len(texts),
    )


def main() -> None:
    """Print a line a category, then the ordinary prompts that were taken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="a JSONL file of labelled prompts; without it, the held-out sittings")
    data = parser.parse_args().data
    found = find(corpus.read(data) if data else corpus.held_out())
    for name, hits in found.hits.items():
        print(f"{name:12} found {hits} of {len(UNSEEN[name])}")
    print(f"taken of {found.ordinary} others: {len(found.taken)}")
    for name, category in found.taken:
        print(f"  {name} as {category}")


if __name__ == "__main__":
    main()
