"""What errors carry."""

from datetime import UTC, datetime

import pytest

from pointsman.domain import errors
from pointsman.domain.errors import (
    InvalidRequest,
    Missing,
    NoAnswer,
    NoCredentials,
    PointsmanError,
    PoolExhausted,
    PromptTooLarge,
    Violation,
)
from pointsman.domain.trail import Trail

EMPTY = Violation(field="text", reason="PROMPT_EMPTY", message="text is empty")
NEGATIVE = Violation(field="options.max_attempts", reason="OUT_OF_RANGE", message="max_attempts is -1")


def test_an_error_holds_its_message_its_values_and_its_trail() -> None:
    trail = Trail()

    error = PointsmanError("at 7", trail=trail, at="7")

    assert (str(error), error.message, error.metadata) == ("at 7", "at 7", {"at": "7"})
    assert error.trail is trail
    assert error.verdict is None


def test_an_invalid_request_has_the_reason_of_its_first_violation_and_the_words_of_all() -> None:
    error = InvalidRequest(EMPTY, NEGATIVE)

    assert (error.reason, error.metadata) == ("PROMPT_EMPTY", {"field": "text"})
    assert error.message == "text is empty; max_attempts is -1"
    assert error.violations == (EMPTY, NEGATIVE)


def test_a_prompt_that_is_too_large_is_an_invalid_request() -> None:
    assert isinstance(PromptTooLarge(EMPTY), InvalidRequest)


@pytest.mark.parametrize("kind", [PoolExhausted, NoAnswer])
def test_errors_that_pass_say_when(kind: type[PoolExhausted | NoAnswer]) -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)

    assert kind("later", trail=Trail(), ready_at=at).ready_at == at


def test_missing_credentials_are_listed() -> None:
    missing = Missing(subject="a/m", reason="NO_CREDENTIALS", advice="set A_KEY")

    assert NoCredentials("none", missing=(missing,)).missing == (missing,)


def test_every_error_has_a_reason_of_its_own() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, PointsmanError)]

    reasons = [kind.reason for kind in kinds if not issubclass(kind, InvalidRequest)]

    assert len(kinds) == 23
    assert len(set(reasons)) == len(reasons)
