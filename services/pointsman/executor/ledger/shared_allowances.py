"""The allowances of several Executors: what settings grant to callers, over the one account of what they use.

One question before a request and one before a call, each one atomic step of a script; what is told afterwards is not
waited for.
"""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final

from pointsman.domain.trail import Attempt, Skip, SkipReason
from pointsman.executor.allowance import Allowance, Allowances, Charge, Held
from pointsman.executor.instant import Instant
from pointsman.executor.ledger.account import Account
from pointsman.executor.ledger.link import LinkDown

DENIED: Final = {"rate": SkipReason.CALLER_OVER_RATE, "money": SkipReason.CALLER_OVER_BUDGET}


class SharedAllowances(Allowances):
    """Those of all callers by one state of the settings. `known` is what was last heard of them."""

    def __init__(self, known: Mapping[str, Allowance], account: Account, *, lease_s: float) -> None:
        """Count in an account, which goes by these allowances once they are `kept`, or have inherited others.

        `lease_s` is how long an Executor may hold something by these settings, unless it has crashed.
        """
        super().__init__(dict(known))
        self.account, self._lease_s = account, lease_s

    def __getitem__(self, caller: str) -> Allowance:
        """Return what is known of a caller's allowance; while Redis is away, this Executor's part of it."""
        return self.account.current(self._whole(caller))

    @property
    def name(self) -> str:
        """Where it is counted what callers use: redis; redis-away while every caller has a part only."""
        return "redis-away" if self.is_away else "redis"

    @property
    def is_away(self) -> bool:
        """True while every caller has this Executor's part only."""
        return self.account.stay.is_away

    def kept(self) -> AbstractAsyncContextManager[None]:
        """Stay with Redis until the block ends; it begins when Redis has been looked for once.

        For the allowances of the start; those of newer settings inherit.
        """
        self.account.heed(self.known, lease_s=self._lease_s)
        return self.account.stay.kept()

    def inherit(self, before: Allowances) -> None:
        """Go on with what callers have used who were granted something before, and have the account go by this."""
        super().inherit(before)
        self.account.heed(self.known, lease_s=self._lease_s)

    # --- What the attempt loop asks for

    async def admit(self, caller: str, category: str, at: Instant) -> None:
        """Count one request, everywhere. Raises CategoryForbidden, CallerUnknown, and CallerOverRate."""
        whole = self._whole(caller)
        whole.permit(category)
        if not self.is_away and whole.requests is not None:
            try:
                denied = await self.account.admit(whole, at)
            except LinkDown as down:
                self.account.stay.leave(down)
            else:
                if denied:
                    raise whole.over_rate(at)
                return
        self[caller].admit(category, at)

    async def hold(self, caller: str, candidate_id: str, charge: Charge, at: Instant) -> Held | Skip:
        """Set aside, everywhere, what a call needs that leaves now, or return why not."""
        whole = self._whole(caller)
        is_priced = charge.most_usd is not None or not whole.purses
        if not self.is_away and whole.is_counted and is_priced:
            call = self.account.call(whole, charge, at)
            try:
                denied = await self.account.stay.begin(call, "hold")
            except LinkDown:
                pass  # and so it is away
            else:
                if denied:
                    return _denied(whole, candidate_id, charge, denied, at)
                return self.account.begin(call, whole, at)
        held = self[caller].hold(candidate_id, charge, at)
        if isinstance(held, Skip) or not whole.is_counted:
            return held
        return self.account.begin_here(whole, charge, held, at)

    def take(self, caller: str, charge: Charge, at: Instant) -> Held:
        """Set aside what a call needs, whether it fits or not."""
        whole = self._whole(caller)
        if not whole.is_counted:
            return whole.take(charge, at)
        if self.is_away:
            return self.account.begin_here(whole, charge, self[caller].take(charge, at), at)
        return self.account.begin_unasked(whole, charge, at)

    def settle(self, caller: str, held: Held, attempt: Attempt | None, at: Instant) -> None:
        """Replace what was set aside by what the attempt used. Exactly once; None when no call has left."""
        whole = self._whole(caller)
        if whole.is_counted:
            self.account.end(whole, held, attempt, at)

    def _whole(self, caller: str) -> Allowance:
        return super().__getitem__(caller)


def _denied(whole: Allowance, candidate_id: str, charge: Charge, why: str, at: Instant) -> Skip:
    """Return the reason as it is known here, where it is; else that somebody else was quicker."""
    detail = "another Executor has just taken what was left"
    told = whole.skip(candidate_id, charge, at)
    return told or Skip(candidate=candidate_id, reason=DENIED[why], ready_at=at.now, detail=detail)
