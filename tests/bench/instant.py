"""A provider in OpenAI's format that does next to nothing: one answer to everything, at once or after `--delay-ms`.

Beside the simulator it costs a tenth, so that a core is left to what is measured; the answer and its headers are whole.
"""

import argparse
import asyncio
import re
from collections.abc import Callable
from typing import Final

ANSWER: Final = "Seoul."
BODY: Final = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1795305600,"model":"gpt-6.2-sol","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"%b","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":60,"completion_tokens":2,"total_tokens":62,"prompt_tokens_details":{"cached_tokens":0},'
    b'"completion_tokens_details":{"reasoning_tokens":0}},"service_tier":"default"}'
) % ANSWER.encode()
HEADERS: Final = {
    "content-type": "application/json",
    "x-request-id": "req_1",
    "x-ratelimit-limit-requests": "1000000000",
    "x-ratelimit-remaining-requests": "999999999",
    "x-ratelimit-reset-requests": "1ms",
    "x-ratelimit-limit-tokens": "1000000000",
    "x-ratelimit-remaining-tokens": "999999999",
    "x-ratelimit-reset-tokens": "1ms",
    "content-length": str(len(BODY)),
}
WHOLE: Final = (
    b"HTTP/1.1 200 OK\r\n"
    + b"".join(b"%b: %b\r\n" % (k.encode(), v.encode()) for k, v in HEADERS.items())
    + b"\r\n"
    + BODY
)

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Instant(asyncio.Protocol):
    """One connection: whenever a request has come whole, the answer leaves."""

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._came = bytearray()
        self._awaited_bytes = 0
        self._write: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._came += data
        if not self._awaited_bytes:
            self._awaited_bytes = _whole_bytes(self._came)
        if self._awaited_bytes and len(self._came) >= self._awaited_bytes and self._write:
            del self._came[: self._awaited_bytes]
            self._awaited_bytes = 0
            if self._delay_s:
                asyncio.get_running_loop().call_later(self._delay_s, self._write, WHOLE)
            else:
                self._write(WHOLE)


def _whole_bytes(came: bytearray) -> int:
    """Return how long the request is that begins here, 0 while its head is not there."""
    if (end := came.find(_END_OF_HEAD)) < 0:
        return 0
    found = _LENGTH.search(came, 0, end)
    return end + len(_END_OF_HEAD) + (int(found[1]) if found else 0)


async def main(delay_s: float) -> None:
    """Serve, print the base URL, and stay until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Instant(delay_s), "127.0.0.1", 0, backlog=1_000)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="until an answer leaves")
    asyncio.run(main(parser.parse_args().delay_ms / 1e3))
