"""One question to the scripts in Redis, and news that it can be told later. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import orjson

from pointsman.domain.frozen import frozen
from pointsman.executor.ledger.link import pack, pack_part

Asked = dict[str, object]
"""What is asked: `op` and what it needs. Instants are sent as ages, because Redis has a clock of its own."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a question is about, packed once with all that does not change from question to question."""

    scopes: tuple[str, ...]
    """Whose state the answer tells, in this order."""
    head: bytes

    @classmethod
    def of(cls, scopes: tuple[str, ...], keys: Sequence[str], about: Mapping[str, object], *, sha: bytes) -> Self:
        """Return the target of a script that has this hash; `about` is what it must know beforehand."""
        parts = [b"EVALSHA", sha, b"%d" % len(keys), *map(str.encode, keys), orjson.dumps(about)]
        return cls(scopes=scopes, head=pack(parts, more=1))

    def command(self, asked: Asked) -> bytes:
        """Return the packed command."""
        return self.head + pack_part(orjson.dumps(asked))


@frozen
class Late:
    """News that can be told later. Instants are of the monotonic clock; None: it does not matter when.

    `left_at` is set where Redis may not know the call, and `left_here` says that it certainly does not.
    """

    target: Target
    asked: Asked
    left_at: float | None = None
    ended_at: float | None = None
    left_here: bool = False

    def question(self, now: float, *, lease_s: float) -> Asked:
        """Return what to ask now."""
        ages: Asked = {}
        # Redis has counted a call that it knew of as used up when the lease was over; it must not count it again.
        if self.left_at is not None and (self.left_here or now - self.left_at < lease_s):
            ages["age_s"] = now - self.left_at
        if self.ended_at is not None:
            ages["ended_ago_s"] = now - self.ended_at
        return self.asked | ages


@dataclass(slots=True, kw_only=True)
class UnderWay:
    """A call of this Executor. `id` is its name in Redis, `held` what it needs there; `left_at` is monotonic."""

    id: str
    target: Target
    held: Asked
    left_at: float
    left_here: bool = False
    """True while Redis has not been told of it."""
    is_settling: bool = False

    def asking(self, op: str) -> Asked:
        """Return what asks Redis to set aside what the call needs."""
        return {"op": op, "id": self.id, **self.held}

    def adoption(self, now: float) -> Asked:
        """Return what tells Redis of a call that has left already."""
        return self.asking("adopt") | {"age_s": now - self.left_at}

    def release(self) -> Late:
        """Return the news that the call never left."""
        return Late(target=self.target, asked={"op": "release", "id": self.id})

    def end(self, asked: Asked, *, target: Target | None = None, ended_at: float | None = None) -> Late:
        """Return the news of what it used; the target is another one where its end is counted elsewhere."""
        return Late(
            target=target or self.target,
            asked={"op": "settle", "id": self.id, **asked},
            left_at=self.left_at,
            ended_at=ended_at,
            left_here=self.left_here,
        )
