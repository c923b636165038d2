"""Ways to ask a gateway: OpenAI's format over HTTP, Route over gRPC, a gateway embedded in the process that asks.

What a way needs beyond the standard library is imported when it is made: no virtual environment has all of it.
"""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from tests.bench.instant import ANSWER

Ask = Callable[[str], Awaitable[bool]]
"""How one caller has one prompt answered; False when the answer is not the provider's."""

TIMEOUT_S: Final = 30.0
LONGEST_BYTES: Final = 1 << 20
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Http:
    """OpenAI's chat completions over a connection a caller, written by hand so that asking costs little."""

    def __init__(self, address: str, headers: Mapping[str, str], model: str) -> None:
        self._host, _, self._port = address.rpartition(":")
        lines = {"host": address, "content-type": "application/json", "authorization": "Bearer sk-none", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._model = model
        self._open: list[asyncio.StreamWriter] = []

    async def ready(self) -> None:
        await listening(self._host, int(self._port))

    async def callers(self, count: int) -> Sequence[Ask]:
        self.close()
        return [await self._caller() for _ in range(count)]

    def close(self) -> None:
        """Hang up."""
        for writer in self._open:
            writer.close()
        self._open.clear()

    async def _caller(self) -> Ask:
        reader, writer = await asyncio.open_connection(self._host, int(self._port), limit=LONGEST_BYTES)
        self._open.append(writer)

        async def ask(text: str) -> bool:
            body = json.dumps({"model": self._model, "messages": [{"role": "user", "content": text}]})
            head = f"POST /v1/chat/completions HTTP/1.1\r\n{self._head}content-length: {len(body)}\r\n\r\n"
            async with asyncio.timeout(TIMEOUT_S):
                writer.write((head + body).encode())
                return await _is_right(reader)

        return ask


async def _is_right(reader: asyncio.StreamReader) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    if not (length := _LENGTH.search(head)):
        raise ValueError(f"an answer without a length: {head!r}")
    body = await reader.readexactly(int(length[1]))
    return b" 200 " in head[:16] and ANSWER.encode() in body


class Route:
    """Pointsman's Route, all callers on one channel, as a client does it; a category skips the classifier."""

    def __init__(self, address: str, category: str = "") -> None:
        self._address, self._category = address, category
        self._ask: Ask | None = None

    async def ready(self) -> None:
        host, _, port = self._address.rpartition(":")
        await listening(host, int(port))

    async def callers(self, count: int) -> Sequence[Ask]:
        self._ask = self._ask or self._caller()
        return [self._ask] * count

    def _caller(self) -> Ask:
        import grpc  # noqa: PLC0415 - not where a gateway is embedded

        from pointsman.v1 import router_pb2, router_pb2_grpc, types_pb2  # noqa: PLC0415 - as above

        options = types_pb2.Options(category=self._category)
        stub = router_pb2_grpc.RouterServiceStub(grpc.aio.insecure_channel(self._address))

        async def ask(text: str) -> bool:
            request = router_pb2.RouteRequest(text=text, options=options)
            response = await stub.Route(request, timeout=TIMEOUT_S, wait_for_ready=True)
            return self.is_right(response.answer.text)

        return ask

    def is_right(self, text: str) -> bool:
        """Return whether the answer is the provider's."""
        return text == ANSWER


class Echo(Route):
    """The bare echo: the same call, and an answer with nothing in it."""

    def is_right(self, text: str) -> bool:
        return not text


class Embedded:
    """TensorZero inside this process: what is measured is the gateway and this loop together."""

    def __init__(self, settings: str, model: str) -> None:
        self._settings, self._model = settings, model
        self._ask: Ask | None = None

    async def ready(self) -> None:
        from tensorzero import AsyncTensorZeroGateway  # type: ignore[import-not-found]  # noqa: PLC0415 - of .venv-tensorzero

        gateway = await AsyncTensorZeroGateway.build_embedded(config_file=self._settings)

        async def ask(text: str) -> bool:
            said = {"messages": [{"role": "user", "content": text}]}
            response = await gateway.inference(model_name=self._model, input=said)
            return bool(response.content[0].text == ANSWER)

        self._ask = ask

    async def callers(self, count: int) -> Sequence[Ask]:
        if self._ask is None:
            raise RuntimeError("asked before it was ready")
        return [self._ask] * count


class Nothing:
    """Nobody: what the loop itself costs."""

    async def ready(self) -> None:
        """Be there at once."""

    async def callers(self, count: int) -> Sequence[Ask]:
        async def ask(text: str) -> bool:
            await asyncio.sleep(0)
            return True

        return [ask] * count


async def listening(host: str, port: int) -> None:
    """Return once somebody takes connections there."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.005)
        else:
            writer.close()
            return
