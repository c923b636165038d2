"""Settings in, a running Classifier out.

It serves at once, by embedded verdicts while the small model is being loaded.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

from pointsman.classifier.hop import Hop, HopState
from pointsman.classifier.instructions import instructions_of
from pointsman.classifier.reload import Reload
from pointsman.config.revision import Register
from pointsman.config.settings import ClassifierSettings, LimitsSettings, TlsSettings
from pointsman.domain.clock import Clock
from pointsman.rpc.server import Server, ServerOptions
from pointsman.rpc.tls import Files, certificate_of
from pointsman.telemetry import instruments
from pointsman.telemetry.metrics import REGISTER, Reading, one_hot
from pointsman.v1 import classifier_pb2_grpc

_SERVICE = "pointsman.v1.ClassifierService"


@asynccontextmanager
async def run(
    settings: ClassifierSettings,
    limits: LimitsSettings,
    categories: tuple[str, ...],
    *,
    clock: Clock,
    tls: TlsSettings | None = None,
    is_port_shared: bool = False,
    on_reload: Register | None = None,
) -> AsyncIterator[Server]:
    """Serve until the block ends. Without `tls` all is plaintext; other workers may listen at its port too.

    `on_reload` is told how to take up newer settings.

    Raises SettingsError when the settings leave the small model no room to read, and for an address or a certificate
    that cannot be used.
    """
    async with AsyncExitStack() as stack:
        reload = Reload(settings, categories, limits, clock=clock)
        stack.push_async_callback(reload.close)
        reload.begin()
        server = Server(
            _options(settings, limits, tls or TlsSettings(), is_port_shared=is_port_shared),
            services={
                _SERVICE: lambda server: classifier_pb2_grpc.add_ClassifierServiceServicer_to_server(
                    reload.servicer, server
                )
            },
            clock=clock,
        )
        await server.start()
        stack.push_async_callback(server.stop)
        if on_reload:
            on_reload(reload.prepare)
        stack.callback(REGISTER.observe(lambda: _readings(reload), loop=asyncio.get_running_loop()))
        yield server


@asynccontextmanager
async def hop_of(settings: ClassifierSettings, *, clock: Clock, in_reverse: bool = False) -> AsyncIterator[Hop | None]:
    """Yield the way to the small model, watched until the block ends; None in mode "embedded".

    `in_reverse` describes the categories in the reverse order, which a judge that reads should not mind.
    Raises SettingsError when the settings leave the model no room to read.
    """
    instructions = instructions_of(settings, in_reverse=in_reverse)
    if settings.mode == "embedded":
        yield None
        return
    async with Hop(settings.ollama, instructions=instructions, clock=clock).running() as hop:
        yield hop


def _readings(reload: Reload) -> Iterator[Reading]:
    yield instruments.CACHE_ENTRIES.at(reload.classifier.remembered)
    if reload.hop:
        yield from one_hot(instruments.MODEL_HOP_STATE, HopState, reload.hop.state)


def _options(
    settings: ClassifierSettings, limits: LimitsSettings, tls: TlsSettings, *, is_port_shared: bool
) -> ServerOptions:
    return ServerOptions(
        address=settings.address,
        setting="classifier.address",
        message_bytes=limits.message_bytes,
        metadata_bytes=limits.metadata_bytes,
        concurrent_calls=limits.concurrent_calls,
        bytes_in_flight=limits.bytes_in_flight,
        reflection=settings.reflection,
        grace_s=settings.grace_s,
        certificate=certificate_of(Files.of_services(tls)),
        is_plaintext_allowed=tls.plaintext_on_open_network,
        is_port_shared=is_port_shared,
    )
