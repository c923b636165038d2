"""All that `pointsman top` knows at the moment, and how it is drawn."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from pointsman.cli.activity_table import Figure, figures, heading, latencies, trend
from pointsman.cli.candidate_table import glance
from pointsman.cli.columns import JOINT, folded
from pointsman.cli.executor import ActivityNews, Listing
from pointsman.cli.watched import Candidates, Today
from pointsman.domain.clock import Clock

_NAME_COLUMNS: Final = 10


class Overview:
    """What came last of each kind. `away` says why the Executor is not there; empty while it is."""

    def __init__(self, address: str, clock: Clock) -> None:
        """Begin with nothing known."""
        self.address = address
        self.clock = clock
        self.away = ""
        self.activity: ActivityNews | None = None
        self.candidates = Candidates(clock.now().date())
        self.today = Today(clock)
        self._states = dict[str, Mapping[str, Any]]()
        self._came = set[type]()

    @property
    def is_whole(self) -> bool:
        """True once everything has come from the Executor that is there now."""
        return self._came == {ActivityNews, Listing}

    @property
    def today_usd(self) -> float | None:
        """What this day (UTC) cost so far; None when nobody can say."""
        return self.today.sums.total.cost_usd if self.today.sums else None

    def take(self, news: ActivityNews | Listing) -> None:
        """Put what came in the place of what was known."""
        if isinstance(news, ActivityNews):
            self.activity = news
        else:
            if Listing not in self._came:  # the first one has all, and those of another Executor may be others
                self.candidates.clear()
                self._states.clear()
            self.candidates.take(news, self.clock.now())
            self._states |= {state["candidate"]: state for state in news.message["candidates"]}
        self._came.add(type(news))
        if self.is_whole:
            self.away = ""

    def leave(self, why: str) -> bool:
        """Remember that the Executor is away; return whether that is news. What is known stays."""
        self._came.clear()
        if self.away:
            return False
        self.away = f"{why}; away since {self.clock.now():%H:%M:%S} UTC, and looked for every second"
        return True

    def as_json(self) -> dict[str, object]:
        """Return all of it for scripts. While "state" is "away", "detail" says why, and the rest is what was known."""
        return {
            "time": self.clock.now().isoformat(),
            "executor": self.address,
            "state": "away" if self.away else "running",
            "detail": self.away,
            "activity": self.activity.message if self.activity else None,
            "today": self.today.sums.message["total"] if self.today.sums else None,
            "candidates": [*self._states.values()],
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it for the width that there is; nothing before anything is known."""
        now, width, activity = self.clock.now(), options.max_width, self.activity
        if activity is None:
            return
        if self.away:
            yield Text(f"{self.away}. What stands below was known before. Ctrl-C ends", style="bold red")
        else:
            yield Text(folded(heading(activity, self.address, now), width), style="dim")
        bars = "" if options.ascii_only else trend(activity.by_second, width - _NAME_COLUMNS)
        for figure in figures(activity, in_flight=self.candidates.in_flight, today_usd=self.today_usd):
            yield _line(figure, width)
            if figure.name == "requests" and bars:
                yield Text(" " * _NAME_COLUMNS + bars, style="cyan")
        if activity.hops:
            yield latencies(activity, width=width)
        yield Text()
        yield glance(self.candidates.at(now), now, width=width)


def _line(figure: Figure, width: int) -> Text:
    """Return the name in bold and the parts beside it, below each other where there is no room."""
    beside = folded(JOINT.join(figure.parts), max(width - _NAME_COLUMNS, 1)).replace("\n", "\n" + " " * _NAME_COLUMNS)
    return Text.assemble((f"{figure.name:{_NAME_COLUMNS}}", "bold"), (beside, "red" if figure.is_alarming else ""))
