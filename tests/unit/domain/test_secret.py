import copy
import json
import logging
import pickle
from collections.abc import Callable

import pytest

from pointsman.domain.secret import Secret

CANARY = "sk-canary-0123456789"


@pytest.mark.parametrize(
    "show",
    [repr, str, lambda secret: f"{secret}", lambda secret: f"{secret!r:>40}", lambda secret: "%s" % secret],  # noqa: UP031
    ids=["repr", "str", "format", "repr_with_width", "percent"],
)
def test_a_secret_is_never_shown(show: Callable[[Secret], str]) -> None:
    assert CANARY not in show(Secret(CANARY))


def test_a_secret_is_masked_in_logs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("key %s of %r", Secret(CANARY), {"key": Secret(CANARY)})

    assert CANARY not in caplog.text
    assert "***" in caplog.text


@pytest.mark.parametrize("copies", [pickle.dumps, copy.copy, json.dumps], ids=["pickle", "copy", "json"])
def test_a_secret_is_not_serialised(copies: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError) as caught:
        copies(Secret(CANARY))

    assert CANARY not in str(caught.value)


def test_a_secret_gives_its_value_when_asked() -> None:
    assert Secret(CANARY).reveal() == CANARY


def test_an_empty_secret_is_false() -> None:
    assert not Secret()
    assert Secret(CANARY)


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
