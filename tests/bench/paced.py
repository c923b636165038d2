"""A provider in OpenAI's format that says one word at a time: `words=200 each_ms=10` in the prompt says how many."""

import asyncio
import re
from typing import Final

CHUNK: Final = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1795305600,"model":"gpt-6.2-sol",'
    b'"choices":[{"index":0,"delta":{%b},"finish_reason":%b}],"usage":%b}\n\n'
)
WORD: Final = CHUNK % (b'"content":" word"', b"null", b"null")
HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _piece(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _number(name: bytes, body: bytes, otherwise: int) -> int:
    found = re.search(name + rb"=(\d+)", body)
    return int(found[1]) if found else otherwise


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request after another until the caller hangs up."""
    loop = asyncio.get_running_loop()
    word = _piece(WORD)
    while head := await reader.readuntil(b"\r\n\r\n"):
        body = await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower())[1]))  # type: ignore[index]  # always there
        words, each_ms = _number(b"words", body, 1), _number(b"each_ms", body, 0)
        writer.write(HEAD + _piece(CHUNK % (b'"role":"assistant","content":""', b"null", b"null")))
        next_at = loop.time()
        for _ in range(words):
            writer.write(word)
            next_at += each_ms / 1000
            if (wait_s := next_at - loop.time()) > 0:
                await asyncio.sleep(wait_s)
        usage = b'{"prompt_tokens":20,"completion_tokens":%d}' % words
        writer.write(_piece(CHUNK % (b"", b'"stop"', usage)) + _piece(b"data: [DONE]\n\n") + _piece(b""))
        await writer.drain()


async def _until_it_hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await _serve(reader, writer)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve, print the base URL, and stay until killed."""
    server = await asyncio.start_server(_until_it_hangs_up, "127.0.0.1", 0, backlog=1_000)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
