"""Settings to a running Executor."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from random import Random

from pointsman.config import Settings, settings_hash
from pointsman.config.load import SQLITE, state_folder
from pointsman.config.revision import Register
from pointsman.config.settings import FallbackSettings, JournalSettings
from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.domain.places import Places
from pointsman.domain.pool import Candidate
from pointsman.executor.activity import Activity
from pointsman.executor.adapters.base import Adapter
from pointsman.executor.adapters.registry import Transport, make_adapter
from pointsman.executor.allowance import Allowances
from pointsman.executor.call import Caller
from pointsman.executor.counts import Counts, readings
from pointsman.executor.estimate import Estimator
from pointsman.executor.execute import Execute
from pointsman.executor.fallback import Fallback
from pointsman.executor.grants import grants
from pointsman.executor.journal.database import Database, Dialect
from pointsman.executor.journal.journal import Journal, Terms
from pointsman.executor.journal.records import Recorder
from pointsman.executor.journal.sequential import SequentialFallback
from pointsman.executor.journal.sqlite import SqliteDialect
from pointsman.executor.journal.store import SchemaTooNew
from pointsman.executor.keys import Keys
from pointsman.executor.ledger.memory import MemoryLedger
from pointsman.executor.ledger.port import Ledger
from pointsman.executor.means import Bounds
from pointsman.executor.pools import candidates, pools
from pointsman.executor.prices import load as load_prices
from pointsman.executor.reload import Reload
from pointsman.executor.service import ExecutorServicer
from pointsman.executor.sharing import shared_account, shared_allowances, shared_ledger
from pointsman.executor.spent import recall
from pointsman.rpc.callers import told_by_router
from pointsman.rpc.server import Server, ServerOptions
from pointsman.rpc.tls import Files, certificate_of
from pointsman.telemetry import instruments
from pointsman.telemetry.metrics import REGISTER, Reading
from pointsman.v1.executor_pb2_grpc import add_ExecutorServiceServicer_to_server

SERVICE = "pointsman.v1.ExecutorService"


@asynccontextmanager
async def run(settings: Settings, *, clock: Clock, on_reload: Register | None = None) -> AsyncIterator[Server]:
    """Run the Executor of these settings until the block ends; `on_reload` is told how it takes up newer ones."""
    known = candidates(settings)
    async with AsyncExitStack() as stack:
        keys = Keys(settings.providers, clock=clock)
        random = Random()
        account = shared_account(settings, known, clock=clock, random=random)
        reload = Reload(
            settings,
            keys,
            adapters=lambda wanted, found, names: adapters_of(wanted, clock=clock, keys=found, names=names),
            engine=lambda wanted, them, doors, found: build(
                wanted,
                them,
                doors,
                clock=clock,
                random=random,
                keys=found,
                allowances=shared_allowances(wanted, them, account),
            ),
            servicer=_servicer,
            clock=clock,
        )
        stack.push_async_callback(reload.close)
        ledger = await stack.enter_async_context(shared_ledger(settings, known, clock=clock, random=random))
        allowances = shared_allowances(settings, known, account)
        engine = build(
            settings,
            known,
            reload.adapters,
            clock=clock,
            random=random,
            ledger=ledger,
            keys=keys,
            allowances=allowances,
        )
        recorder = await stack.enter_async_context(_journal(settings, engine, known, random=random))
        await recall(engine.allowances, engine.journal, clock=clock)
        if allowances:
            await stack.enter_async_context(allowances.kept())
        servicer = _servicer(settings, engine, known)
        options = ServerOptions(
            address=settings.executor.address,
            setting="executor.address",
            message_bytes=settings.limits.message_bytes,
            metadata_bytes=settings.limits.metadata_bytes,
            concurrent_calls=settings.limits.concurrent_calls,
            bytes_in_flight=settings.limits.bytes_in_flight,
            reflection=settings.executor.reflection,
            grace_s=settings.executor.grace_s,
            certificate=certificate_of(Files.of_services(settings.tls)),
            is_plaintext_allowed=settings.tls.plaintext_on_open_network,
            who_calls=told_by_router,
        )
        services = {SERVICE: lambda server: add_ExecutorServiceServicer_to_server(servicer, server)}
        server = Server(options, services=services, clock=clock)
        await server.start()
        stack.push_async_callback(server.stop)
        reload.begin(servicer, recorder)
        if on_reload:
            on_reload(reload.prepare)
        engine.counts.begin()
        stack.callback(REGISTER.observe(lambda: _readings(servicer), loop=asyncio.get_running_loop()))
        yield server


def _servicer(settings: Settings, engine: Execute, known: Mapping[str, Candidate]) -> ExecutorServicer:
    return ExecutorServicer(
        engine=engine,
        candidates=tuple(known.values()),
        limits=settings.limits,
        settings_hash=engine.settings_hash,
        default_deadline_s=settings.executor.default_deadline_s,
        reply_reserve_s=settings.executor.reply_reserve_s,
        window_s=settings.executor.coalesce_s,
    )


def adapters_of(
    settings: Settings,
    *,
    clock: Clock,
    keys: Keys | None = None,
    transport: Transport | None = None,
    names: Iterable[str] | None = None,
) -> dict[str, Adapter]:
    """Return an adapter for each provider, or for those of these names.

    `transport` stands in for the network where they are in this process. Raises SettingsError.
    """
    keys, providers = keys or Keys(settings.providers, clock=clock), settings.providers
    wanted = providers if names is None else {name: providers[name] for name in names}
    return {
        name: make_adapter(
            provider,
            api_key=keys[name],
            clock=clock,
            connections=settings.executor.connections_per_provider,
            connect_timeout_s=settings.executor.connect_timeout_s,
            transport=transport,
        )
        for name, provider in wanted.items()
    }


def build(
    settings: Settings,
    known: Mapping[str, Candidate],
    adapters: Mapping[str, Adapter],
    *,
    clock: Clock,
    random: Random,
    ledger: Ledger | None = None,
    keys: Keys | None = None,
    allowances: Allowances | None = None,
) -> Execute:
    """Return the attempt loop of these settings over these adapters, without a server; rehearsals use it as it is.

    Without a ledger or allowances it has its own, in memory; without keys those of the settings.
    """
    return Execute(
        pools=pools(settings, known),
        fallback=_fallback(settings.fallback, known),
        credentials=keys or Keys(settings.providers, clock=clock),
        ledger=ledger
        or MemoryLedger(known.values(), clock=clock, random=random, margin_s=settings.executor.window_margin_s),
        caller=Caller(
            adapters=adapters,
            prices=load_prices({name: provider.wire for name, provider in settings.providers.items()}),
            estimator=Estimator(),
            clock=clock,
            content_bytes=settings.telemetry.content_bytes,
        ),
        journal=Journal(clock=clock, terms=_terms(settings.journal)),
        activity=Activity(started_s=clock.monotonic()),
        content_characters=settings.journal.content_characters,
        settings_hash=settings_hash(settings),
        allowances=allowances or Allowances.of(grants(settings)),
        counts=Counts(candidates=known),
        bounds=Bounds(
            max_attempts=settings.executor.max_attempts,
            attempt_floor_s=settings.executor.attempt_floor_s,
            fallback_reserve_s=settings.executor.fallback_reserve_s,
        ),
        clock=clock,
    )


@asynccontextmanager
async def _journal(
    settings: Settings, engine: Execute, known: Mapping[str, Candidate], *, random: Random
) -> AsyncIterator[Recorder]:
    """Keep the journal of the attempt loop where the settings say. Raises SettingsError."""
    sequential = SequentialFallback(known.values(), engine.caller.prices, credentials=engine.credentials)
    recorder = Recorder(sequential)
    store = Database(_dialect(settings.journal.url), recorder)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(engine.journal.kept(store, random=random))
        except SchemaTooNew as error:
            raise SettingsError(str(error), path="journal.url") from error
        yield recorder


def _dialect(url: str) -> Dialect:
    if not url:
        return SqliteDialect(None)
    if url.startswith(SQLITE):
        return SqliteDialect(state_folder() / url.removeprefix(SQLITE))
    try:
        from pointsman.executor.journal.postgres import PostgresDialect  # noqa: PLC0415 - an extra that few need
    except ImportError as error:
        message = "journal.url names PostgreSQL, which needs its client; install pointsman[postgres], or use SQLite"
        raise SettingsError(message, path="journal.url") from error
    return PostgresDialect(url)


def _terms(settings: JournalSettings) -> Terms:
    retention = timedelta(days=settings.retention_days) if settings.retention_days else None
    return Terms(queue=settings.queue, retention=retention, grace_s=settings.grace_s)


def _fallback(settings: FallbackSettings, known: Mapping[str, Candidate]) -> Fallback | None:
    if not settings.candidate:
        return None
    return Fallback(
        candidate=known[settings.candidate],
        concurrency=settings.concurrency,
        queue=Places(settings.queue),
        timeout_s=settings.timeout_s,
    )


def _readings(servicer: ExecutorServicer) -> Iterator[Reading]:
    engine = servicer.engine
    waiting = engine.fallback.waiting if engine.fallback else 0
    yield from readings(
        servicer.states(),
        ledger=engine.ledger.name,
        allowances=engine.allowances.name,
        waiting=waiting,
        now=engine.clock.now(),
    )
    yield instruments.JOURNAL_QUEUED.at(len(engine.journal.waiting))
    yield instruments.JOURNAL_DROPPED.at(engine.journal.dropped)
