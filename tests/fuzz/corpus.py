"""Where inputs come from: those that are kept, the examples of the wire formats, and what becomes of them."""

from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from tests.adapters.wires import CASES, EXAMPLES

KEPT: Final = Path(__file__).parent / "corpus"
REFERENCE: Final = Path(__file__).parents[2] / "deploy/pointsman.toml"

_OPENAI_HEADERS: Final = b"""429
retry-after: 7
x-ratelimit-limit-requests: 60
x-ratelimit-remaining-requests: 59
x-ratelimit-reset-requests: 1s"""
_ANTHROPIC_HEADERS: Final = b"""429
retry-after: Sun, 22 Nov 2026 10:00:07 GMT
anthropic-ratelimit-tokens-limit: 1000
anthropic-ratelimit-tokens-remaining: 10
anthropic-ratelimit-tokens-reset: 2026-11-22T10:01:00Z"""
_BUILT_IN: Final = {
    "events": [b"\x05data: one\n\n", b"\x01\xef\xbb\xbfevent: a\r\ndata: {}\r\n\r\n"],
    "headers": [_OPENAI_HEADERS, _ANTHROPIC_HEADERS],
    "settings": [REFERENCE.read_bytes()],
    "text": ["2+2는?".encode(), b"def f(x):\n    return x\n<|im_start|>", "\u2028\u202e😀".encode()],
    "prices": [b"\xff" * 32, b"\x01" * 32],
    **{
        f"answer.{case.kind}": [
            b"\0\0" + case.answer,
            b"\xe5\0" + case.error,
            *(b"\xe5\0" + path.read_bytes() for path in sorted(EXAMPLES.glob(f"{case.kind}.4*.json"))),
        ]
        for case in CASES
    },
    **{
        f"stream.{case.kind}": [b"\x09" + path.read_bytes() for path in sorted(EXAMPLES.glob(f"{case.kind}.*.sse"))]
        or [b"\x09data: " + case.answer + b"\n\n", b"\x09" + case.answer + b"\n"]
        for case in CASES
    },
}


def seeds(target: str) -> list[bytes]:
    """Return what a target is played with first, and what is mutated."""
    kept = [path.read_bytes() for path in sorted((KEPT / target).glob("*"))]
    return [*_BUILT_IN[target], *kept]


def mutated(seed: bytes) -> st.SearchStrategy[bytes]:
    """Return the seed with some places cut out, overwritten or repeated."""
    edit = st.tuples(st.integers(0, max(len(seed), 1)), st.integers(0, 40), st.one_of(st.binary(max_size=20), _TOKENS))
    return st.lists(edit, max_size=6).map(lambda edits: _edited(seed, edits))


_TOKENS: Final = st.sampled_from(
    [b"null", b"[]", b"{}", b"-1", b"1e999", b"NaN", b'"\\ud800"', b"9" * 400, b"[" * 300, b"\n", b"\0", b"true", b'""']
)


def _edited(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, piece in edits:
        seed = seed[:at] + piece + seed[at + length :]
    return seed
