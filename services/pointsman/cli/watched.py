"""What live views keep: the latest state of each candidate, and the sums of this day."""

from dataclasses import replace
from datetime import date, datetime
from typing import Final

from pointsman.cli.candidate_table import aged
from pointsman.cli.executor import CandidateLine, ExecutorCalls, Listing, ReportSums
from pointsman.domain.clock import Clock
from pointsman.domain.errors import JournalDown, OutOfTime

SUMS_S: Final = 5.0
"""How often today's sums are asked for: the journal adds them up anew each time."""


class Candidates:
    """The latest state of each candidate, in the order in which they first came, and the messages they came in."""

    def __init__(self, today: date) -> None:
        """Begin with none."""
        self._day = today
        self._lines = dict[str, CandidateLine]()

    def take(self, listing: Listing, now: datetime) -> None:
        """Put the states that came in the place of older ones."""
        self._turn(now.date())
        self._lines |= {line.id: line for line in listing.candidates}

    def clear(self) -> None:
        """Forget all: those of another Executor may be others."""
        self._lines.clear()

    def at(self, now: datetime) -> list[CandidateLine]:
        """Return what became of the states by time alone."""
        self._turn(now.date())
        return [aged(line, now) for line in self._lines.values()]

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return sum(line.in_flight for line in self._lines.values())

    def _turn(self, today: date) -> None:
        """Begin another day with nothing wasted; nobody sends the states anew at midnight."""
        if today != self._day:
            self._day = today
            self._lines = {name: replace(line, wasted_today=0) for name, line in self._lines.items()}


class Today:
    """The sums of this day (UTC); None while nobody has told them, or the journal cannot be read."""

    def __init__(self, clock: Clock) -> None:
        """Begin with nothing known."""
        self._clock = clock
        self._sums: ReportSums | None = None
        self._day = clock.now().date()
        self._asked_s = float("-inf")

    @property
    def sums(self) -> ReportSums | None:
        """What was told last, of this day."""
        return self._sums if self._day == self._clock.now().date() else None

    async def sum_up(self, executor: ExecutorCalls) -> None:
        """Ask for the sums, if the last ones are older than SUMS_S or of another day. Raises ExecutorDown."""
        now = self._clock.now()
        if self._day == now.date() and self._clock.monotonic() - self._asked_s < SUMS_S:
            return
        try:
            self._sums = await executor.report("", now.replace(hour=0, minute=0, second=0, microsecond=0))
        except (JournalDown, OutOfTime):  # everything else can be shown without it
            self._sums = None
        self._day, self._asked_s = now.date(), self._clock.monotonic()
