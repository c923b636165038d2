"""Every recipe in clients/grpcurl is run with the real grpcurl against a real stack: what stands there works."""

import asyncio
import json
import os
import re
from asyncio.subprocess import PIPE
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pointsman.cli.stack import Stack

RECIPES = Path(__file__).parents[2] / "clients/grpcurl"

pytestmark = pytest.mark.needs_grpcurl

ROOM_OF = {
    "classify": "classifier",
    "execute": "executor",
    "list_candidates": "executor",
    "plan": "executor",
    "report": "executor",
    "stream_execute": "executor",
    "watch_activity": "executor",
    "watch_candidates": "executor",
}
"""Which service a recipe asks; all others ask the Router."""

SAYS = {
    "classify": ("verdict", "category", "reasoning"),
    "describe": ("message RouteRequest", "string text = 1"),
    "execute": ("answer", "candidate", "simulated"),
    "explain": ("verdict", "plan", "ready"),
    "health": ("SERVING",),
    "list": ("pointsman.v1.RouterService", "grpc.health.v1.Health"),
    "list_candidates": ("candidates", "AVAILABILITY_READY", "wasted_today", "local/qwen2.5-14b"),
    "plan": ("plan", "ready", "gemini/gemini-flash"),
    "report": ("total", "journal"),
    "route": ("answer", "2+2는?", "cost_usd", "request_id"),
    "stream_execute": ("start", "delta", "end"),
    "stream_route": ("start", "delta", "end", "review"),
    "watch_activity": ("last_minute", "since_start", "requests_by_second"),
    "watch_candidates": ("anthropic/claude-sonnet", "deepseek/deepseek-coder"),
}
"""What an answer must hold, by recipe."""


async def run(recipe: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        recipe,
        env={"PATH": os.environ["PATH"], "SECONDS_WATCHED": "1", **environment},  # noqa: TID251 - where grpcurl is
        stdout=PIPE,
        stderr=PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def messages(text: str) -> list[Any]:
    """Return the JSON messages that stand one after another."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while match := re.compile(r"\S").search(text, at):
        message, at = decoder.raw_decode(text, match.start())
        found.append(message)
    return found


def test_every_recipe_is_checked_here() -> None:
    assert {path.stem for path in RECIPES.glob("*.sh")} == set(SAYS)


@pytest.mark.parametrize("name", sorted(SAYS))
async def test_a_recipe_gets_its_answer(name: str, stack: Stack) -> None:
    address = stack.addresses[ROOM_OF.get(name, "router")]

    code, out, err = await run(RECIPES / f"{name}.sh", {"ADDRESS": address})

    assert code == 0, err
    assert [word for word in SAYS[name] if word not in out] == []


@pytest.mark.parametrize("room", ["router", "classifier", "executor"])
@pytest.mark.parametrize("name", ["health", "list"])
async def test_health_and_reflection_work_on_every_port(name: str, room: str, stack: Stack) -> None:
    code, out, err = await run(RECIPES / f"{name}.sh", {"ADDRESS": stack.addresses[room]})

    assert code == 0, err
    assert ("SERVING" if name == "health" else f"pointsman.v1.{room.capitalize()}Service") in out


async def test_a_stream_is_one_start_deltas_and_one_end(stack: Stack) -> None:
    _, out, _ = await run(RECIPES / "stream_route.sh", {"ADDRESS": stack.addresses["router"]})

    kinds = [next(iter(message)) for message in messages(out)]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert set(kinds[1:-1]) == {"delta"}


async def test_a_recipe_fails_when_nothing_listens() -> None:
    code, _, err = await run(RECIPES / "route.sh", {"ADDRESS": "127.0.0.1:1"})

    assert code != 0
    assert "refused" in err
