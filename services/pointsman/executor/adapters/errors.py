"""From what a provider answered to an outcome: the rules of all providers are rows of one kind, and statuses come last.

Each wire format has its own rows beside it (`openai_errors.py` and so on); the first row that fits decides.
Texts of providers are matched here and go no further: `detail` is always a sentence of ours.
"""

from typing import Final

from pointsman.domain.answer import Answer, FinishReason
from pointsman.domain.frozen import frozen
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters.base import Reply

_READ_CHARS: Final = 4096
"""How much of a message is looked at; what matters stands at its beginning."""


@frozen
class Complaint:
    """An error as a provider put it, taken apart. Everything is in lower case, and empty where nothing was said."""

    status: int
    type: str = ""
    code: str = ""
    message: str = ""


@frozen
class Rule:
    """One row: every condition that is given must hold.

    `words` are compared with type and code; one of `phrases` stands inside the message, `opening` at its beginning,
    `whole` is all of it. All of them are in lower case.
    """

    outcome: Outcome
    detail: str
    statuses: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()
    opening: str = ""
    whole: str = ""
    rose_too_fast: bool = False

    def fits(self, complaint: Complaint) -> bool:
        """Return True when the row speaks about this complaint."""
        return (
            (not self.statuses or complaint.status in self.statuses)
            and (not self.words or complaint.code in self.words or complaint.type in self.words)
            and (not self.phrases or any(phrase in complaint.message for phrase in self.phrases))
            and complaint.message.startswith(self.opening)
            and (not self.whole or complaint.message == self.whole)
        )


_BY_STATUS: Final = {
    400: (Outcome.INVALID_REQUEST, "The provider says that the request is invalid."),
    401: (Outcome.UNAUTHORIZED, "The provider does not accept the API key."),
    402: (Outcome.BILLING, "The provider wants to be paid first."),
    403: (Outcome.FORBIDDEN, "The API key may not do this."),
    404: (Outcome.MODEL_NOT_FOUND, "The provider does not know the model, or not for this key."),
    407: (Outcome.NETWORK, "A proxy on the way wants authentication; see base_url."),
    408: (Outcome.TIMED_OUT, "The provider gave up waiting for the request."),
    409: (Outcome.SERVER_ERROR, "The provider holds a lock; another call may pass."),
    413: (Outcome.CONTEXT_TOO_LONG, "The request has more bytes than the provider takes."),
    429: (Outcome.RATE_LIMITED, "A limit of the provider is reached."),
    499: (Outcome.NETWORK, "The provider saw the connection close."),
    503: (Outcome.OVERLOADED, "The provider is overloaded."),
    504: (Outcome.TIMED_OUT, "The provider ran out of time."),
    524: (Outcome.TIMED_OUT, "The provider's edge ran out of time."),
    529: (Outcome.OVERLOADED, "The provider is overloaded."),
}


_REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = range(400, 500)


def judge(complaint: Complaint, rules: tuple[Rule, ...]) -> Rule:
    """Return the first of `rules` that fits, else the row of the status."""
    return next((rule for rule in rules if rule.fits(complaint)), None) or by_status(complaint.status)


def by_status(status: int) -> Rule:
    """Return what a status means when nothing else is known."""
    if status in _BY_STATUS:
        outcome, detail = _BY_STATUS[status]
    elif status in _CLIENT_ERRORS:
        outcome, detail = _BY_STATUS[400]
    elif status in _REDIRECTS:
        outcome, detail = Outcome.SERVER_ERROR, "The provider answered with a redirect; base_url may be wrong."
    else:
        outcome, detail = Outcome.SERVER_ERROR, "The provider failed."
    return Rule(outcome=outcome, detail=detail)


def readable(text: str) -> str:
    """Return the part of a provider's text that rules look at, in lower case."""
    return text[:_READ_CHARS].lower()


def readable_body(body: bytes) -> str:
    """Return the same of a body that is not JSON, such as the HTML of an edge."""
    return readable(body[:_READ_CHARS].decode(errors="replace"))


def reply(rule: Rule) -> Reply:
    """Return the reply of a row; the one for blocked content carries an empty answer that says so."""
    blocked = Answer(text="", finish_reason=FinishReason.CONTENT_BLOCKED)
    return Reply(
        outcome=rule.outcome,
        detail=rule.detail,
        answer=blocked if rule.outcome is Outcome.CONTENT_BLOCKED else None,
        rose_too_fast=rule.rose_too_fast,
    )


_WAITABLE: Final = frozenset(
    {
        Outcome.RATE_LIMITED,
        Outcome.CONCURRENCY_LIMITED,
        Outcome.OVERLOADED,
        Outcome.SERVER_ERROR,
        Outcome.TIMED_OUT,
    }
)


def wait_s(outcome: Outcome, *waits: float | None) -> float | None:
    """Return the longest of what was asked for, in seconds; None when nothing was, or when waiting does not help."""
    asked = [wait for wait in waits if wait is not None]
    return max(asked, default=None) if outcome in _WAITABLE else None
