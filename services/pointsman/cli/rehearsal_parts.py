"""A long rehearsal in two processes, each with half of the days; short ones stay in this one.

The second half begins some hours earlier than it counts, so that its ledger, its estimates and the accounts of its day
are in use when it does. There are two halves whatever the machine has, so that figures depend on the seed alone.
"""

import math
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from operator import add
from typing import Final

from pointsman.cli.failure import Failure
from pointsman.cli.rehearsal_hosts import hosts
from pointsman.cli.rehearsal_run import Rehearsal
from pointsman.cli.rehearsal_tally import Tally
from pointsman.cli.rehearsal_traffic import Traffic
from pointsman.config import Settings
from pointsman.executor.pools import candidates
from pointsman.simulator.traffic import DAY_S, HOUR_S

LONG_DAYS: Final = 4
"""From here on a second process is worth its start."""

RUN_IN_S: Final = 17 * HOUR_S
"""From midnight in California, when the days of quotas begin, in summer as in winter, to the next midnight in UTC."""

JOIN_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one process does. What comes before `counted_from_s` only warms up."""

    settings: Settings
    traffic: Traffic
    start: datetime
    seed: int
    since_s: float
    counted_from_s: float
    until_s: float


Tell = Callable[[float], None]
"""Told how many rehearsed seconds are done, run-in included, of `work_s`."""


def parts(settings: Settings, traffic: Traffic, *, start: datetime, seed: int) -> tuple[Part, ...]:
    """Return how the work is split."""
    until_s = traffic.days * DAY_S
    halves = [0.0, until_s] if traffic.days < LONG_DAYS else [0.0, math.ceil(traffic.days / 2) * DAY_S, until_s]
    return tuple(
        Part(
            settings=settings,
            traffic=traffic,
            start=start,
            seed=seed,
            since_s=begins - RUN_IN_S if begins else 0.0,
            counted_from_s=begins,
            until_s=ends,
        )
        for begins, ends in pairwise(halves)
    )


def work_s(work: Sequence[Part]) -> float:
    """Return how many seconds are to be rehearsed."""
    return sum(part.until_s - part.since_s for part in work)


def rehearse_part(part: Part, tell: Tell) -> Tally:
    """Return the sums of one part."""
    known = candidates(part.settings)
    world = hosts(part.settings, known, seed=part.seed)
    rehearsal = Rehearsal(part.settings, world, start=part.start, at_s=part.since_s, seed=part.seed)
    coming = part.traffic.between(part.since_s, part.until_s)
    tally = rehearsal.run(coming, counted_from=part.counted_from_s, tell=lambda at_s: tell(at_s - part.since_s))
    tally.days = (part.until_s - part.counted_from_s) / DAY_S
    return tally


def rehearse_all(work: Sequence[Part], tell: Tell) -> Tally:
    """Return the sums of all parts. Raises Failure when a process dies."""
    if len(work) == 1:
        return rehearse_part(work[0], tell)
    done = dict.fromkeys(range(len(work)), 0.0)
    tallies: dict[int, Tally] = {}
    for index, news in _news(work):
        if isinstance(news, Tally):
            tallies[index] = news
        else:
            done[index] = news
            tell(sum(done.values()))
    if len(tallies) < len(work):
        raise Failure("a process of the rehearsal was ended from outside; run it again")
    return reduce(add, (tallies[index] for index in range(len(work))))


def _news(work: Sequence[Part]) -> Iterator[tuple[int, float | Tally]]:
    """Start a process a part, yield what they send, and end them."""
    context = get_context("spawn")  # a fork would copy threads that other code may have started
    pipes = [context.Pipe(duplex=False) for _ in work]
    processes = [
        context.Process(target=_work, args=(part, sender), daemon=True)
        for part, (_, sender) in zip(work, pipes, strict=True)
    ]
    try:
        for process, (_, sender) in zip(processes, pipes, strict=True):
            process.start()
            sender.close()  # the child has its own; without this its end would not be seen
        open_ = {receiver: index for index, (receiver, _) in enumerate(pipes)}
        while open_:
            for receiver in wait(list(open_)):
                if isinstance(receiver, Connection):
                    try:
                        yield open_[receiver], receiver.recv()
                    except EOFError:
                        del open_[receiver]
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
                process.join(JOIN_S)
        for receiver, _ in pipes:
            receiver.close()


def _work(part: Part, sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one, which ends it
    with sender:
        sender.send(rehearse_part(part, sender.send))
