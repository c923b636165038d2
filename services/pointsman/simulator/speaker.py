"""What a simulated model says and how long it takes to say it, drawn from a given source of chance."""

from dataclasses import replace
from math import exp
from random import Random

from pointsman.simulator.dialect import Ask, Speech
from pointsman.simulator.scenario import LatencyProfile, ModelProfile
from pointsman.simulator.wording import compose, count_tokens, cut

_OUTPUT_SPREAD = 0.4
_EFFORT = {"none": 0.0, "minimal": 0.1, "low": 0.3, "medium": 1.0, "": 1.0, "high": 1.6, "xhigh": 2.5, "max": 4.0}
"""How much of the median reasoning each word for effort buys; invented."""

_PIECE_CHARS = 24


def speak(ask: Ask, chance: Random) -> Speech:
    """Return an answer within the bound that was asked for; reasoning comes first and counts against it."""
    model = ask.model
    bound = min(ask.max_output_tokens or model.max_output_tokens, _ceiling(model, streamed=ask.streamed))
    reasoning, wanted = lengths(model, ask.effort, chance)
    room = bound - reasoning
    if room <= 0:
        return only_reasoning(ask, bound)
    whole = compose(model.id, ask.text, wanted, chance)
    text = cut(whole, room, model.id)
    return Speech(
        model=model.id,
        text=text,
        pieces=tuple(text[at : at + _PIECE_CHARS] for at in range(0, len(text), _PIECE_CHARS)),
        input_tokens=ask.input_tokens,
        cached_tokens=model.cached_tokens(ask.input_tokens),
        visible_tokens=min(count_tokens(text), room),
        reasoning_tokens=reasoning,
        is_cut=text != whole,
    )


def lengths(model: ModelProfile, effort: str, chance: Random) -> tuple[int, int]:
    """Return how many tokens the model would reason and how many it would then say, before any bound."""
    reasoning = round(drawn(model.reasoning_tokens * _EFFORT.get(effort.lower(), 1.0), _OUTPUT_SPREAD, chance))
    return reasoning, max(1, round(drawn(model.output_tokens, _OUTPUT_SPREAD, chance)))


def only_reasoning(ask: Ask, tokens: int) -> Speech:
    """Return an answer whose whole bound went into reasoning: no text, and a stop for length."""
    return Speech(
        model=ask.model.id,
        text="",
        pieces=(),
        input_tokens=ask.input_tokens,
        cached_tokens=ask.model.cached_tokens(ask.input_tokens),
        visible_tokens=0,
        reasoning_tokens=tokens,
        is_cut=True,
    )


def blocked(ask: Ask) -> Speech:
    """Return an answer that is none because the prompt is not liked."""
    return replace(only_reasoning(ask, 0), is_cut=False, is_blocked=True)


def first_token_s(latency: LatencyProfile, speech: Speech, chance: Random) -> float:
    """Return the seconds until the first visible token; reasoning is done before it."""
    return drawn(latency.first_token_s, latency.spread, chance) + speech.reasoning_tokens * latency.per_token_s


def rejection_s(latency: LatencyProfile, chance: Random) -> float:
    """Return the seconds that a refusal takes."""
    return drawn(latency.rejection_s, latency.spread, chance)


def _ceiling(model: ModelProfile, *, streamed: bool) -> int:
    if streamed or model.max_plain_output_tokens is None:
        return model.max_output_tokens
    return model.max_plain_output_tokens


def drawn(median: float, sigma: float, chance: Random) -> float:
    """Return a log-normal draw; the two middle thirds lie within exp(±sigma) of the median."""
    return median * exp(sigma * chance.gauss(0.0, 1.0)) if median and sigma else median
