"""What the preferred model could have served: its provider's own limiter, asked for every arrival in turn."""

import heapq
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from random import Random

from pointsman.simulator.account import Account, Admission
from pointsman.simulator.dialect import Ask
from pointsman.simulator.scenario import ProviderProfile
from pointsman.simulator.speaker import first_token_s, speak
from pointsman.simulator.traffic import Arrival
from pointsman.simulator.wording import count_prompt_tokens


def allowance(provider: ProviderProfile, traffic: Sequence[Arrival], *, start: datetime, seed: int) -> int:
    """Return how many of these requests the first model of the account serves when each is offered to it at once.

    Refused requests use up nothing here: whoever asks knows beforehand.
    """
    account = Account(replace(provider, counts_refused=False))
    model, begin = provider.models[0], start.timestamp()
    under_way: list[tuple[float, int, Admission, int]] = []
    served = 0
    for arrival in traffic:
        now = begin + arrival.at_s
        while under_way and under_way[0][0] <= now:
            ends_at, _, admission, output_tokens = heapq.heappop(under_way)
            account.settle(admission, output_tokens=output_tokens, now=ends_at)
        ask = Ask(
            model=model,
            text=arrival.prompt.text,
            input_tokens=count_prompt_tokens([arrival.prompt.text], 0),
            max_output_tokens=arrival.max_output_tokens,
        )
        admitted = account.admit(
            model, input_tokens=ask.input_tokens, requested_tokens=arrival.max_output_tokens, now=now
        )
        if not isinstance(admitted, Admission):
            continue
        served += 1
        speech = speak(ask, Random(f"{seed}/{model.id}/{ask.text}"))
        took_s = first_token_s(model.latency, speech, Random(f"{seed}/{served}"))
        ends_at = now + took_s + speech.visible_tokens * model.latency.per_token_s
        heapq.heappush(under_way, (ends_at, served, admitted, speech.output_tokens))
    return served
