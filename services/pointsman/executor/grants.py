"""Settings to what callers are granted."""

from decimal import Decimal

from pointsman.config import Settings
from pointsman.config.settings import CallerSettings
from pointsman.executor.allowance import Grant


def grants(settings: Settings) -> dict[str, Grant]:
    """Return what the settings grant to each caller."""
    return {name: _grant(caller) for name, caller in settings.callers.items()}


def _grant(settings: CallerSettings) -> Grant:
    return Grant(
        categories=frozenset(settings.categories),
        candidates=frozenset(settings.candidates),
        requests_per_minute=settings.requests_per_minute,
        tokens_per_minute=settings.tokens_per_minute,
        usd_per_day=_exact(settings.usd_per_day),
        usd_per_month=_exact(settings.usd_per_month),
    )


def _exact(dollars: float | None) -> Decimal | None:
    """Return an amount as it was written down."""
    return None if dollars is None else Decimal(repr(dollars))
