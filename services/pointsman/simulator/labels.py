"""What the simulated small model thinks of a prompt: cue words, and log-probabilities as Ollama prints them."""

import math
import re
from random import Random

from pointsman.domain.category import CATEGORIES, CODING, QUICK, REASONING, REVIEW, VISION

_CUES = {
    CODING: (
        r"\b(code|function|python|javascript|java|rust|sql|bug|compile|regex|api|class|script|refactor|unit test|"
        r"debug|traceback|docker|git)\b|```|def |"
        r"코드|함수|파이썬|버그|컴파일|정규식|스크립트|디버그|쿼리|리팩터|알고리즘 구현"
    ),
    REASONING: (
        r"\b(prove|proof|derive|why|compare|analy[sz]e|plan|step by step|calculate|probability|strategy|trade-?offs?|"
        r"how many|if .* then)\b|증명|비교|분석|단계|계산|확률|전략|계획|추론|왜|장단점"
    ),
    REVIEW: (
        r"\b(review|proofread|edit|feedback|improve|rewrite|polish|grammar|tone|critique|shorten)\b|"
        r"검토|교정|다듬|첨삭|피드백|고쳐|퇴고|문법"
    ),
    VISION: r"\b(image|photo|picture|screenshot|diagram|chart)\b|이미지|사진|그림|스크린샷|도표",
    QUICK: r"\b(what is|who is|when|capital|translate|define|hello|hi)\b|뭐야|무엇|누구|언제|수도|번역|안녕|는\?",
}
_FILLERS = (
    " The", " This", " ", "\n", " general", " other", " code", " writing", " text", " question", " A", " None",
    " math", " simple", " Category", " task",
)  # fmt: skip
_COVERAGE = 0.96
_CUE_WEIGHT = 2.2
_TOP = 20


def user_text(prompt: str) -> str:
    """Return the last turn of the user in a raw prompt; the whole prompt when it has no turns."""
    turns = re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", prompt, re.DOTALL)
    return turns[-1] if turns else prompt


def label_log_probabilities(prompt: str, chance: Random, *, knows_labels: bool = True) -> list[tuple[str, float]]:
    """Return twenty tokens with their log-probability, likeliest first; none is a category unless `knows_labels`."""
    text = user_text(prompt).lower()
    scores = {
        category: _CUE_WEIGHT * len(set(re.findall(_CUES[category], text))) + chance.gauss(0.0, 0.4)
        for category in CATEGORIES
    }
    scores[REASONING] += min(2.0, len(text) / 800)  # long prompts are rarely quick questions
    scores[QUICK] += 1.0
    coverage = _COVERAGE if knows_labels else 0.0
    total = sum(map(math.exp, scores.values()))
    tokens = [(f" {category}", coverage * math.exp(score) / total) for category, score in scores.items() if coverage]
    left = _TOP - len(tokens)
    fillers = (_FILLERS * 2)[:left] if len(_FILLERS) < left else _FILLERS[:left]
    weights = [1.0 / (rank + 2) for rank in range(len(fillers))]
    spare = (1.0 - coverage) * 0.9 / sum(weights)
    tokens += [(token, weight * spare) for token, weight in zip(fillers, weights, strict=True)]
    return [(token, math.log(max(share, 1e-9))) for token, share in sorted(tokens, key=lambda pair: -pair[1])]
