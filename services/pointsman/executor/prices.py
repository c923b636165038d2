"""Tokens to dollars, from the dated table in models.json. Decimals throughout; an unknown price is None, never zero."""

import json
from datetime import date, datetime, time
from decimal import Context, Decimal
from importlib.resources import files
from typing import Any

from pointsman.domain.answer import Usage
from pointsman.domain.frozen import frozen
from pointsman.domain.pool import Candidate
from pointsman.executor.quota import Estimate

PER = Decimal(1_000_000)
CENT_OF_NANO = Decimal("1e-12")
"""Costs are rounded to this; the smallest price per token is 3e-9 dollars."""

WIDE = Context(prec=60)
"""Room for absurd counts of tokens: a provider's slip must cost a false number and not the request."""


@frozen
class Prices:
    """US dollars per million tokens. A cache write costs like input where the provider names no price for it."""

    input: Decimal
    cached_input: Decimal
    cache_write: Decimal
    output: Decimal

    def cost(self, usage: Usage) -> Decimal:
        """Return the cost of a call; reasoning is part of the output."""
        plain = max(0, usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens)
        total = plain * self.input + usage.output_tokens * self.output
        if usage.cached_input_tokens:
            total += usage.cached_input_tokens * self.cached_input
        if usage.cache_write_tokens:
            total += usage.cache_write_tokens * self.cache_write
        return (total / PER).quantize(CENT_OF_NANO, context=WIDE)


@frozen
class OffPeak:
    """Other prices outside the peak windows, which are pairs of UTC times on weekdays or weekends."""

    prices: Prices
    weekdays: tuple[tuple[time, time], ...]
    weekends: tuple[tuple[time, time], ...]

    def holds_at(self, at: datetime) -> bool:
        """Return whether `at` (UTC) lies outside every peak window."""
        windows = self.weekends if at.weekday() >= 5 else self.weekdays  # noqa: PLR2004 - Saturday
        return not any(start <= at.time() < end for start, end in windows)


@frozen
class Tariff:
    """What one model costs: from dates on, above input sizes, outside peak hours."""

    base: Prices
    from_dates: tuple[tuple[date, Prices], ...] = ()
    above: tuple[tuple[int, Prices], ...] = ()
    off_peak: OffPeak | None = None

    def at(self, at: datetime, input_tokens: int) -> Prices:
        """Return the prices that hold for a whole request of `input_tokens` that leaves at `at` (UTC)."""
        prices = self.base
        for start, later in self.from_dates:
            prices = later if at.date() >= start else prices
        if self.off_peak and self.off_peak.holds_at(at):
            prices = self.off_peak.prices
        for threshold, larger in self.above:
            prices = larger if input_tokens > threshold else prices
        return prices


@frozen
class PriceTable:
    """Tariffs by kind of provider and model.

    `kinds` says which kind each provider of the settings is; local ones cost nothing.
    """

    version: str
    tariffs: dict[tuple[str, str], Tariff]
    kinds: dict[str, str]

    def prices(self, candidate: Candidate, at: datetime, input_tokens: int = 0) -> Prices | None:
        """Return the prices of a candidate at an instant (UTC), None when unknown."""
        if candidate.local:
            return FREE
        tariff = self.tariffs.get((self.kinds[candidate.provider], candidate.model.id))
        return tariff.at(at, input_tokens) if tariff else None

    def cost(self, candidate: Candidate, usage: Usage, at: datetime) -> Decimal | None:
        """Return what a call cost in US dollars, None when the price is unknown."""
        prices = self.prices(candidate, at, usage.input_tokens)
        return prices.cost(usage) if prices else None

    def estimate(self, candidate: Candidate, estimate: Estimate, at: datetime) -> Decimal | None:
        """Return what a call will probably cost in US dollars, None when the price is unknown."""
        usage = Usage(input_tokens=estimate.input_tokens, output_tokens=estimate.output_tokens)
        return self.cost(candidate, usage, at)


FREE = Prices(input=Decimal(0), cached_input=Decimal(0), cache_write=Decimal(0), output=Decimal(0))
"""What a model on this machine costs."""


def load(kinds: dict[str, str]) -> PriceTable:
    """Return the table of the package."""
    text = (files("pointsman.executor") / "models.json").read_text(encoding="utf-8")
    document = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    tariffs = {
        (row["provider"], row["model_id"]): _tariff(row) for row in document["models"] if "usd_per_mtok_input" in row
    }
    return PriceTable(version=str(document["as_of"]), tariffs=tariffs, kinds=kinds)


def _tariff(row: dict[str, Any]) -> Tariff:
    base = _prices(row)
    scheduled = sorted(
        (date.fromisoformat(later["from"]), _prices(later, base)) for later in row.get("scheduled_prices", ())
    )
    tiers = sorted((int(tier["above_input_tokens"]), _prices(tier, base)) for tier in row.get("price_tiers", ()))
    off_peak = row.get("offpeak_prices")
    return Tariff(
        base=base,
        from_dates=tuple(scheduled),
        above=tuple(tiers),
        off_peak=_off_peak(off_peak, base) if off_peak else None,
    )


def _prices(row: dict[str, Any], base: Prices | None = None) -> Prices:
    """Read one set of prices. A cached price that nobody names is the input price: rather too high than too low."""
    plain = row["usd_per_mtok_input"]
    cached = row.get("usd_per_mtok_cached_input")
    written = row.get("usd_per_mtok_cache_write")
    if written is None and base and base.cache_write != base.input:
        written = base.cache_write / base.input * plain
    return Prices(
        input=Decimal(plain),
        cached_input=Decimal(plain if cached is None else cached),
        cache_write=Decimal(plain if written is None else written),
        output=Decimal(row["usd_per_mtok_output"]),
    )


def _off_peak(row: dict[str, Any], base: Prices) -> OffPeak:
    peaks = row["peak_windows_utc"]
    return OffPeak(prices=_prices(row, base), weekdays=_spans(peaks["weekdays"]), weekends=_spans(peaks["weekends"]))


def _spans(texts: list[str]) -> tuple[tuple[time, time], ...]:
    pairs = (text.split("-") for text in texts)
    return tuple((time.fromisoformat(start), time.fromisoformat(end)) for start, end in pairs)
