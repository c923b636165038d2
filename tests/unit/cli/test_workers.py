import re
import socket
import sys
from pathlib import Path

import pytest

from pointsman.cli.failure import Misuse
from pointsman.cli.shared_port import held
from pointsman.cli.up import up
from pointsman.cli.worker import of_worker
from pointsman.cli.workers import pause_s, serve
from pointsman.config import Settings, load
from pointsman.domain.errors import SettingsError
from tests.fakes.ports import free_port

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux spreads the connections")


@pytest.mark.parametrize(
    "failures, seconds",
    [
        pytest.param(0, 0.5, id="after a long life"),
        pytest.param(1, 0.5, id="once"),
        pytest.param(2, 1.0, id="twice in a row"),
        pytest.param(5, 8.0, id="five times in a row"),
        pytest.param(7, 30.0, id="never longer than half a minute"),
        pytest.param(5_000, 30.0, id="for days"),
    ],
)
def test_each_end_in_a_row_doubles_the_pause(failures: int, seconds: float) -> None:
    assert pause_s(failures) == seconds


@pytest.mark.parametrize(
    "number, shown_at",
    [
        pytest.param(1, "127.0.0.1:9465", id="the first has the port of the settings"),
        pytest.param(3, "127.0.0.1:9467", id="and each other the next"),
    ],
)
def test_each_worker_shows_its_metrics_at_a_port_of_its_own(
    monkeypatch: pytest.MonkeyPatch, number: int, shown_at: str
) -> None:
    monkeypatch.setenv("POINTSMAN__TELEMETRY__METRICS__ROUTER", "127.0.0.1:9465")

    assert of_worker(load(None), "router", number, "127.0.0.1:1").telemetry.metrics.router == shown_at


def test_a_worker_that_shows_no_metrics_stays_so(settings: Settings) -> None:
    assert of_worker(settings, "router", 2, "127.0.0.1:1").telemetry.metrics.router == ""


def test_a_worker_listens_at_the_port_that_it_is_given(settings: Settings) -> None:
    assert of_worker(settings, "classifier", 2, "127.0.0.1:7").classifier.address == "127.0.0.1:7"


def test_a_unix_socket_cannot_be_shared(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/socket"

    with pytest.raises(SettingsError, match="cannot share a Unix socket"), held(address, "router.address"):
        pytest.fail("it was held")


@linux_only
def test_a_shared_port_is_taken_for_whoever_does_not_share_it() -> None:
    with held("127.0.0.1:0", "router.address") as address, socket.socket() as other:
        port = int(address.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))


@linux_only
def test_a_port_that_others_share_is_taken() -> None:
    with (
        held("127.0.0.1:0", "router.address") as address,
        pytest.raises(SettingsError, match=f"cannot listen on {re.escape(address)}: it is in use"),
        held(address, "router.address"),
    ):
        pytest.fail("it was held twice")


@linux_only
def test_nobody_is_connected_to_who_only_holds_the_port() -> None:
    with (
        held("127.0.0.1:0", "router.address") as address,
        socket.socket() as caller,
        pytest.raises(ConnectionRefusedError),
    ):
        caller.connect(("127.0.0.1", int(address.rpartition(":")[2])))


def test_an_executor_has_no_workers() -> None:
    with pytest.raises(Misuse, match=r"ledger\.url"):
        serve("executor", None, workers=2, as_json=True)


def test_up_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POINTSMAN__CLASSIFIER__WORKERS", "2")
    monkeypatch.setenv("POINTSMAN__ROUTER__ADDRESS", f"127.0.0.1:{free_port()}")

    with pytest.raises(SettingsError, match=r"classifier\.workers = 2: `up` is one process"):
        up(None, as_json=True)
