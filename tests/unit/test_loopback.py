"""No test leaves this machine: conftest.py sets the guard, and here it is tried."""

import socket

import pytest

from tests.fakes.loopback import LeftLoopback, is_here


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "", None, b"127.0.0.2"])
def test_this_machine_may_be_reached(host: object) -> None:
    assert is_here(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.com", b"api.openai.com", "localhost.evil.com"])
def test_no_other_machine_may(host: object) -> None:
    assert not is_here(host)


def test_looking_up_a_name_is_refused() -> None:
    with pytest.raises(LeftLoopback, match=r"example\.com"):
        socket.getaddrinfo("example.com", 443)


def test_connecting_is_refused() -> None:
    with socket.socket() as unconnected, pytest.raises(LeftLoopback, match=r"192\.0\.2\.1"):
        unconnected.connect(("192.0.2.1", 443))
