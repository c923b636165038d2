"""LiteLLM's Router as an arm. Runs in .venv-peers; one Router serves all runs, each with two groups of its own."""

import sys
from importlib.metadata import version
from typing import Any

from tests.waste.peers.work import Job, Opened, Ready, Run, just, main

MINUTE_S = 60

SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "num_retries=0": {"num_retries": 0},
    "cooldown": {
        "num_retries": 0,
        "cooldown_time": MINUTE_S,
        # Any setting of allowed fails lifts the rule that a group's only deployment never cools (1.109.1, 2026-11).
        "allowed_fails_policy": {"RateLimitErrorAllowedFails": 0},
    },
}
SETTINGS["cooldown + rpm"] = SETTINGS["cooldown"] | {"optional_pre_call_checks": ["enforce_model_rate_limits"]}
"""What is given to the Router besides its models and their fallbacks, by name of the arm.

Retry-After, where a refusal has it, goes before `cooldown_time`. With `rpm` at the deployment and the check, the Router
refuses by itself what is beyond so many requests in a minute of the clock (docs.litellm.ai, 2026-11).
"""

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def stay_here() -> None:
    """Let nothing in this process connect or look up a name beyond loopback."""
    sys.addaudithook(_refuse_elsewhere)


def _refuse_elsewhere(event: str, arguments: tuple[Any, ...]) -> None:
    host = None
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    if host is not None and host not in LOOPBACK:
        print(f"refused: {event} to {host}", file=sys.stderr, flush=True)
        raise PermissionError(f"{event} to {host}: peers are measured on loopback only")


def opened(job: Job) -> Opened:
    """Build the Router of the job's arm."""
    from litellm import Router  # type: ignore[import-not-found]  # noqa: PLC0415 - of .venv-peers, once nothing can call out
    from openai import OpenAIError  # type: ignore[import-not-found]  # noqa: PLC0415 - as above

    settings = SETTINGS[job.arm]
    router = Router(model_list=[*_models(job)], fallbacks=[_fallback(run) for run in job.all_runs], **settings)

    async def ask(run: Run, text: str) -> bool:
        try:
            await router.acompletion(model=f"preferred-{run.id}", messages=[{"role": "user", "content": text}])
        except (OpenAIError, ValueError):  # a group that cools down altogether is a ValueError
            return False
        return True

    written = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    rpm = f", rpm={job.per_minute} at the preferred deployment" if _has_rpm(job) else ""
    return just(Ready(version=f"LiteLLM {version('litellm')}", settings=f"Router({written or 'defaults'}){rpm}"), ask)


def _models(job: Job) -> list[dict[str, Any]]:
    limit = {"rpm": job.per_minute} if _has_rpm(job) else {}
    return [
        {
            "model_name": f"{group}-{run.id}",
            "litellm_params": {"model": f"openai/{model}", "api_base": run.base_url, "api_key": "sk-none", **own},
        }
        for run in job.all_runs
        for group, model, own in (("preferred", job.preferred, limit), ("second", job.second, {}))
    ]


def _has_rpm(job: Job) -> bool:
    return "optional_pre_call_checks" in SETTINGS[job.arm]


def _fallback(run: Run) -> dict[str, list[str]]:
    return {f"preferred-{run.id}": [f"second-{run.id}"]}


if __name__ == "__main__":
    stay_here()
    main(opened)
