"""Settings to what several Executors share: the ledger, and the account of what callers use."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from random import Random

from pointsman.config import Settings
from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.domain.pool import Candidate
from pointsman.executor.allowance import Allowances
from pointsman.executor.grants import grants
from pointsman.executor.ledger.account import Account
from pointsman.executor.ledger.link import Wire
from pointsman.executor.ledger.port import Ledger
from pointsman.executor.ledger.redis import RedisLedger
from pointsman.executor.ledger.shared_allowances import SharedAllowances
from pointsman.executor.ledger.stay import Terms
from pointsman.executor.pools import longest_call_s


@asynccontextmanager
async def shared_ledger(
    settings: Settings, known: Mapping[str, Candidate], *, clock: Clock, random: Random
) -> AsyncIterator[Ledger | None]:
    """Yield the ledger that other Executors share, None where the settings name none."""
    if not settings.ledger.url:
        yield None
        return
    ledger = RedisLedger(
        known.values(),
        _terms(settings, known),
        margin_s=settings.executor.window_margin_s,
        connect=_door(settings),
        clock=clock,
        random=random,
    )
    async with ledger.kept():
        yield ledger


def shared_account(
    settings: Settings, known: Mapping[str, Candidate], *, clock: Clock, random: Random
) -> Account | None:
    """Return where several Executors count together what callers use, None where they share no ledger."""
    if not settings.ledger.url:
        return None
    return Account(_terms(settings, known), connect=_door(settings), clock=clock, random=random)


def shared_allowances(
    settings: Settings, known: Mapping[str, Candidate], account: Account | None
) -> SharedAllowances | None:
    """Return what these settings grant to callers, over an account that is shared; None where there is none."""
    if account is None:
        return None
    granted = Allowances.of(grants(settings)).known
    return SharedAllowances(granted, account, lease_s=_lease_s(settings, known))


def _terms(settings: Settings, known: Mapping[str, Candidate]) -> Terms:
    timeout_s, replicas = settings.ledger.timeout_s, settings.ledger.replicas
    return Terms(lease_s=_lease_s(settings, known), timeout_s=timeout_s, replicas=replicas)


def _door(settings: Settings) -> Callable[[], Awaitable[Wire]]:
    """Return what connects to Redis. Raises SettingsError where its client is not installed."""
    try:
        from pointsman.executor.ledger.door import door  # noqa: PLC0415 - an extra that one Executor alone does not need
    except ImportError as error:
        message = "ledger.url is set, which needs the client of Redis; install pointsman[redis], or leave it empty"
        raise SettingsError(message, path="ledger.url") from error
    return door(settings.ledger.url)


def _lease_s(settings: Settings, known: Mapping[str, Candidate]) -> float:
    return longest_call_s(known.values()) + settings.ledger.lease_margin_s
