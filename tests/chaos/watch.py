"""Looks at every process each second, and at what the ledger in Redis holds."""

import asyncio
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from pointsman.config import Settings
from pointsman.domain.pool import Unit
from pointsman.executor.ledger.asking import PREFIX
from pointsman.executor.pools import candidates
from tests.chaos.member import Member

EACH_S: Final = 1.0
TICK_S: Final = 0.02
STALL_S: Final = 0.1
"""From here on it is noted that the machine is late: a third of the time that is kept for the way back."""

COUNTED: Final = (Unit.REQUESTS.value, Unit.CONCURRENCY.value)
"""Units of which a call uses exactly one: what is held can be compared with what is allowed to the last call."""

_READ: Final = """
local found, time = {}, redis.call("TIME")
local shift = tonumber(redis.call("HGET", ARGV[1] .. "clock", "shift") or 0)
for _, key in ipairs(redis.call("KEYS", ARGV[1] .. "*")) do
  if redis.call("TYPE", key).ok == "hash" and redis.call("HEXISTS", key, "state") == 1 then
    local fields, windows = redis.call("HGETALL", key), {}
    for index = 1, #fields, 2 do
      if string.sub(fields[index], 1, 2) == "w:" then
        local window = cmsgpack.unpack(fields[index + 1])
        window.is_stated = window.statement ~= nil
        window.manner, window.statement = nil, nil
        windows[string.sub(fields[index], 3)] = window
      end
    end
    found[string.sub(key, #ARGV[1] + 1)] = windows
  end
end
return cjson.encode({ now = time[1] + time[2] / 1e6 + shift, scopes = found })
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one process held at an instant in seconds since 1970."""

    at: float
    member: str
    pid: int
    rss_bytes: int
    descriptors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowUse:
    """How full one window of the ledger was."""

    at: float
    scope: str
    window: str
    used: float
    limit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """This machine had no time for us: from an instant on, for so long, something waited for a processor."""

    at: float
    lasted_s: float


@dataclass(slots=True)
class Watch:
    """What was seen so far."""

    members: Mapping[str, Member]
    redis_url: str
    limits: Mapping[tuple[str, str], float]
    samples: list[Sample] = field(default_factory=list)
    uses: list[WindowUse] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)

    async def keep_time(self) -> None:
        """Note when this process, no less in a hurry than the services, was woken late, until cancelled."""
        while True:
            due = time.time() + TICK_S
            await asyncio.sleep(TICK_S)
            late_s = time.time() - due
            if late_s >= STALL_S:
                self.stalls.append(Stall(at=due, lasted_s=late_s))

    async def keep_looking(self) -> None:
        """Look once a second until cancelled."""
        while True:
            self.samples += self.look()
            with suppress(RedisError, OSError, TimeoutError):  # it is away as often as not
                self.uses += await self._windows()
            await asyncio.sleep(EACH_S)

    def look(self) -> Iterator[Sample]:
        """Yield what each process that runs holds now."""
        now = time.time()
        for name, member in self.members.items():
            if member.pid is None or not member.is_ready:
                continue
            with suppress(psutil.Error):  # gone between two lines
                process = psutil.Process(member.pid)
                yield Sample(
                    at=now,
                    member=name,
                    pid=member.pid,
                    rss_bytes=process.memory_info().rss,
                    descriptors=process.num_fds(),
                )

    async def _windows(self) -> list[WindowUse]:
        async with asyncio.timeout(0.5), Redis.from_url(self.redis_url) as client:
            told = json.loads(await client.eval(_READ, 0, PREFIX))
        return [*uses(told, self.limits)]


def limits_of(settings: Settings) -> dict[tuple[str, str], float]:
    """Return the limits of the settings whose use can be counted, by scope and window as Redis names them."""
    found = dict[tuple[str, str], float]()
    for candidate in candidates(settings).values():
        for scope in candidate.scopes:
            for limit in scope.limits:
                if limit.unit.value in COUNTED:
                    period = f"{limit.period.total_seconds():.14g}" if limit.period else "-1"
                    found[scope.name, f"{limit.unit.value}|{period}"] = limit.amount
    return found


def uses(told: Mapping[str, Any], limits: Mapping[tuple[str, str], float]) -> Iterable[WindowUse]:
    """Yield how full each limited window is, of what Redis holds.

    Not those of which the provider says on each answer what is left: its word holds there, and our count, which is the
    stricter by its margins, is only kept beside it. Whether that goes well is for the provider to say, by no refusal.
    """
    for scope, windows in told["scopes"].items():
        for name, window in windows.items():
            limit = limits.get((scope, name))
            if limit and not window["is_stated"]:
                used = used_in(window, float(name.partition("|")[2]), told["now"])
                yield WindowUse(at=told["now"], scope=scope, window=name, used=used, limit=limit)


def used_in(window: Mapping[str, Any], period_s: float, now: float) -> float:
    """Return what a window holds at an instant of Redis's clock, counted as the provider would: without any margin."""
    if drains_per_s := window.get("drains_per_s"):
        return float(math.ceil(window["level"] - max(0.0, now - window["seen_at"]) * drains_per_s - 1e-6))
    past, ends_at = list(window["past"] or ()), window.get("ends_at")
    if ends_at is not None:
        since = ends_at - period_s
        counted = 0.0 if now >= ends_at else sum(past[at + 1] for at in range(0, len(past), 2) if past[at] > since)
    else:
        counted = sum(past[at + 1] for at in range(0, len(past), 2) if past[at] + period_s > now)
    return float(counted + window["held_amount"])
