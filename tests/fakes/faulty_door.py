"""A way to a real Redis that fails, when and where the test says so, in a way that nobody foresaw."""

from dataclasses import dataclass

from pointsman.executor.ledger.door import door
from pointsman.executor.ledger.link import Wire


class Unforeseen(Exception):
    """What no code of Pointsman's knows."""


@dataclass(slots=True)
class FaultyDoor:
    """What connects to Redis. `fails_at` is "connecting", "sending", "receiving" or "reading"; empty: nowhere."""

    url: str
    seed: int = 1
    fails_at: str = ""
    faults: int = 0

    def fail(self, place: str) -> None:
        if self.fails_at == place:
            self.faults += 1
            raise Unforeseen

    async def connect(self) -> Wire:
        self.fail("connecting")
        return FaultyWire(await door(self.url)(), self)


@dataclass(slots=True)
class FaultyWire:
    """A connection through such a door."""

    wire: Wire
    door: FaultyDoor

    async def send(self, command: bytes) -> None:
        self.door.fail("sending")
        await self.wire.send(command)

    async def receive(self) -> bytes:
        answer = await self.wire.receive()
        self.door.fail("receiving")
        return answer if self.door.fails_at != "reading" else self._odd(answer)

    async def close(self) -> None:
        await self.wire.close()

    def _odd(self, answer: bytes) -> bytes:
        self.door.faults += 1
        return b'{"now": 1}' if answer.startswith(b"{") else answer
