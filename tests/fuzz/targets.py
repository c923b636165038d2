"""What is fuzzed: functions of bytes that raise when a promise is broken. Hypothesis and atheris both play them."""

import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pointsman.classifier.embedded import Embedded
from pointsman.classifier.instructions import clean, clean_context, excerpt, trim
from pointsman.config import load
from pointsman.domain.answer import Usage
from pointsman.domain.errors import SettingsError
from pointsman.domain.secret import Secret
from pointsman.executor.adapters.base import HttpResponse, Reply, Unreadable
from pointsman.executor.adapters.lines import LineTooLong
from pointsman.executor.adapters.quota_headers import LONGEST, anthropic_quota, duration_s, openai_quota, retry_after_s
from pointsman.executor.adapters.sse import Events
from pointsman.executor.prices import Prices
from pointsman.executor.prices import load as load_prices
from tests.adapters.wires import CASES, WireCase

NOW: Final = datetime(2026, 11, 22, 10, tzinfo=UTC)
EMBEDDED: Final = Embedded.load()
PRICES: Final = load_prices({case.kind: case.kind for case in CASES})

Target = Callable[[bytes], None]


def events(content: bytes) -> None:
    """The events of a body do not depend on how it is cut; the first byte says where."""
    cut, body = content[:1], content[1:]
    at = (cut[0] if cut else 0) % (len(body) + 1)

    assert _events(body[:at], body[at:]) == _events(body)


def _events(*chunks: bytes) -> list[object]:
    decoder, found = Events(), list[object]()
    try:
        for chunk in chunks:
            found.extend(decoder.feed(chunk))
        found.extend(decoder.flush())
    except LineTooLong:
        found.append(LineTooLong)
    return found


def headers(content: bytes) -> None:
    """Headers are read without raising, and what they state is possible. The first line is the status."""
    first, _, rest = content.decode("latin-1").partition("\n")
    status = int(first) if first.isascii() and first.isdigit() and len(first) < 5 else 429
    pairs = (line.partition(":") for line in rest.split("\n"))
    named = {name.strip().lower(): value for name, _, value in pairs}

    for stated in (*openai_quota(named, NOW), *anthropic_quota(named, NOW)):
        assert stated.limit > 0
        assert stated.remaining is None or 0 <= stated.remaining <= stated.limit
        assert stated.full_at is None or NOW <= stated.full_at <= NOW + LONGEST
    for wait_s in (retry_after_s(status, named, NOW), *map(duration_s, named.values())):
        assert wait_s is None or 0 <= wait_s <= LONGEST.total_seconds()


def settings(content: bytes) -> None:
    """A settings file is taken or refused with a reason; nothing else is raised."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pointsman.toml"
        file.write_bytes(content)
        with suppress(SettingsError):
            load(file, environ={})


def text(content: bytes) -> None:
    """Any text gets a distribution, and what the small model reads of it is bounded."""
    prompt = content.decode(errors="replace")

    distribution = EMBEDDED.distribution(prompt)

    assert abs(sum(distribution) - 1) < 1e-6
    assert all(0 <= share <= 1 for share in distribution)
    excerpt(prompt, prompt)
    clean_context(prompt)
    assert len(trim(clean(prompt), 100).encode()) <= 200


def prices(content: bytes) -> None:
    """No usage costs less than nothing, whatever a provider counts."""
    counts = [int.from_bytes(content[at : at + 8], "little") for at in range(0, 32, 8)]
    usage = Usage(
        input_tokens=counts[0],
        cached_input_tokens=counts[1],
        cache_write_tokens=counts[2],
        output_tokens=counts[3],
    )

    for tariff in PRICES.tariffs.values():
        chosen: Prices = tariff.at(NOW, usage.input_tokens)
        assert chosen.cost(usage) >= 0


def answer_of(case: WireCase) -> Target:
    """Return the target for whole answers and errors: two bytes of status, then the body."""
    wire, call = case.wire(Secret("k")), case.call()

    def answer(content: bytes) -> None:
        status = 200 + int.from_bytes(content[:2], "little") % 400
        response = HttpResponse(status=status, headers={"retry-after": "7"}, body=content[2:])
        with suppress(Unreadable):
            _check(wire.read(call, response, NOW))
        wire.read_probe(case.model_id, response, NOW)

    return answer


def stream_of(case: WireCase) -> Target:
    """Return the target for streams: a byte that says where to cut, then the body."""
    wire, call = case.wire(Secret("k")), case.call()

    def stream(content: bytes) -> None:
        cut, body = content[:1], content[1:]
        at = (cut[0] if cut else 0) % (len(body) + 1)
        reader = wire.reader(call, HttpResponse(status=200))
        for chunk in (body[:at], body[at:]):
            if not reader.is_done:
                reader.feed(chunk)
        if not reader.is_done:
            reader.flush()
        _check(reader.end(NOW))

    return stream


def _check(reply: Reply) -> None:
    assert reply.retry_after_s is None or reply.retry_after_s >= 0
    usage = reply.usage
    assert usage is None or min(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) >= 0
    for stated in reply.stated:
        assert stated.limit > 0


TARGETS: Final[Mapping[str, Target]] = {
    "events": events,
    "headers": headers,
    "settings": settings,
    "text": text,
    "prices": prices,
    **{f"answer.{case.kind}": answer_of(case) for case in CASES},
    **{f"stream.{case.kind}": stream_of(case) for case in CASES},
}
"""Every target by the name of its folder in the corpus."""
