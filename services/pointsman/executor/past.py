"""What was used of a window before now, in constant memory. Pure: time is a number of seconds, brought along."""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

BINS = 120
"""Bins in which the past of a window is kept: a minute forgets by half seconds."""


@dataclass(slots=True)
class Past:
    """What calls used in bins, each by its end, oldest first; `amount` is the sum of all.

    A bin is kept for `period_s`, and for `margin_s` more because a call reaches the provider later than it left us.
    """

    period_s: float
    margin_s: float
    bins: deque[tuple[float, int]] = field(default_factory=deque)
    amount: int = 0
    bin_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.bin_s = self.period_s / BINS

    def hear(self, bins: Iterable[tuple[float, int]]) -> None:
        """Remember this instead, which is in order."""
        self.bins = deque(bins)
        self.amount = sum(amount for _, amount in self.bins)

    def inherit(self, known: "Past", parts: int) -> None:
        """Remember a part of what is known of the whole, where nothing is yet; rounded up once, not once a bin."""
        total = 0
        for end, amount in known.bins:
            total += amount
            part = -(-total // parts) - self.amount
            self.bins.append((end, part))
            self.amount += part

    def add(self, amount: int, at: float, border: float) -> None:
        """Remember an amount of an instant."""
        bins, end = self.bins, self.bin_end(at, border)
        self.amount += amount
        if not bins or bins[-1][0] < end:
            bins.append((end, amount))
            return
        for index in range(len(bins) - 1, -1, -1):
            if bins[index][0] == end:
                bins[index] = (end, bins[index][1] + amount)
                return
            if bins[index][0] < end:
                bins.insert(index + 1, (end, amount))
                return
        bins.appendleft((end, amount))

    def bin_end(self, at: float, border: float) -> float:
        """Return the end of the bin of an instant; none reaches across the border of a fixed window."""
        end = (math.floor(at / self.bin_s) + 1) * self.bin_s
        return border if at < border < end else end

    def leaves_at(self, end: float) -> float:
        """Return when what is in the bin with this end leaves a sliding window."""
        return end + self.period_s + self.margin_s

    def ended_by(self, until: float) -> int:
        """Return what is in the bins that end by then."""
        ended = 0
        for end, amount in self.bins:
            if end > until:
                break
            ended += amount
        return ended

    def kept_for_margin(self, now: float) -> int:
        """Return what no sliding window of the period holds any more."""
        return self.ended_by(now - self.period_s + self.bin_s)

    def slide(self, now: float) -> int:
        """Forget what has left a sliding window; return how much that was."""
        bins, gone = self.bins, 0
        while bins and bins[0][0] + self.period_s + self.margin_s <= now:
            gone += bins.popleft()[1]
        self.amount -= gone
        return gone

    def forget(self, until: float) -> None:
        """Forget the bins that end by then."""
        bins = self.bins
        while bins and bins[0][0] <= until:
            self.amount -= bins.popleft()[1]
