"""Every test here runs twice: the services ask each other within the process, and over the wire.

Once is enough where no service asks another, or the way is tested itself.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from tests.fakes.hops import HOPS

ONCE: Final = frozenset(
    {
        "test_arities",  # of gRPC's server; calls within the process have two of the four
        "test_classifier",  # the Classifier alone, and the small model
        "test_classifier_hop",
        "test_cli_ask",  # what a command says; another process asks the Router over the wire either way
        "test_cli_eval",
        "test_cli_machine",
        "test_cli_rehearse",
        "test_cli_serving",
        "test_cli_stream",
        "test_cli_top",
        "test_client",  # a caller's view of a Router that the test plays
        "test_dashboards",  # pictures of what is counted
        "test_door",  # of a port
        "test_executor_bad_input",  # the Executor alone
        "test_fake_ollama",
        "test_grpcurl",
        "test_hostile_ollama",
        "test_journal",  # the Executor's store
        "test_ledger_redis",
        "test_ledger_redis_contract",
        "test_ledger_redis_exact",
        "test_ledger_redis_heed",
        "test_metrics_page",
        "test_outages",  # processes that are killed
        "test_restart",  # processes that are started again
        "test_signals",  # processes that are told to stop
        "test_shared_allowances",
        "test_simulator",
        "test_simulator_adapters",
        "test_start",  # what a process holds
        "test_stay",
        "test_tls",  # of ports
        "test_tracing_backend",
        "test_watch_activity",  # the Executor alone
        "test_watch_candidates",
        "test_workers",  # processes at one port
    }
)
"""Modules whose tests are the same either way."""

WAYS: Final = {"in-process": False, "over-the-wire": True}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test its ways."""
    if "over_the_wire" not in metafunc.fixturenames:
        return
    ways = dict(WAYS)
    if metafunc.definition.get_closest_marker("wire_only"):
        ways = {"over-the-wire": True}
    elif metafunc.module.__name__.rpartition(".")[2] in ONCE or metafunc.definition.get_closest_marker("one_way"):
        ways = {"in-process": False}
    metafunc.parametrize("over_the_wire", list(ways.values()), ids=list(ways), indirect=True)


@pytest.fixture(autouse=True)
def over_the_wire(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Have the services of this test ask each other in its way."""
    HOPS.over_the_wire = request.param
    yield request.param
    HOPS.over_the_wire = False
