"""Sample prompts of every category in English and Korean, written for the demo and for invented traffic."""

import struct
import zlib
from dataclasses import dataclass, field

from pointsman.domain.category import CODING, QUICK, REASONING, REVIEW, VISION


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePrompt:
    """A prompt and the category that people would give it. `image` is a PNG or None."""

    category: str
    text: str
    image: bytes | None = field(default=None, repr=False)


def sunrise_png(width: int = 96, height: int = 64) -> bytes:
    """Return a small valid PNG: a yellow disc over a blue field under an orange sky."""
    rows = b"".join(b"\x00" + b"".join(_pixel(x, y, width, height) for x in range(width)) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(rows, 9)), _chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _pixel(x: int, y: int, width: int, height: int) -> bytes:
    horizon = height * 2 // 3
    if y >= horizon:
        return bytes((30, 80, 140 + (y - horizon) * 2))
    if (x - width // 2) ** 2 + (y - horizon) ** 2 < (height // 3) ** 2:
        return bytes((255, 220, 80))
    return bytes((250, 120 + y, 60))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


SAMPLE_PROMPTS = (
    SamplePrompt(
        category=REASONING,
        text=(
            "A shop sells pens in packs of 6 and packs of 11. What is the largest number of pens that cannot be "
            "bought exactly? Prove it step by step."
        ),
    ),
    SamplePrompt(
        category=REASONING,
        text=(
            "Compare moving our monolith to services now with waiting a year. List the risks, the costs and the "
            "order of the steps, and decide."
        ),
    ),
    SamplePrompt(
        category=REASONING,
        text=(
            "Three people tell the truth, lie, or answer at random. Which questions find out who is who, and "
            "why is no smaller number enough?"
        ),
    ),
    SamplePrompt(
        category=REASONING,
        text=(
            "재고 1,200개를 세 창고에 나눕니다. A는 B의 두 배, C는 A와 B의 차이보다 100개 많습니다. 각 창고의 "
            "수를 단계별로 구하고 답이 하나뿐임을 증명해 주세요."
        ),
    ),
    SamplePrompt(
        category=REASONING,
        text=(
            "구독제와 일회성 판매를 3년 현금 흐름으로 비교하고, 이탈률이 5%일 때와 9%일 때 어느 쪽이 나은지 "
            "근거와 함께 분석해 줘."
        ),
    ),
    SamplePrompt(
        category=CODING,
        text=(
            "Write a Python function that merges overlapping intervals in place, with type hints and three unit tests."
        ),
    ),
    SamplePrompt(
        category=CODING,
        text=(
            "This SQL query takes 40 seconds: SELECT * FROM orders o JOIN items i ON i.order_id = o.id WHERE "
            "DATE(o.created_at) = '2026-11-01'. Make it use an index and explain the change."
        ),
    ),
    SamplePrompt(
        category=CODING,
        text=(
            "Fix this bug: `for i in range(len(xs)): if xs[i] < 0: del xs[i]` raises IndexError. Show the "
            "corrected code."
        ),
    ),
    SamplePrompt(
        category=CODING,
        text=(
            "Review this Go handler for a race: the map `sessions` is read in ServeHTTP and written by a ticker "
            "goroutine."
        ),
    ),
    SamplePrompt(
        category=CODING,
        text=(
            "파이썬 asyncio로 URL 목록을 동시에 10개까지만 내려받는 함수를 작성하고, 실패한 것은 두 번까지 다시 "
            "시도하게 해 주세요."
        ),
    ),
    SamplePrompt(
        category=CODING,
        text=(
            "타입스크립트에서 `Type 'undefined' is not assignable to type 'string'` 오류가 나는 이유와 고친 "
            "코드를 보여 줘."
        ),
    ),
    SamplePrompt(category=QUICK, text="What is the capital of Australia?"),
    SamplePrompt(category=QUICK, text="How many millilitres are in a US cup?"),
    SamplePrompt(category=QUICK, text="Translate “good morning” into Italian."),
    SamplePrompt(category=QUICK, text="Give me a synonym for “stubborn”."),
    SamplePrompt(category=QUICK, text="2+2는?"),
    SamplePrompt(category=QUICK, text="대한민국의 국화는 무엇인가요?"),
    SamplePrompt(category=QUICK, text="‘감사합니다’를 일본어로 뭐라고 해?"),
    SamplePrompt(
        category=VISION,
        text="What is in this picture? Name the main colours.",
        image=sunrise_png(),
    ),
    SamplePrompt(
        category=VISION, text="이 사진에 무엇이 보이나요? 한 문장으로 설명해 주세요.", image=sunrise_png(48, 48)
    ),
    SamplePrompt(
        category=REVIEW,
        text=(
            "Proofread this paragraph and make its tone warmer: “We have received your complaint. It will be "
            "processed. Do not write again before ten working days have passed.”"
        ),
    ),
    SamplePrompt(
        category=REVIEW,
        text=(
            "Give me feedback on my cover letter: “I am a hard working person who always gives 110%. I think I "
            "would be good at this job because I like computers.” What should go, what is missing?"
        ),
    ),
    SamplePrompt(
        category=REVIEW,
        text=(
            "Edit this abstract down to half its length and keep every number: “In this study, which was "
            "carried out over a period of twelve weeks with 48 participants, we found that there was a "
            "reduction of 17% in errors.”"
        ),
    ),
    SamplePrompt(
        category=REVIEW,
        text=(
            "다음 안내문의 맞춤법을 교정하고 더 공손하게 다듬어 주세요: “내일 부터 주차장을 못씀니다. 차를 옴겨 "
            "주시기 바람.”"
        ),
    ),
    SamplePrompt(
        category=REVIEW,
        text=(
            "제 자기소개서 첫 문단을 읽고 피드백을 주세요: “저는 어릴 때부터 도전을 좋아했고 언제나 최선을 "
            "다하는 사람입니다.”"
        ),
    ),
)
"""At least three of each category, in both languages; those about an image have one."""
