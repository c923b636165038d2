"""Callers on the wire: who gets in, what each of the others is told, and that nobody spends more than it may."""

import asyncio
import json
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman.cli.certs import certs
from pointsman.cli.simulated import without_limits
from pointsman.cli.stack import Stack
from pointsman.config import Settings, keys
from pointsman.config.settings import CallerSettings, FallbackSettings, JournalSettings, TlsSettings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.rpc.callers import Keyring
from pointsman.simulator.faults import Fault
from pointsman.simulator.simulation import Simulation
from pointsman.telemetry import facts
from pointsman_client import Answer, CallerOverLimit, Client, Forbidden, RouteError, Unauthenticated
from tests.fakes.command import pointsman
from tests.fakes.hops import running
from tests.fakes.spans import recorded_spans

ROUTE = "pointsman.v1.RouterService/Route"
AT = datetime(2026, 11, 27, tzinfo=UTC)
ALICES, STRANGE = keys.make(), keys.make()
GEMINI = "gemini/gemini-flash"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a keys file with one key of alice."""
    path = tmp_path / "keys.jsonl"
    with keys.changing(path) as known:
        known.append(keys.record(ALICES, caller="alice", created=AT))
    return path


@asynccontextmanager
async def _asking(
    settings: Settings, file: Path, alice: CallerSettings | None = None, *, concurrent_calls: int = 2_000
) -> AsyncIterator[Stack]:
    """Run a stack that asks for keys and knows alice, over providers without limits and without a fallback."""
    changed = replace(
        without_limits(settings),
        router=replace(settings.router, keys=str(file)),
        limits=replace(settings.limits, concurrent_calls=concurrent_calls),
        callers={**settings.callers, "alice": alice or CallerSettings()},
        fallback=FallbackSettings(),
    )
    async with running(changed, clock=SystemClock()) as stack:
        yield stack


async def test_whose_key_is_known_is_answered_and_the_journal_knows_who_it_was(settings: Settings, file: Path) -> None:
    async with _asking(settings, file) as stack, Client(stack.router.address, api_key=ALICES) as client:
        answer = await client.route("2+2는?")
        finished = await pointsman("report", "--by", "caller", "--json", "--address", stack.executor.address)

    assert answer.simulated
    assert [row["key"] for row in finished.json()["rows"]] == ["alice"]


@pytest.mark.parametrize(
    "key, reason",
    [pytest.param("", "KEY_MISSING", id="no key"), pytest.param(STRANGE, "KEY_UNKNOWN", id="a stranger's")],
)
async def test_without_a_good_key_nothing_is_served(settings: Settings, file: Path, key: str, reason: str) -> None:
    async with _asking(settings, file) as stack, Client(stack.router.address, api_key=key) as client:
        for ask in (client.route, client.explain):
            with pytest.raises(Unauthenticated) as caught:
                await ask("hello")
            assert caught.value.reason == reason
        with pytest.raises(Unauthenticated):
            _ = [event async for event in client.stream("hello")]


async def test_a_revoked_key_opens_nothing_from_the_next_call_on(settings: Settings, file: Path) -> None:
    async with _asking(settings, file) as stack, Client(stack.router.address, api_key=ALICES) as client:
        await client.route("2+2는?")
        with keys.changing(file) as known:
            known[0] = replace(known[0], revoked=AT)

        with pytest.raises(Unauthenticated) as caught:
            await client.route("2+2는?")

    assert caught.value.reason == "KEY_UNKNOWN"


def test_a_file_that_turns_bad_keeps_the_keys_that_were_known_and_is_said_once(file: Path) -> None:
    ring = Keyring(file)
    with structlog.testing.capture_logs() as captured:
        file.write_text(ALICES)
        found = [ring.caller_of({"x-api-key": ALICES}) for _ in range(2)]

    assert found == ["alice", "alice"]
    assert [line["event"] for line in captured] == ["keys.unusable"]
    assert ALICES not in repr(captured)


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="pointsman keys create NAME"):
        Keyring(tmp_path / "nowhere.jsonl")


async def test_health_asks_for_no_key(settings: Settings, file: Path) -> None:
    async with _asking(settings, file) as stack, grpc.aio.insecure_channel(stack.router.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # the stubs do not know it
        answer = await check(health_pb2.HealthCheckRequest(), timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    "grant, reason",
    [
        pytest.param({"categories": ("coding",)}, "CATEGORY_FORBIDDEN", id="category"),
        pytest.param({"candidates": ("anthropic/claude-opus",)}, "CANDIDATES_FORBIDDEN", id="candidates"),
    ],
)
async def test_who_is_known_and_may_not_is_told_so(
    settings: Settings, file: Path, grant: dict[str, tuple[str, ...]], reason: str
) -> None:
    alice = CallerSettings(**grant)  # type: ignore[arg-type]  # as named
    async with _asking(settings, file, alice) as stack, Client(stack.router.address, api_key=ALICES) as client:
        with pytest.raises(Forbidden) as caught:
            await client.route("2+2는?", category="quick")

    assert caught.value.reason == reason


async def test_a_key_of_a_caller_whom_the_settings_do_not_know_is_forbidden(settings: Settings, file: Path) -> None:
    bobs = keys.make()
    with keys.changing(file) as known:
        known.append(keys.record(bobs, caller="bob", created=AT))
    async with _asking(settings, file) as stack, Client(stack.router.address, api_key=bobs) as client:
        with pytest.raises(Forbidden) as caught:
            await client.route("2+2는?")

    assert caught.value.reason == "CALLER_UNKNOWN"


async def test_one_request_too_many_is_told_when_to_come_back(settings: Settings, file: Path) -> None:
    alice = CallerSettings(requests_per_minute=2)
    async with _asking(settings, file, alice) as stack, Client(stack.router.address, api_key=ALICES) as client:
        for _ in range(2):
            await client.route("2+2는?")
        with pytest.raises(CallerOverLimit) as caught:
            await client.route("2+2는?")

    assert caught.value.reason == "CALLER_OVER_RATE"
    assert caught.value.retry_after_s is not None
    assert 0 < caught.value.retry_after_s <= 61


async def _one(client: Client) -> Answer | RouteError:
    try:
        return await client.route("Name one prime.", category="quick", max_output_tokens=64, timeout_s=50)
    except RouteError as error:
        return error


@pytest.mark.one_way  # counted in the Executor, whichever way it is asked; who asks is told either way above
async def test_of_a_thousand_at_once_with_money_for_ten_at_most_ten_are_answered(
    settings: Settings, simulation: Simulation, file: Path
) -> None:
    async with _asking(settings, file) as stack, Client(stack.router.address, api_key=ALICES) as client:
        first = await _one(client)
    assert isinstance(first, Answer)
    assert first.cost_usd
    budget_usd = 10 * first.cost_usd

    # Slow enough for all to be under way before the first has told what it cost.
    simulation.script("*", Fault.SLOW_BYTES, times=1_000)
    grant = CallerSettings(candidates=(GEMINI,), usd_per_day=budget_usd)
    async with _asking(settings, file, grant) as stack, Client(stack.router.address, api_key=ALICES) as client:
        ends = await asyncio.gather(*(_one(client) for _ in range(1_000)))

    answers = [end for end in ends if isinstance(end, Answer)]
    refusals = {end.reason for end in ends if isinstance(end, RouteError)}
    assert 1 <= len(answers) <= 10
    assert refusals == {"CALLER_OVER_BUDGET"}
    assert sum(Decimal(repr(each.cost_usd)) for each in answers) <= Decimal(repr(budget_usd))


@pytest.mark.one_way  # refused at the Router's port
async def test_a_caller_who_floods_costs_another_nothing(
    settings: Settings, simulation: Simulation, file: Path
) -> None:
    bobs = keys.make()
    with keys.changing(file) as known:
        known.append(keys.record(bobs, caller="bob", created=AT))
    simulation.script("*", Fault.SILENCE, times=192)  # three quarters of 256, which is all that alice gets
    crowded = replace(settings, callers={"bob": CallerSettings()})
    async with (
        _asking(crowded, file, concurrent_calls=256) as stack,
        Client(stack.router.address, api_key=ALICES) as alice,
        Client(stack.router.address, api_key=bobs) as bob,
    ):
        flood = [asyncio.ensure_future(_one(alice)) for _ in range(1_000)]
        await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)  # one is refused, so all places are taken
        ends = [await _one(bob) for _ in range(20)]
        theirs = [call.result() for call in flood if call.done()]
        for call in flood:
            call.cancel()
        await asyncio.gather(*flood, return_exceptions=True)

    refusals = [end for end in theirs if isinstance(end, RouteError)]
    assert [end for end in ends if isinstance(end, RouteError)] == []
    assert len(flood) - len(theirs) >= 192
    assert len(refusals) == len(theirs)
    assert {refusal.reason for refusal in refusals} == {"TOO_MANY_CALLS"}
    assert {refusal.metadata.get("caller") for refusal in refusals} == {"alice"}


async def test_what_was_spent_is_known_after_a_restart(settings: Settings, file: Path, tmp_path: Path) -> None:
    kept = replace(settings, journal=JournalSettings(url=f"sqlite:///{tmp_path}/journal.sqlite"))
    async with _asking(kept, file) as stack, Client(stack.router.address, api_key=ALICES) as client:
        first = await _one(client)
    assert isinstance(first, Answer)
    assert first.cost_usd

    grant = CallerSettings(candidates=(GEMINI,), usd_per_month=first.cost_usd)
    async with _asking(kept, file, grant) as stack, Client(stack.router.address, api_key=ALICES) as client:
        second = await _one(client)

    assert isinstance(second, CallerOverLimit)
    assert second.reason == "CALLER_OVER_BUDGET"


async def test_a_key_is_nowhere_in_what_is_said(settings: Settings, file: Path) -> None:
    said: list[object] = [Keyring(file), keys.read(file)]
    merge = facts.merge
    with structlog.testing.capture_logs([merge]) as captured, recorded_spans() as recorder:
        async with _asking(settings, file, CallerSettings(categories=("quick",))) as stack:
            for key in (ALICES, STRANGE):
                async with Client(stack.router.address, api_key=key) as client:
                    said += [client, await _one(client)]
                    try:
                        await client.route("hello", category="coding")
                    except RouteError as error:
                        cause = error.__cause__
                        assert isinstance(cause, grpc.aio.AioRpcError)
                        said += [
                            error,
                            error.metadata,
                            str(error),
                            cause.trailing_metadata(),
                            cause.debug_error_string(),
                        ]
    spans = [(span.name, dict(span.attributes or {}), span.events) for span in recorder.ended]

    assert "'caller': 'alice'" in repr(captured)
    assert "'pointsman.caller': 'alice'" in repr(spans)
    text = repr([*said, captured, spans])
    assert [key for key in (ALICES, STRANGE) if key in text or keys.digest(key) in text] == []


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError, match="no header can carry") as caught:
        Client(api_key="two words")

    assert "two words" not in str(caught.value)


GRPCURL = [
    pytest.param((), "Code: Unauthenticated", "KEY_MISSING", id="no key"),
    pytest.param(("-H", f"authorization: Bearer {STRANGE}"), "Code: Unauthenticated", "KEY_UNKNOWN", id="unknown"),
    pytest.param(("-H", f"authorization: Basic {ALICES}"), "Code: Unauthenticated", "KEY_MISSING", id="not a bearer"),
    pytest.param(("-H", f"authorization: Bearer {ALICES}"), "", "simulated", id="a bearer's"),
    pytest.param(("-H", f"x-api-key: {ALICES}"), "", "simulated", id="an API key"),
]


async def _grpcurl(*words: str) -> str:
    """Return all that grpcurl prints."""
    process = await asyncio.create_subprocess_exec(
        "grpcurl", "-plaintext", "-connect-timeout", "3", *words,
        env={"PATH": os.environ["PATH"]},  # noqa: TID251 - where grpcurl is
        stdout=PIPE,
        stderr=PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return (out + err).decode()


@pytest.mark.one_way  # told by the Router
@pytest.mark.needs_grpcurl
@pytest.mark.parametrize("headers, code, says", GRPCURL)
async def test_grpcurl_is_told_what_its_key_is_worth(
    settings: Settings, file: Path, headers: tuple[str, ...], code: str, says: str
) -> None:
    async with _asking(settings, file) as stack:
        told = await _grpcurl(*headers, "-d", '{"text": "2+2는?"}', stack.router.address, ROUTE)

    assert code in told
    assert says in told


@pytest.mark.one_way  # the Client above is told the same either way
@pytest.mark.needs_grpcurl
async def test_grpcurl_with_a_good_key_is_told_what_it_may_not(settings: Settings, file: Path) -> None:
    grant = CallerSettings(categories=("quick",), requests_per_minute=1)
    header, coding = f"x-api-key: {ALICES}", '{"text": "hi", "options": {"category": "coding"}}'
    async with _asking(settings, file, grant) as stack:
        told = [
            await _grpcurl("-H", header, "-d", text, stack.router.address, ROUTE)
            for text in (coding, coding.replace("coding", "quick"), coding.replace("coding", "quick"))
        ]
        services = await _grpcurl(stack.router.address, "list")

    assert "Code: PermissionDenied" in told[0]
    assert "simulated" in told[1]
    assert "Code: ResourceExhausted" in told[2]
    assert "google.rpc.RetryInfo" in told[2]
    assert "pointsman.v1.RouterService" in services


@pytest.mark.one_way  # of a port
@pytest.mark.parametrize("allowed", [False, True])
async def test_a_router_that_anybody_can_reach_asks_who_it_is_or_says_that_it_does_not(
    settings: Settings, tmp_path: Path, *, allowed: bool
) -> None:
    certs(tmp_path, hosts=(), days=2, as_json=True)
    files = {"certificate": "service.pem", "key": "service.key", "authority": "authority.pem"}
    changed = replace(
        settings,
        router=replace(settings.router, address="0.0.0.0:0", anybody_on_open_network=allowed),
        tls=TlsSettings(**{key: str(tmp_path / name) for key, name in files.items()}),  # type: ignore[arg-type]  # paths
    )
    if allowed:
        async with running(changed, clock=SystemClock()) as stack:
            assert stack.router.port
        return
    with pytest.raises(SettingsError, match="anybody could spend your money"):
        async with running(changed, clock=SystemClock()):
            pass


@pytest.mark.one_way  # of a file; no service runs
async def test_keys_are_made_listed_and_revoked_by_command(tmp_path: Path) -> None:
    file, config = tmp_path / "keys.jsonl", tmp_path / "pointsman.toml"
    reference = Path(__file__).parents[2] / "deploy/pointsman.toml"
    config.write_text(reference.read_text() + "\n[callers.alice]\n")
    there = {"POINTSMAN_CONFIG": str(config), "POINTSMAN__ROUTER__KEYS": str(file)}

    stranger = await pointsman("keys", "create", "bob", environment=there)
    made = await pointsman("keys", "create", "alice", environment=there)
    weak = await pointsman(
        "keys", "create", "alice", "--key-env", "KEY", environment={**there, "KEY": "test-test-test-test-test"}
    )
    listed = (await pointsman("keys", "list", "--json", environment=there)).json()["keys"]
    revoked = await pointsman("keys", "revoke", listed[0]["id"], environment=there)
    after = await pointsman("keys", "list", environment=there)

    assert (stranger.code, "add [callers.bob]" in stranger.err) == (2, True)
    assert (made.code, made.out.startswith("pm_"), len(made.out.strip())) == (0, True, 35)
    assert (weak.code, "could be guessed" in weak.err, "test-test" in weak.err) == (2, True, False)
    assert [key["caller"] for key in listed] == ["alice"]
    assert made.out.strip() not in json.dumps(listed) + file.read_text()
    assert revoked.code == 0
    assert "revoked" in after.out


@pytest.mark.one_way  # of what the Router is sent
async def test_the_command_line_sends_a_key_from_the_environment(settings: Settings, file: Path) -> None:
    async with _asking(settings, file) as stack:
        words = ("route", "2+2는?", "--address", stack.router.address)
        without = await pointsman(*words)
        with_key = await pointsman(*words, "--api-key-env", "KEY", environment={"KEY": ALICES})
        unset = await pointsman(*words, "--api-key-env", "KEY")

    assert (without.code, "asks for a key" in without.err) == (1, True)
    assert with_key.code == 0
    assert (unset.code, "not set" in unset.err) == (2, True)
