"""A scripted Ollama on loopback: real HTTP, no model. It does what it is told, and remembers what it saw."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from math import log

Json = dict[str, object]

MODEL = "qwen2.5:1.5b-instruct"
_LOAD_OPTIONS = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "use_mmap", "num_thread", "draft_num_predict")
_FILLERS = ("The", " I", "Sure", " This", "\n", " a", " It", "1", " category", "ok", " -", " =", " text", "Yes", " No")

SURE_OF_CODING = {" coding": 0.9, " quick": 0.05, " reasoning": 0.03, " review": 0.01, " vision": 0.005}
"""Probabilities of the first token, as a warm model gives them."""

UNDECIDED = dict.fromkeys((" coding", " quick", " reasoning", " review", " vision"), 0.19)

_SAYS_NOTHING = re.compile(r">(|N/A|…)</[0-9a-f]+><\|im_end\|>\n<\|im_start\|>assistant\nCategory:$")


def top_logprobs(probabilities: Mapping[str, float]) -> list[Json]:
    """Return 20 entries in Ollama's shape: the given tokens, then fillers of next to no probability."""
    tokens = dict(probabilities) | dict.fromkeys(_FILLERS, 1e-06)
    ranked = sorted(tokens.items(), key=lambda pair: -pair[1])[:20]
    return [
        {"token": token, "logprob": log(probability), "bytes": list(token.encode())} for token, probability in ranked
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request as it came."""

    path: str
    body: Json

    @property
    def asks(self) -> bool:
        """True when something is to be generated, not only loaded."""
        return self.path == "/api/generate" and bool(self.body.get("prompt"))


@dataclass(slots=True)
class FakeOllama:
    """What the server does.

    Change it between calls; leaving `running` fails the test when load options ever changed.
    """

    first_token: Mapping[str, float] | None = field(default_factory=lambda: dict(SURE_OF_CODING))
    """Probabilities of the first token; None: the end of the sequence came first."""
    habit: Mapping[str, float] | None = field(default_factory=lambda: dict(UNDECIDED))
    """The same for a prompt without content, in a warm-up."""
    digest: str = "0" * 64
    gives_logprobs: bool = True
    version: str = "0.33.0"
    installed: bool = True
    loaded: bool = False
    generate_status: int = 200
    generate_body: bytes | None = None
    """Sent in place of an answer, as it is."""
    silent: bool = False
    """Accept questions and never answer."""
    resets: bool = False
    """Break the connection in the middle of the answer."""
    pull_lines: tuple[Json, ...] = ({"status": "pulling manifest"}, {"status": "success"})
    may_load: asyncio.Event = field(default_factory=asyncio.Event)
    """Loads last until this is set; it is set unless a test clears it."""
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for this; it is set unless a test clears it."""
    seen: list[Seen] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    aborted_loads: int = 0
    clients_left: int = 0
    url: str = ""
    _options: Json | None = None
    _changed: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.may_load.set()
        self.may_answer.set()

    @property
    def questions(self) -> list[Seen]:
        """The requests that asked for an answer, warm-ups included."""
        return [request for request in self.seen if request.asks]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as `holds` does, looked at whenever something happened. Fails after five seconds."""
        async with asyncio.timeout(5), self.arrived:
            await self.arrived.wait_for(holds)

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator["FakeOllama"]:
        """Serve on a free port of 127.0.0.1, or on `port`."""
        handlers: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                handlers.add(task)
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                await self._serve(reader, writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", port)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for handler in handlers:
                handler.cancel()
            await asyncio.gather(*handlers, return_exceptions=True)
            await server.wait_closed()
        assert not self._changed, f"load options changed, which reloads the model: {self._options} → {self._changed}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            path = head.split(b" ", 2)[1].decode()
            length = next(
                (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
            )
            body = json.loads(await reader.readexactly(length)) if length else {}
            await self._tell(lambda: self.seen.append(Seen(path=path, body=body)))  # noqa: B023 - run before the next turn
            if not await self._answer_unless_left(self._respond(path, body, writer), reader):
                return

    async def _answer_unless_left(self, respond: Coroutine[None, None, None], reader: asyncio.StreamReader) -> bool:
        """Return whether the client waited for the answer."""
        answering = asyncio.ensure_future(respond)
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
                return True
            answering.cancel()
            await asyncio.wait({answering})
            await self._tell(self._count_one_left)
            return False
        finally:
            answering.cancel()
            leaving.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)

    def _count_one_left(self) -> None:
        self.clients_left += 1

    async def _tell(self, change: Callable[[], object]) -> None:
        async with self.arrived:
            change()
            self.arrived.notify_all()

    async def _send(
        self, writer: asyncio.StreamWriter, status: int, body: bytes, kind: str = "application/json"
    ) -> None:
        phrase = HTTPStatus(status).phrase
        head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + (body[: len(body) // 2] if self.resets and b"response" in body else body))
        await writer.drain()
        if self.resets and b"response" in body:
            writer.transport.abort()
            raise ConnectionResetError

    async def _respond(self, path: str, body: Json, writer: asyncio.StreamWriter) -> None:
        match path:
            case "/api/version":
                await self._send(writer, 200, _json({"version": self.version}))
            case "/api/tags":
                await self._send(writer, 200, _json({"models": [self._listed()] if self.installed else []}))
            case "/api/ps":
                await self._send(writer, 200, _json({"models": [self._listed()] if self.loaded else []}))
            case "/api/pull":
                lines = b"".join(_json(line) + b"\n" for line in self.pull_lines)
                await self._send(writer, 200, lines, "application/x-ndjson")
            case "/api/show" | "/api/generate" | "/api/chat" if not self.installed:
                await self._send(writer, 404, _json({"error": f"model '{body.get('model')}' not found"}))
            case "/api/show":
                await self._send(writer, 200, _json({"details": {}, "model_info": {}, "capabilities": ["completion"]}))
            case "/api/generate":
                await self._generate(body, writer)
            case "/api/chat":
                await self._chat(body, writer)
            case _:
                await self._send(writer, 404, b"404 page not found", "text/plain")

    async def _generate(self, body: Json, writer: asyncio.StreamWriter) -> None:
        self._watch_options(body)
        await self._load()
        if not body.get("prompt"):
            answer = {"model": MODEL, "response": "", "done": True, "done_reason": "load"}
            await self._send(writer, 200, _json(answer))
            return
        if self.silent:
            await asyncio.Event().wait()
        await self.may_answer.wait()
        if self.generate_body is not None or self.generate_status != HTTPStatus.OK:
            error = _json({"error": "scripted"}) if self.generate_body is None else self.generate_body
            await self._send(writer, self.generate_status, error)
            return
        await self._send(writer, 200, _json(self._answer(body)))

    async def _chat(self, body: Json, writer: asyncio.StreamWriter) -> None:
        self._watch_options(body)
        await self._load()
        message = {"role": "assistant", "content": "scripted"}
        await self._send(writer, 200, _json({"model": MODEL, "message": message, "done": True, "done_reason": "stop"}))

    async def _load(self) -> None:
        if self.loaded:
            return
        try:
            await self.may_load.wait()
        except asyncio.CancelledError:
            self.aborted_loads += 1  # the client left, and the load with it
            raise
        self.loaded = True

    def _answer(self, body: Json) -> Json:
        answer: Json = {
            "model": MODEL,
            "created_at": "2026-11-22T10:00:00.123456Z",
            "response": "",
            "done": True,
            "done_reason": "stop",
            "total_duration": 92_000_000,
            "load_duration": 2_000_000,
            "prompt_eval_count": 590,
            "prompt_eval_duration": 70_000_000,
            "eval_count": 1,
            "eval_duration": 9_000_000,
        }
        says_nothing = _SAYS_NOTHING.search(str(body["prompt"]))
        first_token = self.habit if says_nothing else self.first_token
        if first_token is None:
            return answer
        tops = top_logprobs(first_token)
        answer |= {"response": tops[0]["token"], "done_reason": "length"}
        if self.gives_logprobs and body.get("logprobs"):
            answer["logprobs"] = [tops[0] | {"top_logprobs": tops}]
        return answer

    def _watch_options(self, body: Json) -> None:
        options = body.get("options") or {}
        assert isinstance(options, dict)
        of_load = {name: options[name] for name in _LOAD_OPTIONS if name in options}
        if self._options is None:
            self._options = of_load
        elif of_load != self._options:
            self._changed.append(of_load)

    def _listed(self) -> Json:
        return {"name": MODEL, "model": MODEL, "size": 986_060_385, "digest": self.digest, "details": {}}


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()
