"""What reads the stream of any wire format: bytes into documents, documents into deltas, and the end into a Reply."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Protocol

from pointsman.domain.answer import Delta, Usage
from pointsman.domain.trail import Outcome
from pointsman.executor.adapters import replies, shape
from pointsman.executor.adapters.base import Call, HttpResponse, Reply, Unreadable
from pointsman.executor.adapters.framing import Event, Framing
from pointsman.executor.adapters.lines import LINE_BYTES, LineTooLong

_NOTHING: Final = Delta()


class Fold(Protocol):
    """What one wire format makes of the documents of a stream. Holds facts about the answer, and no text of it."""

    model: str
    """As the provider names it; empty until it has."""
    id: str
    """The provider's name for the answer; empty until it has one."""
    usage: Usage | None
    """What has been counted so far."""
    is_over: bool
    """True when the terminal marker has come, where the format has one."""

    def take(self, document: dict[str, Any]) -> Delta:
        """Return what the document adds to the answer; an empty delta when it adds nothing."""

    def reply(self, call: Call) -> Reply | None:
        """Return what became of the answer; None when it is not whole."""


class WholeWire(Protocol):
    """The half of a Wire that reads what is not streamed."""

    def read(self, call: Call, response: HttpResponse, now: datetime) -> Reply:
        """Return what a whole response means. Raises Unreadable, but not for an error."""

    def stamp(self, call: Call, response: HttpResponse, reply: Reply, now: datetime, *, model: str, id_: str) -> Reply:
        """Return the reply with its names, and what the headers and the call add to it."""


class DocumentReader:
    """The StreamReader of every wire format: a framing before it, a fold behind it.

    An error inside a stream is read as the body that it would have been. `terminal` is what ends a stream where that is
    no document.
    """

    def __init__(
        self,
        wire: WholeWire,
        call: Call,
        response: HttpResponse,
        framing: Framing,
        fold: Fold,
        *,
        terminal: bytes = b"",
    ) -> None:
        self._wire = wire
        self._call = call
        self._response = response
        self._framing = framing
        self._fold = fold
        self._terminal = terminal
        self._has_begun = False
        self._error: bytes | None = None
        self._damage = ""
        self._half = ""
        """The first half of a character whose second half comes with the next text, if it comes."""

    @property
    def model(self) -> str:
        return self._fold.model

    @property
    def is_done(self) -> bool:
        return self._fold.is_over or self._error is not None or bool(self._damage)

    def feed(self, chunk: bytes) -> Sequence[Delta]:
        return () if self.is_done else self._deltas(self._framing.feed(chunk))

    def flush(self) -> Sequence[Delta]:
        """Return the last deltas. What is not legible there has been cut off, and is no damage."""
        if self.is_done:
            return ()
        return self._deltas(event for event in self._framing.flush() if self._is_legible(event))

    def end(self, now: datetime) -> Reply:
        fold = self._fold
        if self._error is not None:
            reply = self._wire.read(self._call, replace(self._response, body=self._error), now)
            id_ = reply.provider_request_id or fold.id
            return replace(
                reply, usage=fold.usage, model=replies.short(fold.model), provider_request_id=replies.short(id_)
            )
        ending = replace(self._ending(), usage=fold.usage)
        return self._wire.stamp(self._call, self._response, ending, now, model=fold.model, id_=fold.id)

    def _deltas(self, events: Iterable[Event]) -> Sequence[Delta]:
        deltas: list[Delta] = []
        try:
            for event in events:
                delta = self._take(event)
                if delta.text and (self._half or _ends_in_half(delta.text)):
                    delta = self._in_whole_characters(delta)
                if delta.text or delta.tool_calls:
                    deltas.append(delta)
                if self.is_done:
                    break
        except LineTooLong:
            self._damage = f"The provider streamed a line of more than {LINE_BYTES // 1024**2} MiB."
        except Unreadable as error:
            self._damage = str(error)
        return deltas

    def _take(self, event: Event) -> Delta:
        data = event.data.strip()
        if not data:
            return _NOTHING
        if data == self._terminal:
            self._fold.is_over = True
            return _NOTHING
        document = shape.unwrap(shape.parse(data))
        if isinstance(document, dict) and document.get("error"):
            self._error = data
            return _NOTHING
        if not isinstance(document, dict) or event.name == "error":
            self._damage = "The provider streamed something that is no part of an answer."
            return _NOTHING
        self._has_begun = True
        return self._fold.take(document)

    def _in_whole_characters(self, delta: Delta) -> Delta:
        """Return the delta with the half that was kept back before it, and without the half that it ends in."""
        text, self._half = self._half + delta.text, ""
        if _ends_in_half(text):
            text, self._half = text[:-1], text[-1]
        joined = text.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le", errors="replace")
        return replace(delta, text=joined)

    def _is_legible(self, event: Event) -> bool:
        return event.data.strip() == self._terminal or shape.parse(event.data) is not None

    def _ending(self) -> Reply:
        if self._damage:
            return replies.no_answer(self._damage)
        reply = self._fold.reply(self._call)
        if reply is not None:
            return reply
        if self._has_begun:
            return Reply(outcome=Outcome.NETWORK, detail="The stream broke off before its end.")
        return replies.no_answer("The provider answered with something that is no stream.")


def _ends_in_half(text: str) -> bool:
    """Return whether the text ends in the first half of a surrogate pair."""
    return "\ud800" <= text[-1] <= "\udbff"
