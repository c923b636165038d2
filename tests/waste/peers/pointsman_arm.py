"""Pointsman's attempt loop as an arm: one Executor a run, as the peer's Router is used as a library too."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from random import Random

from pointsman.config import Settings
from pointsman.config.load import SIMULATED_KEY_ENV
from pointsman.config.settings import CandidateSettings, JournalSettings, PoolSettings, ProviderSettings, QuotaSettings
from pointsman.domain.clock import Clock, SystemClock
from pointsman.domain.errors import PointsmanError
from pointsman.domain.prompt import Message, Options, Prompt, Request, Role, Text
from pointsman.executor import app as executor
from pointsman.executor.execute import Execute
from pointsman.executor.pools import candidates
from tests.waste.peers.work import Ask, Job, Ready, Run, main

CONFIGURED, NOT_CONFIGURED = "configured", "not configured"
POOL = "quick"


def settings(job: Job, run: Run) -> Settings:
    """Return settings with the two models in one pool; the limit is written down where the arm is configured."""
    quota = QuotaSettings(requests_per_minute=job.per_minute if job.arm == CONFIGURED else None)
    return Settings(
        journal=JournalSettings(url=""),
        providers={
            "openai": ProviderSettings(wire="openai", base_url=run.base_url, api_key_env=SIMULATED_KEY_ENV),
        },
        candidates={
            "preferred": CandidateSettings(provider="openai", model=job.preferred, quota=quota),
            "second": CandidateSettings(provider="openai", model=job.second),
        },
        pools={POOL: PoolSettings(candidates=("preferred", "second"))},
    )


@asynccontextmanager
async def opened(job: Job) -> AsyncIterator[tuple[Ready, Ask]]:
    """Build an Executor for each run."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        engines = {run.id: await _engine(settings(job, run), run, clock, stack) for run in job.all_runs}

        async def ask(run: Run, text: str) -> bool:
            message = Message(role=Role.USER, parts=(Text(text=text),))
            request = Request(prompt=Prompt(messages=(message,)), options=Options())
            deadline = clock.monotonic() + job.deadline_s
            try:
                await engines[run.id].execute(request, POOL, deadline=deadline)
            except PointsmanError:
                return False
            return True

        written = f"requests_per_minute={job.per_minute}" if job.arm == CONFIGURED else "no limit written down"
        yield Ready(version=f"Pointsman {version('pointsman')}", settings=written), ask


async def _engine(written: Settings, run: Run, clock: Clock, stack: AsyncExitStack) -> Execute:
    adapters = executor.adapters_of(written, clock=clock)
    for adapter in adapters.values():
        stack.push_async_callback(adapter.close)
    return executor.build(written, candidates(written), adapters, clock=clock, random=Random(run.id))


if __name__ == "__main__":
    main(opened)
