import asyncio
import os
import subprocess
import sys

import pytest

from tests.fakes.patience import kept_waiting_s, within


async def test_what_is_done_in_time_passes() -> None:
    async with within(10.0):
        await asyncio.sleep(0)  # noqa: TID251 - one turn


async def test_what_is_not_done_in_time_fails() -> None:
    with pytest.raises(TimeoutError):
        async with within(0.01):
            await asyncio.Event().wait()


async def test_what_the_machine_kept_us_waiting_is_no_time_of_ours() -> None:
    readings = iter([1.0, 1.05, 1.05])
    loop = asyncio.get_running_loop()
    began = loop.time()

    with pytest.raises(TimeoutError):
        async with within(0.01, kept_waiting_s=lambda: next(readings)):
            await asyncio.Event().wait()

    assert loop.time() - began >= 0.06
    assert list(readings) == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux counts it")
def test_who_shares_a_core_is_seen_to_wait() -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    waited_s = kept_waiting_s()
    try:
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as rival:
            while kept_waiting_s() - waited_s < 0.05:
                pass
            rival.kill()
    finally:
        os.sched_setaffinity(0, cores)
