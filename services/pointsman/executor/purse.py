"""Money for a day or a month of UTC: set aside before a call leaves, replaced by what it cost. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from pointsman.executor.quota import next_midnight

SOON: Final = timedelta(seconds=1)
"""When to look again while calls under way hold the money: most are over by then."""

NOTHING: Final = Decimal(0)


class Term(StrEnum):
    """For how long an amount of money is: a day or a month of UTC."""

    DAY = "day"
    MONTH = "month"

    def begin(self, now: datetime) -> datetime:
        """Return when the day or the month of `now` began."""
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Term.DAY else midnight.replace(day=1)

    def end(self, now: datetime) -> datetime:
        """Return when the day or the month of `now` ends."""
        if self is Term.DAY:
            return next_midnight(now, UTC)
        return self.begin(self.begin(now) + timedelta(days=31))  # the longest month


@dataclass(slots=True, kw_only=True)
class Purse:
    """Money for one term. What is held for calls under way goes on into the next term; what was spent does not."""

    term: Term
    limit: Decimal
    spent: Decimal = NOTHING
    held: Decimal = NOTHING
    ends_at: datetime | None = None

    def ready_at(self, most_usd: Decimal, now: datetime) -> datetime | None:
        """Return when the amount fits: `now` when it does, None when it never will. Nothing always fits."""
        self.renew(now)
        if not most_usd or self.spent + self.held + most_usd <= self.limit:
            return now
        if most_usd > self.limit:
            return None
        return now + SOON if self.spent + most_usd <= self.limit else self.ends_at

    @property
    def left(self) -> Decimal:
        """What is neither spent nor held, never negative."""
        return max(NOTHING, self.limit - self.spent - self.held)

    def hold(self, most_usd: Decimal) -> None:
        """Set an amount aside. The caller has asked `ready_at` before."""
        self.held += most_usd

    def settle(self, most_usd: Decimal, cost_usd: Decimal, now: datetime) -> None:
        """Replace what was set aside by what was spent."""
        self.renew(now)
        self.held -= most_usd
        self.spent += cost_usd

    def renew(self, now: datetime) -> None:
        """Begin the next term when the last one is over."""
        if self.ends_at is not None and now < self.ends_at:
            return
        if self.ends_at is not None:
            self.spent = NOTHING
        self.ends_at = self.term.end(now)
