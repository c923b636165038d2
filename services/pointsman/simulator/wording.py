"""Invented prose in the language of the prompt, and the size of text in tokens."""

import math
import re
from random import Random

_ENGLISH_CHARS_A_TOKEN = 4.26  # measured on the Qwen2 vocabulary (Ollama source, 2026-08)
_KOREAN_CHARS_A_TOKEN = 1.51  # as above
_IMAGE_TOKENS = 1_000
_TURN_TOKENS = 4
_TOPIC_CHARS = 48

_ENGLISH = (
    "On “{topic}”, the first thing to settle is what counts as done.",
    "There are two forces at work here, and they pull in different directions.",
    "Start with the smallest case that still shows the effect, then grow it.",
    "The usual answer holds as long as the inputs stay within their ordinary range.",
    "One detail is easy to miss: the order of the steps matters more than their number.",
    "A short check by hand agrees with this to the second decimal.",
    "If the budget is tight, leave the last part out; little is lost.",
    "Compare both ways on the same example before you choose one.",
    "The risk lies in the boundary, so that is where a test belongs.",
    "In practice the simpler of the two is right nine times out of ten.",
    "What remains is a matter of taste, and either choice can be defended.",
    "Taken together, this gives a clear plan: measure, change one thing, measure again.",
    "Keep the name short and the promise shorter.",
    "This sentence exists to give the answer a lifelike length.",
)
_KOREAN = (
    "“{topic}”에 대해서는 먼저 무엇을 끝으로 볼지 정해야 합니다.",
    "여기에는 두 가지 힘이 서로 다른 방향으로 작용합니다.",
    "효과가 드러나는 가장 작은 예에서 시작해 조금씩 키워 보세요.",
    "입력이 보통 범위에 있는 동안에는 흔히 쓰는 답이 맞습니다.",
    "놓치기 쉬운 점은 단계의 수보다 순서가 더 중요하다는 것입니다.",
    "손으로 간단히 확인해 보아도 같은 결과가 나옵니다.",
    "예산이 빠듯하면 마지막 부분은 빼도 크게 잃는 것이 없습니다.",
    "하나를 고르기 전에 같은 예로 두 방법을 비교해 보십시오.",
    "위험은 경계에 있으므로 시험도 그곳에 두어야 합니다.",
    "실제로는 열에 아홉은 더 단순한 쪽이 옳습니다.",
    "나머지는 취향의 문제이며 어느 쪽이든 설명할 수 있습니다.",
    "정리하면 재고, 하나만 바꾸고, 다시 재는 것이 분명한 계획입니다.",
    "이름은 짧게, 약속은 더 짧게 하십시오.",
    "이 문장은 답의 길이를 실제처럼 만들기 위해 있습니다.",
)


def is_korean(text: str) -> bool:
    """Tell whether at least a fifth of the letters are Hangul."""
    letters = sum(character.isalpha() for character in text)
    return letters > 0 and sum("가" <= character <= "힣" for character in text) * 5 >= letters


def count_tokens(text: str) -> int:
    """Return a plausible number of tokens; 0 for no text, else at least 1."""
    wide = 0 if text.isascii() else sum(character > "\u02ff" for character in text)
    return math.ceil((len(text) - wide) / _ENGLISH_CHARS_A_TOKEN + wide / _KOREAN_CHARS_A_TOKEN)


def count_prompt_tokens(texts: list[str], images: int) -> int:
    """Return a plausible number of tokens of a conversation of these turns."""
    return sum(count_tokens(text) + _TURN_TOKENS for text in texts) + images * _IMAGE_TOKENS


def marker(model: str) -> str:
    """Return the words with which every simulated answer begins."""
    return f"[simulated {model}]"


def compose(model: str, prompt: str, tokens: int, chance: Random) -> str:
    """Return about `tokens` tokens of prose that begins with the marker and speaks the prompt's language."""
    bank = _KOREAN if is_korean(prompt) else _ENGLISH
    topic = re.sub(r"\s+", " ", prompt).strip()[:_TOPIC_CHARS]
    said = [marker(model), bank[0].format(topic=topic)]
    length = sum(map(count_tokens, said))
    # Each sentence once before any comes again: some clients take repeated chunks for a loop (docs, 2026-11).
    while length < tokens:
        for sentence in chance.sample(bank[1:], len(bank) - 1):
            said.append(sentence)
            length += count_tokens(sentence)
            if length >= tokens:
                break
    return " ".join(said)


def cut(text: str, tokens: int, model: str) -> str:
    """Return the beginning of the text that fits into `tokens`; the marker stays whole."""
    while count_tokens(text) > tokens and len(text) > len(marker(model)):
        shorter = int(len(text) * tokens / count_tokens(text)) - 1
        text = text[: max(len(marker(model)), min(shorter, len(text) - 1))]
    return text
