"""What tests of the Executor are made of: candidates, requests and engines, plain unless the test says otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from random import Random

from pointsman.domain.answer import Usage
from pointsman.domain.clock import Clock
from pointsman.domain.places import Places
from pointsman.domain.pool import Algorithm, Candidate, Limit, Model, Policy, Pool, Scope, TimeLimits, Unit
from pointsman.domain.prompt import Image, ImageUrl, Message, Options, Part, Prompt, Request, Role, Text
from pointsman.domain.trail import Attempt, Outcome
from pointsman.executor.activity import Activity
from pointsman.executor.adapters.base import Adapter
from pointsman.executor.call import Caller
from pointsman.executor.counts import Counts
from pointsman.executor.estimate import Estimator
from pointsman.executor.execute import Execute
from pointsman.executor.fallback import Fallback
from pointsman.executor.journal.journal import Journal
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.means import Bounds
from pointsman.executor.prices import Prices, PriceTable, Tariff
from pointsman.executor.quota import Estimate
from tests.fakes.clock import START

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)

MODEL = Model(
    id="m",
    context_tokens=100_000,
    max_input_tokens=100_000,
    max_output_tokens=8_192,
    sees_images=True,
    takes_image_urls=True,
    takes_tools=True,
    follows_json_schema=True,
    accepts_temperature=True,
    accepts_stop=True,
)

TIME_LIMITS = TimeLimits(attempt_s=60.0, first_token_s=20.0, idle_s=5.0, stream_s=90.0)

TARIFF = Tariff(base=Prices(input=Decimal(1), cached_input=Decimal(1), cache_write=Decimal(1), output=Decimal(1)))


def limit(
    amount: int,
    unit: Unit = Unit.REQUESTS,
    period: timedelta | None = MINUTE,
    algorithm: Algorithm | None = None,
    offset_s: float = 0.0,
) -> Limit:
    return Limit(unit=unit, amount=amount, period=period, algorithm=algorithm, offset=timedelta(seconds=offset_s))


def candidate(
    id_: str = "a/m",
    *,
    limits: Sequence[Limit] = (),
    account_limits: Sequence[Limit] = (),
    group: str = "",
    model: Model = MODEL,
    local: bool = False,
    time_limits: TimeLimits = TIME_LIMITS,
) -> Candidate:
    """Return a candidate of the provider before the slash; `limits` are those of its quota scope."""
    provider, _, name = id_.partition("/")
    account = Scope(name=f"provider:{provider}", limits=tuple(account_limits))
    own = Scope(name=f"model:{id_}", limits=() if group else tuple(limits))
    shared = (Scope(name=f"group:{group}", limits=tuple(limits)),) if group else ()
    return Candidate(
        id=id_,
        provider=provider,
        model=replace(model, id=name),
        local=local,
        api_key_env="" if local else f"{provider.upper()}_KEY",
        scopes=(account, *shared, own),
        quota_scope=(shared or (own,))[0].name,
        default_output_tokens=1_000,
        time_limits=time_limits,
        key_advice="" if local else f"set {provider.upper()}_KEY",
    )


def request(*parts: Part, text: str = "Name one prime above 90.", **options: object) -> Request:
    message = Message(role=Role.USER, parts=parts or (Text(text=text),))
    return Request(prompt=Prompt(messages=(message,)), options=Options(**options))  # type: ignore[arg-type]  # as named


PNG = Image(content=b"png", mime_type="image/png")
LINK = ImageUrl(url="https://example.com/a.png")


def estimate(tokens: int = 10) -> Estimate:
    return Estimate(input_tokens=tokens, output_tokens=tokens, admitted_tokens=2 * tokens)


def attempt(id_: str = "a/m", outcome: Outcome = Outcome.ANSWERED, **more: object) -> Attempt:
    fields = {"started_at": START, "duration_s": 1.0, **more}
    return Attempt(candidate=id_, outcome=outcome, **fields)  # type: ignore[arg-type]  # the test names fields


def usage(input_tokens: int = 0, output_tokens: int = 0) -> Usage:
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens)


def prices(*candidates: Candidate, tariff: Tariff = TARIFF) -> PriceTable:
    """Return a table in which each of the candidates costs a dollar a million tokens."""
    return PriceTable(
        version="2026-11-22",
        tariffs={(each.provider, each.model.id): tariff for each in candidates},
        kinds={each.provider: each.provider for each in candidates},
    )


def ledger(*candidates: Candidate, clock: Clock, margin_s: float = 0.0) -> MemoryLedger:
    return MemoryLedger(candidates, clock=clock, random=Random(7), margin_s=margin_s)


def engine(
    *candidates: Candidate,
    clock: Clock,
    adapters: Mapping[str, Adapter],
    fallback: Candidate | None = None,
    priced: Sequence[Candidate] | None = None,
    keyless: Sequence[str] = (),
    patience_s: float = 0.0,
    slots: int = 1,
    bounds: Bounds | None = None,
) -> Execute:
    """Return the attempt loop over one pool named "quick"."""
    known = (*candidates, *((fallback,) if fallback else ()))
    pool = Pool(category="quick", candidates=candidates, policy=Policy.ORDERED, patience=timedelta(seconds=patience_s))
    table = prices(*(known if priced is None else priced))
    kinds = {each.provider: each.provider for each in known}
    return Execute(
        pools={"quick": pool},
        fallback=Fallback(candidate=fallback, concurrency=slots, queue=Places(100), timeout_s=30.0)
        if fallback
        else None,
        credentials=frozenset(kinds) - set(keyless),
        ledger=ledger(*known, clock=clock),
        caller=Caller(adapters=adapters, prices=replace(table, kinds=kinds), estimator=Estimator(), clock=clock),
        journal=Journal(clock=clock),
        counts=Counts(candidates={each.id: each for each in known}),
        activity=Activity(started_s=clock.monotonic()),
        bounds=bounds or Bounds(max_attempts=4, attempt_floor_s=0.25, fallback_reserve_s=10.0),
        clock=clock,
    )
