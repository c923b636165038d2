"""`--loop uvloop`: the asynchronous tests on the event loop that the commands run on, instead of asyncio's own."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


class _OnUvloop:
    """Registered only where it was asked for: a factory's name becomes part of the name of every test."""

    def pytest_asyncio_loop_factories(self) -> Mapping[str, LoopFactory]:
        """Return the one loop on which all tests run."""
        return {"uvloop": uvloop.new_event_loop}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="the event loop of the tests")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the loop."""
    if config.getoption("--loop") == "uvloop":
        config.pluginmanager.register(_OnUvloop())
