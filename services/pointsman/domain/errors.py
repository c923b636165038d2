"""Why a caller's request fails. Ends of single attempts are values (`trail.Outcome`), not exceptions.

PointsmanError
├── InvalidRequest          the request can never be served as it is
│   └── PromptTooLarge
├── PoolExhausted           every candidate is skipped or limited, and there is no fallback
├── NoAnswer                candidates and fallback were tried and failed
├── NoCredentials           no candidate can be used at all: keys or local models are missing
├── KeyMissing              the Router asks callers for a key, and none came
├── KeyUnknown              the key was never made, or was revoked
├── CertificateUnknown      the certificate is of our authority, and no caller of the settings has it
├── CallerUnknown           the settings grant the key's caller nothing
├── CategoryForbidden
├── CandidatesForbidden
├── CallerOverLimit         waiting helps, unless the limit is less than one call
│   ├── CallerOverRate
│   └── CallerOverBudget
├── ClassifierDown          absorbed by the Router
├── ExecutorDown
├── JournalDown             only whoever asks for a report gets it
├── OutOfTime
 ├── TooManyCalls            the service has as many calls under way as it takes, of all callers or of this one
 │   └── TooManyBytes        its requests are as large together as it takes
 ├── Stopping                only whoever watches gets it: the service ends, and another may come after it
 └── SettingsError           the settings cannot be used: at the start, or when they are read again

`rpc/status.py` is the one place that knows which status code each of them has.
"""

from __future__ import annotations  # what the errors carry is named here and not imported: --help does without

from typing import TYPE_CHECKING

from pointsman.domain.frozen import frozen

if TYPE_CHECKING:
    from datetime import datetime

    from pointsman.domain.trail import Trail
    from pointsman.domain.verdict import Verdict


@frozen
class Violation:
    """One field that is wrong: its dotted path in the request, a stable reason, and a sentence for people."""

    field: str
    reason: str
    message: str


@frozen
class Missing:
    """What a candidate or service lacks: the stable reason, as in the trail, and what to do about it."""

    subject: str
    reason: str
    advice: str


class PointsmanError(Exception):
    """A failure that callers can act on: `reason` is stable, `metadata` holds the values that the message names."""

    reason = "INTERNAL"

    def __init__(self, message: str, *, trail: Trail | None = None, **metadata: str) -> None:
        """Keep the message for people, the values for programs, and the trail that led here."""
        super().__init__(message)
        self.message = message
        self.trail = trail
        self.metadata = metadata
        self.verdict: Verdict | None = None


class InvalidRequest(PointsmanError):
    """The request can never be served as it is; `violations` has one entry a field."""

    def __init__(self, *violations: Violation, trail: Trail | None = None) -> None:
        """Take the reason and the message of the first violation."""
        first = violations[0]
        super().__init__("; ".join(violation.message for violation in violations), trail=trail, field=first.field)
        self.reason = first.reason
        self.violations = violations


class PromptTooLarge(InvalidRequest):
    """The prompt is over a limit of the settings."""


class PoolExhausted(PointsmanError):
    """No able candidate is free, and no fallback can serve. Waiting helps; `ready_at` is None when nobody can say."""

    reason = "POOL_EXHAUSTED"

    def __init__(self, message: str, *, trail: Trail, ready_at: datetime | None, **metadata: str) -> None:
        """Keep the earliest instant at which a new try can succeed."""
        super().__init__(message, trail=trail, **metadata)
        self.ready_at = ready_at


class NoAnswer(PointsmanError):
    """Candidates and fallback were tried and failed; `ready_at` is None when nothing says when to try again."""

    reason = "NO_ANSWER"

    def __init__(
        self, message: str, *, trail: Trail | None = None, ready_at: datetime | None = None, **metadata: str
    ) -> None:
        """Keep the instant at which a new try can succeed."""
        super().__init__(message, trail=trail, **metadata)
        self.ready_at = ready_at


class NoCredentials(PointsmanError):
    """No candidate can be used at all; `missing` names what to provide, one entry a candidate or service."""

    reason = "NO_CREDENTIALS"

    def __init__(
        self, message: str, *, missing: tuple[Missing, ...] = (), trail: Trail | None = None, **metadata: str
    ) -> None:
        """Keep what each of them lacks."""
        super().__init__(message, trail=trail, **metadata)
        self.missing = missing


class KeyMissing(PointsmanError):
    """The Router asks for a key, and none came."""

    reason = "KEY_MISSING"


class KeyUnknown(PointsmanError):
    """The key that came opens nothing; whether it ever did is not told."""

    reason = "KEY_UNKNOWN"


class CertificateUnknown(PointsmanError):
    """The certificate is of an authority that is believed, and names no caller of the settings."""

    reason = "CERTIFICATE_UNKNOWN"


class CallerUnknown(PointsmanError):
    """The key is good, but the settings grant its caller nothing."""

    reason = "CALLER_UNKNOWN"


class CategoryForbidden(PointsmanError):
    """The caller may not ask for the category."""

    reason = "CATEGORY_FORBIDDEN"


class CandidatesForbidden(PointsmanError):
    """The caller may use none of the candidates that could answer."""

    reason = "CANDIDATES_FORBIDDEN"


class CallerOverLimit(PointsmanError):
    """The caller has used what it may use; `ready_at` is None when waiting does not help."""

    reason = "CALLER_OVER_LIMIT"

    def __init__(
        self, message: str, *, trail: Trail | None = None, ready_at: datetime | None = None, **metadata: str
    ) -> None:
        """Keep when it may come back."""
        super().__init__(message, trail=trail, **metadata)
        self.ready_at = ready_at


class CallerOverRate(CallerOverLimit):
    """The caller asks more, or for more tokens, than it may in a minute."""

    reason = "CALLER_OVER_RATE"


class CallerOverBudget(CallerOverLimit):
    """What may answer could cost more than is left of what the caller may spend."""

    reason = "CALLER_OVER_BUDGET"


class ClassifierDown(PointsmanError):
    """The Classifier cannot be reached."""

    reason = "CLASSIFIER_DOWN"


class ExecutorDown(PointsmanError):
    """The Executor cannot be reached."""

    reason = "EXECUTOR_DOWN"


class JournalDown(PointsmanError):
    """The journal cannot be read now. Requests go on without it."""

    reason = "JOURNAL_DOWN"


class OutOfTime(PointsmanError):
    """The deadline passed, or too little of it was left to try."""

    reason = "OUT_OF_TIME"


class Stopping(PointsmanError):
    """The service is stopping and has ended a watch. The work that was under way is not touched by it."""

    reason = "STOPPING"


class TooManyCalls(PointsmanError):
    """The service has as many calls under way as it takes; `ready_at` is when it is worth another try.

    `metadata` has the setting and its value; with a `caller` the limit is the share of that one.
    """

    reason = "TOO_MANY_CALLS"

    def __init__(self, message: str, *, ready_at: datetime | None = None, **metadata: str) -> None:
        """Keep when to come back."""
        super().__init__(message, trail=None, **metadata)
        self.ready_at = ready_at


class TooManyBytes(TooManyCalls):
    """The requests under way are as large together as the service takes; nothing of this one was parsed."""

    reason = "TOO_MANY_BYTES"


class SettingsError(PointsmanError):
    """The settings cannot be used; the message names the dotted path, the value and what to do."""

    reason = "SETTINGS"
