"""Settings in, a running Router out."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import grpc

from pointsman.config import Settings
from pointsman.config.revision import Commit, Register
from pointsman.config.settings import CallerSettings, LimitsSettings, RouterSettings, TlsSettings
from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.domain.frozen import frozen
from pointsman.router.service import RouterServicer
from pointsman.rpc.callers import Keyring, Reception
from pointsman.rpc.channel import open_channel
from pointsman.rpc.peer import ChannelPeer
from pointsman.rpc.server import Server, ServerOptions, is_of_this_machine
from pointsman.rpc.tls import Files, certificate_of, identity_of
from pointsman.v1 import classifier_pb2_grpc, executor_pb2_grpc, router_pb2_grpc

SERVICE: Final = "pointsman.v1.RouterService"
CLASSIFIER: Final = "pointsman.v1.ClassifierService"
EXECUTOR: Final = "pointsman.v1.ExecutorService"

_ENVELOPE_BYTES: Final = 65_536
"""What the Router may add to a request on its way to the Executor, which has the same limit: verdict, category, ids."""


@frozen
class Peers:
    """The ways to the services that the Router asks, opened and closed by whoever runs it."""

    classifier: grpc.aio.Channel
    executor: grpc.aio.Channel


@asynccontextmanager
async def run(  # noqa: PLR0913 - what a Router goes by, one thing each
    settings: RouterSettings,
    limits: LimitsSettings,
    categories: tuple[str, ...],
    *,
    clock: Clock,
    tls: TlsSettings | None = None,
    callers: Mapping[str, CallerSettings] | None = None,
    peers: Peers | None = None,
    is_port_shared: bool = False,
    on_reload: Register | None = None,
) -> AsyncIterator[Server]:
    """Serve until the block ends. The other services need not run yet: a missing one is found when it comes.

    Health says that the Router can take work while the Executor can; without the Classifier it can all the same.

    Without `peers` they are asked over the wire, at the addresses in the settings. Without `tls` all is plaintext;
    `callers` matter here only where a certificate names them; `is_port_shared` says that other workers listen at its
    port too; `on_reload` is told how to take up newer settings. Raises SettingsError for an address, a certificate or
    keys that cannot be used, and where anybody on the network could spend the owner's money without the settings
    saying so.
    """
    tls = tls or TlsSettings()
    _refuse_anybody(settings, tls)
    async with AsyncExitStack() as stack:
        if peers is None:
            peers = await stack.enter_async_context(_over_the_wire(settings, limits, tls))
        peer = ChannelPeer(peers.executor, service=EXECUTOR, clock=clock, patience_s=settings.executor_patience_s)
        servicer = RouterServicer(
            settings=settings,
            limits=limits,
            categories=categories,
            classifier=classifier_pb2_grpc.ClassifierServiceStub(peers.classifier),
            executor=executor_pb2_grpc.ExecutorServiceStub(peers.executor),
            executor_peer=peer,
            clock=clock,
        )

        def register(server: grpc.aio.Server) -> None:
            router_pb2_grpc.add_RouterServiceServicer_to_server(servicer, server)

        reception = _reception(settings, callers or {})
        server = Server(
            _options(settings, limits, tls, reception, is_port_shared=is_port_shared),
            services={SERVICE: register},
            clock=clock,
        )

        async def prepare(newer: Settings) -> Commit:
            certificates = _certificates(newer.callers)
            if certificates and not reception:
                raise SettingsError("callers show certificates now, and this Router asks for none; start it again")

            def commit() -> None:
                servicer.go_by(newer.router, newer.limits, tuple(newer.pools))
                if reception:
                    reception.certificates = certificates

            return commit

        if on_reload:
            on_reload(prepare)

        async def tell(is_there: bool) -> None:  # noqa: FBT001 - the claim is all there is to say
            await server.set_health(SERVICE, serving=is_there)

        await stack.enter_async_context(peer.followed(tell))
        await server.start(serving=peer.is_there)
        stack.push_async_callback(server.stop)
        yield server


@asynccontextmanager
async def _over_the_wire(settings: RouterSettings, limits: LimitsSettings, tls: TlsSettings) -> AsyncIterator[Peers]:
    identity, bytes_ = identity_of(tls), limits.message_bytes
    credentials = identity.channel_credentials() if identity else None
    async with (
        open_channel(
            settings.classifier_address, message_bytes=bytes_, credentials=credentials, service=CLASSIFIER
        ) as to_classifier,
        open_channel(
            settings.executor_address, message_bytes=bytes_, credentials=credentials, service=EXECUTOR
        ) as to_executor,
    ):
        yield Peers(classifier=to_classifier, executor=to_executor)


def _refuse_anybody(settings: RouterSettings, tls: TlsSettings) -> None:
    if is_of_this_machine(settings.address) or not (tls.certificate or tls.plaintext_on_open_network):
        return  # nobody else reaches it, or the server itself refuses the address
    if settings.keys or tls.caller_authority or settings.anybody_on_open_network:
        return
    advice = "set router.keys (`pointsman keys create NAME` makes one) or tls.caller_authority"
    message = (
        f"cannot listen on {settings.address}: others can reach it, and anybody could spend your money; {advice}, "
        "or say router.anybody_on_open_network = true"
    )
    raise SettingsError(message, address=settings.address, path="router.address")


def _options(
    settings: RouterSettings,
    limits: LimitsSettings,
    tls: TlsSettings,
    reception: Reception | None,
    *,
    is_port_shared: bool,
) -> ServerOptions:
    return ServerOptions(
        address=settings.address,
        setting="router.address",
        message_bytes=max(limits.message_bytes - _ENVELOPE_BYTES, limits.message_bytes // 2),
        metadata_bytes=limits.metadata_bytes,
        concurrent_calls=limits.concurrent_calls,
        bytes_in_flight=limits.bytes_in_flight,
        reflection=settings.reflection,
        grace_s=settings.grace_s,
        certificate=certificate_of(Files.of_callers(tls)),
        is_plaintext_allowed=tls.plaintext_on_open_network,
        is_port_shared=is_port_shared,
        who_calls=reception.who_calls if reception else None,
    )


def _reception(settings: RouterSettings, callers: Mapping[str, CallerSettings]) -> Reception | None:
    """Return what asks callers who they are; None where nobody is asked. Raises SettingsError."""
    keyring = Keyring(Path(settings.keys)) if settings.keys else None
    certificates = _certificates(callers)
    return Reception(keyring=keyring, certificates=certificates) if keyring or certificates else None


def _certificates(callers: Mapping[str, CallerSettings]) -> dict[str, str]:
    return {caller.certificate: name for name, caller in callers.items() if caller.certificate}
