"""This Executor's part of what a caller may use, while Redis is away. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from pointsman.executor.allowance import Allowance, Charge, Grant, Held
from pointsman.executor.instant import Instant
from pointsman.executor.ledger.caller_asking import floor


def part_of(whole: Allowance, own: Iterable[Held], replicas: int, at: Instant) -> tuple[Allowance, list[Held]]:
    """Return a part of what was left of an allowance when it was last heard of, and all that calls of one's own hold.

    Of those calls, in the same order, it returns what they hold in the part. All parts together leave what was left at
    most, whatever each Executor holds; a rate's part is 1 at least.
    """
    part = Allowance.of(whole.caller, _divided(whole.grant, replicas))
    held = [part.take(Charge(tokens=each.tokens, most_usd=each.most_usd), at) for each in own]
    for purse, known in zip(part.purses, whole.purses, strict=True):
        known.renew(at.now)
        purse.spent = purse.limit - purse.held - floor(known.left / replicas)
        purse.ends_at = known.ends_at
    for window, seen in ((part.requests, whole.requests), (part.tokens, whole.tokens)):
        if window and seen:
            window.past.inherit(seen.past, replicas)
    return part, held


def _divided(grant: Grant, replicas: int) -> Grant:
    requests, tokens = grant.requests_per_minute, grant.tokens_per_minute
    return replace(
        grant,
        requests_per_minute=None if requests is None else max(1, requests // replicas),
        tokens_per_minute=None if tokens is None else max(1, tokens // replicas),
        usd_per_day=None if grant.usd_per_day is None else floor(grant.usd_per_day / replicas),
        usd_per_month=None if grant.usd_per_month is None else floor(grant.usd_per_month / replicas),
    )
