"""TLS on the wire: who gets in, what each of the others is told, and certificates that change while it runs."""

import asyncio
import os
import shutil
import ssl
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
import structlog

from pointsman.cli.certs import certs
from pointsman.cli.failure import Misuse
from pointsman.cli.stack import Stack
from pointsman.config import Settings, keys
from pointsman.config.settings import CallerSettings, TlsSettings
from pointsman.domain.clock import SystemClock
from pointsman.domain.errors import SettingsError
from pointsman.rpc.server import is_of_this_machine
from pointsman.rpc.tls import Files, ServerCertificate, identity_of
from pointsman.v1 import executor_pb2, executor_pb2_grpc
from pointsman_client import Client, Forbidden, RouteError, Tls, Unauthenticated, Unreachable
from pointsman_client.__main__ import ask, parse
from tests.fakes.command import pointsman
from tests.fakes.hops import running
from tests.fakes.serving import FakeClassifier, serving

ROUTE = "pointsman.v1.RouterService/Route"
SERVICE_FILES = {"authority": "authority.pem", "certificate": "service.pem", "key": "service.key"}
PLAN = "pointsman.v1.ExecutorService/ListCandidates"


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of certificates that our services show and believe."""
    return _made(tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of certificates of an authority that nobody here believes."""
    return _made(tmp_path_factory.mktemp("strangers"))


def _made(folder: Path) -> Path:
    certs(folder, hosts=(), days=2, as_json=True)
    return folder


def _tls(folder: Path, *, asks_callers: bool = False) -> TlsSettings:
    return TlsSettings(
        certificate=str(folder / "service.pem"),
        key=str(folder / "service.key"),
        authority=str(folder / "authority.pem"),
        caller_authority=str(folder / "callers.pem") if asks_callers else "",
    )


@asynccontextmanager
async def _encrypted(settings: Settings, folder: Path, *, asks_callers: bool = False) -> AsyncIterator[Stack]:
    changed = replace(settings, tls=_tls(folder, asks_callers=asks_callers))
    async with running(changed, clock=SystemClock()) as stack:
        yield stack


def _files(folder: Path) -> Files:
    return Files(certificate=folder / "service.pem", key=folder / "service.key", believed=folder / "authority.pem")


async def test_a_caller_who_believes_the_authority_is_answered_over_three_encrypted_hops(
    settings: Settings, ours: Path
) -> None:
    async with (
        _encrypted(settings, ours) as stack,
        Client(stack.router.address, tls=Tls(authority=ours / "authority.pem")) as client,
    ):
        answer = await client.route("2+2는?")

    assert answer.simulated
    assert answer.response.verdict.decided_by  # the Classifier was reached too
    assert not answer.degraded


async def test_a_caller_who_believes_another_authority_is_told_that_nobody_can_be_reached(
    settings: Settings, ours: Path, strangers: Path
) -> None:
    async with (
        _encrypted(settings, ours) as stack,
        Client(stack.router.address, tls=Tls(authority=strangers / "authority.pem")) as client,
    ):
        with pytest.raises(Unreachable):
            await client.route("hello", timeout_s=5)


async def test_a_plaintext_caller_does_not_get_in(settings: Settings, ours: Path) -> None:
    async with _encrypted(settings, ours) as stack, Client(stack.router.address) as client:
        with pytest.raises(Unreachable):
            await client.route("hello", timeout_s=5)


async def test_where_callers_are_asked_one_with_a_certificate_gets_in(settings: Settings, ours: Path) -> None:
    tls = Tls(authority=ours / "authority.pem", certificate=ours / "caller.pem", key=ours / "caller.key")
    async with (
        _encrypted(settings, ours, asks_callers=True) as stack,
        Client(stack.router.address, tls=tls) as client,
    ):
        answer = await client.route("hello")

    assert answer.text


@pytest.mark.parametrize("shows", ["nothing", "a stranger's"])
async def test_where_callers_are_asked_others_do_not_get_in(
    settings: Settings, ours: Path, strangers: Path, shows: str
) -> None:
    shown = {} if shows == "nothing" else {"certificate": strangers / "caller.pem", "key": strangers / "caller.key"}
    async with (
        _encrypted(settings, ours, asks_callers=True) as stack,
        Client(stack.router.address, tls=Tls(authority=ours / "authority.pem", **shown)) as client,
    ):
        with pytest.raises(Unreachable):
            await client.route("hello", timeout_s=5)


async def test_the_executor_lets_in_only_who_shows_a_certificate_of_our_services(
    settings: Settings, ours: Path
) -> None:
    authority = (ours / "authority.pem").read_bytes()
    async with _encrypted(settings, ours) as stack:
        credentials = grpc.ssl_channel_credentials(authority)
        async with grpc.aio.secure_channel(stack.executor.address, credentials) as channel:
            stub = executor_pb2_grpc.ExecutorServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ListCandidates(executor_pb2.ListCandidatesRequest(), timeout=5)

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.needs_grpcurl
@pytest.mark.parametrize(
    "asks_callers, arguments, succeeds",
    [
        (False, ("-cacert", "ours/authority.pem"), True),
        (False, ("-cacert", "strangers/authority.pem"), False),
        (False, ("-plaintext",), False),
        (True, ("-cacert", "ours/authority.pem", "-cert", "ours/caller.pem", "-key", "ours/caller.key"), True),
        (True, ("-cacert", "ours/authority.pem"), False),
        (
            True,
            ("-cacert", "ours/authority.pem", "-cert", "strangers/caller.pem", "-key", "strangers/caller.key"),
            False,
        ),
    ],
    ids=["TLS", "another authority", "plaintext", "mTLS", "mTLS without a certificate", "mTLS with a stranger's"],
)
async def test_grpcurl_gets_in_with_the_right_certificates_only(
    settings: Settings, ours: Path, strangers: Path, *, asks_callers: bool, arguments: tuple[str, ...], succeeds: bool
) -> None:
    folders = {"ours": str(ours), "strangers": str(strangers)}
    words = [word.replace(word.split("/")[0], folders.get(word.split("/")[0], word), 1) for word in arguments]
    async with _encrypted(settings, ours, asks_callers=asks_callers) as stack:
        process = await asyncio.create_subprocess_exec(
            "grpcurl", "-connect-timeout", "3", *words, "-d", '{"text": "2+2는?"}', stack.router.address, ROUTE,
            env={"PATH": os.environ["PATH"]},  # noqa: TID251 - where grpcurl is
            stdout=PIPE,
            stderr=PIPE,
        )  # fmt: skip
        out, err = await process.communicate()

    assert (process.returncode == 0) is succeeds, err.decode()
    assert (b"simulated" in out) is succeeds


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of certificates of ours, two of them callers': alice's and mallory's."""
    folder = tmp_path_factory.mktemp("callers")
    certs(folder, hosts=(), days=2, as_json=True, callers=("alice", "mallory"))
    return folder


@asynccontextmanager
async def _naming(settings: Settings, folder: Path, keys_file: Path | None = None) -> AsyncIterator[Stack]:
    """Run a stack that knows alice by her certificate, and lets her ask for quick answers only."""
    changed = replace(
        settings,
        tls=_tls(folder, asks_callers=True),
        callers={"alice": CallerSettings(certificate="alice", categories=("quick",)), "bob": CallerSettings()},
        router=replace(settings.router, keys=str(keys_file or "")),
    )
    async with running(changed, clock=SystemClock()) as stack:
        yield stack


def _shown(folder: Path, name: str) -> Tls:
    return Tls(authority=folder / "authority.pem", certificate=folder / f"{name}.pem", key=folder / f"{name}.key")


async def test_a_certificate_names_its_caller_and_the_journal_knows_who_it_was(
    settings: Settings, callers: Path
) -> None:
    async with (
        _naming(settings, callers) as stack,
        Client(stack.router.address, tls=_shown(callers, "alice")) as client,
    ):
        answer = await client.route("hello", category="quick")
        tls = [f"--{name}={callers / file}" for name, file in SERVICE_FILES.items()]
        finished = await pointsman("report", "--by", "caller", "--json", "--address", stack.executor.address, *tls)

    assert answer.text
    assert [row["key"] for row in finished.json()["rows"]] == ["alice"]


@pytest.mark.parametrize(
    "name, kind, reason",
    [
        pytest.param("mallory", Unauthenticated, "CERTIFICATE_UNKNOWN", id="unknown"),
        pytest.param("alice", Forbidden, "CATEGORY_FORBIDDEN", id="forbidden"),
    ],
)
async def test_unknown_and_forbidden_are_told_apart_by_certificate_too(
    settings: Settings, callers: Path, name: str, kind: type[RouteError], reason: str
) -> None:
    async with (
        _naming(settings, callers) as stack,
        Client(stack.router.address, tls=_shown(callers, name)) as client,
    ):
        with pytest.raises(kind) as caught:
            await client.route("hello", category="coding")

    assert caught.value.reason == reason


async def test_a_certificate_of_another_authority_does_not_get_as_far_as_a_name(
    settings: Settings, callers: Path, strangers: Path
) -> None:
    shown = replace(_shown(strangers, "caller"), authority=callers / "authority.pem")
    async with _naming(settings, callers) as stack, Client(stack.router.address, tls=shown) as client:
        with pytest.raises(Unreachable):
            await client.route("hello", timeout_s=5)


@pytest.mark.parametrize("room", ["executor", "classifier"])
async def test_a_callers_certificate_opens_the_router_alone(settings: Settings, callers: Path, room: str) -> None:
    shown = ("--authority", callers / "authority.pem", "--certificate", callers / "alice.pem")
    async with _naming(settings, callers) as stack:
        words = ("report", "--address", stack.addresses[room], *shown, "--key", callers / "alice.key")
        refused = await pointsman(*map(str, words))

    assert refused.code == 1
    assert "one that speaks TLS needs --authority" in refused.err


async def test_a_key_goes_before_a_certificate_and_is_not_needed_beside_one(
    settings: Settings, callers: Path, tmp_path: Path
) -> None:
    bobs = keys.make()
    with keys.changing(tmp_path / "keys.jsonl") as known:
        known.append(keys.record(bobs, caller="bob", created=SystemClock().now()))
    async with _naming(settings, callers, tmp_path / "keys.jsonl") as stack:
        async with Client(stack.router.address, tls=_shown(callers, "alice")) as client:
            by_certificate = await client.route("hello", category="quick")
        async with Client(stack.router.address, tls=_shown(callers, "alice"), api_key=bobs) as client:
            by_key = await client.route("hello", category="coding")  # alice may not
        async with Client(stack.router.address, tls=_shown(callers, "mallory"), api_key=keys.make()) as client:
            with pytest.raises(Unauthenticated) as caught:
                await client.route("hello")

    assert by_certificate.text
    assert by_key.text
    assert caught.value.reason == "KEY_UNKNOWN"


@pytest.mark.needs_grpcurl
@pytest.mark.parametrize(
    "name, category, says",
    [
        pytest.param("alice", "quick", "simulated", id="right"),
        pytest.param("mallory", "quick", "Code: Unauthenticated", id="unmapped"),
        pytest.param("alice", "coding", "Code: PermissionDenied", id="forbidden"),
    ],
)
async def test_grpcurl_is_told_what_its_certificate_is_worth(
    settings: Settings, callers: Path, name: str, category: str, says: str
) -> None:
    shown = ("-cacert", callers / "authority.pem", "-cert", callers / f"{name}.pem", "-key", callers / f"{name}.key")
    asked = f'{{"text": "hi", "options": {{"category": "{category}"}}}}'
    async with _naming(settings, callers) as stack:
        process = await asyncio.create_subprocess_exec(
            "grpcurl", "-connect-timeout", "3", *map(str, shown), "-d", asked, stack.router.address, ROUTE,
            env={"PATH": os.environ["PATH"]},  # noqa: TID251 - where grpcurl is
            stdout=PIPE,
            stderr=PIPE,
        )  # fmt: skip
        out, err = await process.communicate()

    assert says in (out + err).decode()


@pytest.mark.parametrize("names", [("service",), ("no/slash",)], ids=["a file that is not a caller's", "no name"])
def test_a_caller_whose_name_would_be_no_file_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="--caller is"):
        certs(tmp_path, hosts=(), days=2, as_json=True, callers=names)


async def test_a_renewed_certificate_is_shown_from_the_next_handshake_on(
    ours: Path, strangers: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(ours, tmp_path / "live")
    certificate = ServerCertificate(replace(_files(folder), believed=None))
    async with serving(FakeClassifier(), certificate=certificate) as server:
        before = _shown_by(server.port)
        with structlog.testing.capture_logs() as captured:
            shutil.copytree(strangers, folder, dirs_exist_ok=True)
            after = await asyncio.to_thread(_shown_by, server.port)

    assert before != after
    assert "certificate.renewed" in [line["event"] for line in captured]


async def test_a_bad_renewal_keeps_the_old_certificate_and_is_said_once(ours: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(ours, tmp_path / "live")
    certificate = ServerCertificate(replace(_files(folder), believed=None))
    async with serving(FakeClassifier(), certificate=certificate) as server:
        before = await asyncio.to_thread(_shown_by, server.port)
        with structlog.testing.capture_logs() as captured:
            (folder / "service.pem").write_text("not a certificate")
            after = [await asyncio.to_thread(_shown_by, server.port) for _ in range(2)]

    assert after == [before, before]
    assert [line["event"] for line in captured].count("certificate.unusable") == 1


def _shown_by(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=5)


@pytest.mark.parametrize(
    "spoil, says",
    [
        ("service.key", "tls.key names"),
        ("service.pem", "tls.certificate names"),
        ("authority.pem", "cannot be read"),
    ],
)
def test_a_file_that_is_not_there_is_named(ours: Path, tmp_path: Path, spoil: str, says: str) -> None:
    folder = shutil.copytree(ours, tmp_path / "live")
    (folder / spoil).unlink()

    with pytest.raises(SettingsError, match=says) as caught:
        ServerCertificate(_files(folder))

    assert str(folder / spoil) in caught.value.message


@pytest.mark.parametrize("spoil", ["service.key", "service.pem", "authority.pem"])
def test_a_file_that_holds_something_else_is_refused(ours: Path, tmp_path: Path, spoil: str) -> None:
    folder = shutil.copytree(ours, tmp_path / "live")
    (folder / spoil).write_text("nothing of the kind")

    with pytest.raises(SettingsError, match=r"cannot be used|holds no PEM"):
        ServerCertificate(_files(folder))


def test_a_key_that_belongs_to_another_certificate_is_refused(ours: Path, strangers: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        ServerCertificate(replace(_files(ours), key=strangers / "service.key"))


def test_an_identity_does_not_show_its_key(ours: Path) -> None:
    assert "PRIVATE KEY" not in repr(identity_of(_tls(ours)))


async def test_an_address_that_others_can_reach_is_refused_without_tls() -> None:
    with pytest.raises(SettingsError, match="not encrypted") as caught:
        async with serving(FakeClassifier(), address="0.0.0.0:0"):
            pass

    assert "tls.certificate" in caught.value.message


def test_only_loopback_and_unix_sockets_are_of_this_machine() -> None:
    theirs = ("0.0.0.0:1", "[::]:1", "10.0.0.5:1", "pointsman.example:1")
    ours = ("127.0.0.1:1", "127.1.2.3:1", "[::1]:1", "localhost:1", "unix:/run/pointsman.sock")

    assert [address for address in (*theirs, *ours) if is_of_this_machine(address)] == list(ours)


@pytest.mark.parametrize(
    "command, room",
    [(("route", "hi"), "router"), (("explain", "hi"), "router"), (("pools",), "executor"), (("report",), "executor")],
    ids=["route", "explain", "pools", "report"],
)
async def test_a_command_reaches_a_stack_that_encrypts(
    command: tuple[str, ...], room: str, settings: Settings, ours: Path
) -> None:
    shows = "caller" if room == "router" else "service"
    files = {"authority": "authority.pem", "certificate": f"{shows}.pem", "key": f"{shows}.key"}
    named = [word for name, file in files.items() for word in (f"--{name}", str(ours / file))]
    variables = {f"POINTSMAN_TLS_{name.upper()}": str(ours / file) for name, file in files.items()}

    async with _encrypted(settings, ours, asks_callers=True) as stack:
        address = stack.addresses[room]
        by_options = await pointsman(*command, "--address", address, *named)
        by_variables = await pointsman(*command, "--address", address, environment=variables)
        without = await pointsman(*command, "--address", address)

    assert (by_options.code, by_options.err.count("pointsman:")) == (0, 0)
    assert by_variables.code == 0
    assert without.code == 1
    assert "one that speaks TLS needs --authority" in without.err


async def test_the_client_of_the_shell_reaches_a_stack_that_encrypts(
    settings: Settings, ours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with _encrypted(settings, ours) as stack:
        words = ["hi", "--address", stack.router.address, "--authority", str(ours / "authority.pem")]
        status = await ask(parse(words))

    assert status == 0
    assert "[simulated" in capsys.readouterr().out


async def test_half_a_pair_of_certificate_and_key_is_refused(ours: Path) -> None:
    finished = await pointsman("pools", "--key", str(ours / "service.key"))

    assert finished.code == 2
    assert "--certificate and --key: a certificate needs its key" in finished.err
