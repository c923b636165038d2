"""A gRPC server as every Pointsman service has it: health, reflection, limits, and a stop that loses no call."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_address
from typing import Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.domain.frozen import frozen
from pointsman.rpc.callers import WhoCalls
from pointsman.rpc.door import Door
from pointsman.rpc.inprocess.channel import InProcessChannel
from pointsman.rpc.inprocess.server import InProcessServer
from pointsman.rpc.interceptors import CallInterceptor
from pointsman.rpc.tls import ServerCertificate
from pointsman.telemetry import instruments, names
from pointsman.telemetry.metrics import REGISTER, Reading

Register = Callable[[grpc.aio.Server], None]

LEAST_PING_MS: Final = 5_000
"""Between two questions whether we live; half of what lies between those of our channels."""

WATCHERS: Final = 16
"""Calls beyond `concurrent_calls`, because each health watch holds one for as long as it lasts."""

COMERS: Final = 4_096
"""Calls that gRPC takes in, at least, before their turn at the door comes. Beyond it refuses by itself, and says
CANCELLED or UNAVAILABLE without a reason. Messages stay with their senders but for 64 KiB each: 256 MiB at the worst.
"""

HEED_S: Final = 0.3
"""How long a stopping server takes calls where its health is watched: the news travels, and what was sent arrives."""

QUIET_S: Final = 0.3
"""Without any call at work for so long, a stop waits no longer."""

LOOK_S: Final = 0.02
"""How often a stop looks whether it still has to wait."""


@frozen
class ServerOptions:
    """How a server listens.

    `setting` is the dotted path of the address in the settings, for the message when it cannot be used. `address` is
    "host:port" on this machine, port 0 for any free one, or "unix:/path". `message_bytes` bounds a message in either
    direction, `metadata_bytes` what comes with a call beside its message, `concurrent_calls` the calls at once,
    `bytes_in_flight` the messages of all of them together, `grace_s` the seconds that calls under way get at a stop.
    `certificate` is None for plaintext, which others on the network are spared unless `is_plaintext_allowed`; a Unix
    socket is always plaintext. `is_port_shared` lets other processes of ours listen at the same port, each with a part
    of the connections. `who_calls` is None where nobody is asked who
    calls.
    """

    address: str
    setting: str
    message_bytes: int
    metadata_bytes: int
    concurrent_calls: int
    bytes_in_flight: int
    reflection: bool
    grace_s: float
    certificate: ServerCertificate | None = None
    is_plaintext_allowed: bool = False
    is_port_shared: bool = False
    who_calls: WhoCalls | None = None


class Server:
    """One listening address with its services. Starts once, stops once; belongs to the running loop."""

    def __init__(self, options: ServerOptions, *, services: Mapping[str, Register], clock: Clock) -> None:
        """Keep what to serve: full service names, and for each what adds its servicer to the server."""
        self._options = options
        self._services = services
        self._clock = clock
        self._health = health.aio.HealthServicer()
        self._log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
        self._port = 0
        door = Door(
            most_calls=options.concurrent_calls,
            most_bytes=options.bytes_in_flight,
            clock=clock,
            who_calls=options.who_calls,
        )
        self._interceptor = CallInterceptor(clock, door)
        comers = max(COMERS, 4 * (options.concurrent_calls + WATCHERS))
        self._unobserve: Callable[[], None] = lambda: None
        self._server = grpc.aio.server(
            interceptors=[self._interceptor],
            # A backstop: the interceptor refuses earlier, and says why in the details.
            maximum_concurrent_rpcs=2 * (options.concurrent_calls + WATCHERS),
            options=(
                # Never by default, or a second server on the port gets half of the calls, without any error.
                ("grpc.so_reuseport", int(options.is_port_shared)),
                ("grpc.max_receive_message_length", options.message_bytes),
                ("grpc.max_send_message_length", options.message_bytes),
                # Else gRPC takes in megabytes of each message that nobody reads yet (grpcio 1.85.1).
                ("grpc.http2.bdp_probe", 0),
                # Both alike: between the soft limit and the hard one gRPC refuses calls by chance (grpcio 1.85.1).
                ("grpc.max_metadata_size", options.metadata_bytes),
                ("grpc.absolute_max_metadata_size", options.metadata_bytes),
                # Ours ask whether we live; a server that does not expect it hangs up on who asks (too many pings).
                ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                # Above the limit of calls: one too many is then refused at once, not queued in the peer's channel.
                ("grpc.max_concurrent_streams", comers),
                # Both alike, as for metadata. By default calls are refused by chance from 1,000 on (grpcio 1.85.1).
                ("grpc.server.max_pending_requests", comers),
                ("grpc.server.max_pending_requests_hard_limit", comers),
            ),
        )
        self._inside = InProcessServer(self._interceptor)
        for register in services.values():
            register(self._inside)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._inside)
        if options.reflection:
            from grpc_reflection.v1alpha import reflection  # noqa: PLC0415 - 3 MB that a server without it is spared

            listed = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(listed, self._inside)
        # And not method by method, as the generated code would register them: grpcio then waits for the next call of
        # each method apart, and takes up all of these waits anew whenever one call comes (grpcio 1.85.1).
        self._server.add_generic_rpc_handlers(self._inside.handlers)

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before the start."""
        return self._port

    @property
    def address(self) -> str:
        """Where to reach the server, with the real port."""
        if self._options.address.startswith("unix:"):
            return self._options.address
        return f"{self._options.address.rpartition(':')[0]}:{self._port}"

    def channel(self) -> grpc.aio.Channel:
        """Return the way in for callers of this process: the same servicers, limits and log, and nothing is sent."""
        return InProcessChannel(self._inside)

    async def start(self, *, serving: bool = True) -> None:
        """Bind and serve. Without `serving` its services cannot take work yet; `set_health` says when they can.

        Raises SettingsError when the address cannot be used.
        """
        address, setting, certificate = self._options.address, self._options.setting, self._options.certificate
        if not certificate and not is_of_this_machine(address):
            self._expose(address)
        try:
            if not self._options.is_port_shared:
                _try_to_bind(address)
            if certificate and not address.startswith("unix:"):
                self._port = self._server.add_secure_port(address, certificate.credentials())
            else:
                self._port = self._server.add_insecure_port(address)
        except (OSError, RuntimeError) as error:
            wrong = "it is in use, or not an address of this machine"
            variable = f"POINTSMAN__{setting.upper().replace('.', '__')}"
            message = f"cannot listen on {address}: {wrong}; stop what listens there, or set {setting} or ${variable}"
            raise SettingsError(message, address=address, path=setting, variable=variable) from error
        # Before anybody can ask: whoever sets it from now on knows better.
        await self.set_health("", serving=True)
        for service in self._services:
            await self.set_health(service, serving=serving)
        await self._server.start()
        await self._inside.start()
        self._unobserve = REGISTER.observe(self._readings, loop=asyncio.get_running_loop())
        self._log.info(names.EVENT_SERVER_STARTED, address=self.address, services=list(self._services))

    def _expose(self, address: str) -> None:
        """Raise SettingsError unless the settings say that others may read what is said."""
        if not self._options.is_plaintext_allowed:
            refuse_the_open_network(address, self._options.setting)
        self._log.warning(names.EVENT_SERVER_EXPOSED, address=address, setting="tls.plaintext_on_open_network")

    async def stop(self) -> None:
        """Tell whoever watches, take no new calls, let calls under way end within the grace, cancel the rest.

        Calls are still taken for a moment where others watch the health of this server: what they have sent before
        they heard is then served and not refused.
        """
        await self._health.enter_graceful_shutdown()
        waited_s = 0.0
        while self._interceptor.watches.of_health and waited_s < HEED_S:
            await self._clock.sleep(LOOK_S)
            waited_s += LOOK_S
        self._interceptor.watches.end()
        closing = asyncio.ensure_future(self._close(self._options.grace_s))
        emptied = asyncio.ensure_future(self._emptied())
        await asyncio.wait({closing, emptied}, return_when=asyncio.FIRST_COMPLETED)
        emptied.cancel()
        if not closing.done():  # nothing is left but watches that nobody reads
            await self._close(None)
        await closing
        self._unobserve()
        self._log.info(names.EVENT_SERVER_STOPPED, address=self.address)

    async def _close(self, grace_s: float | None) -> None:
        await asyncio.gather(self._server.stop(grace_s), self._inside.stop(grace_s))

    async def _emptied(self) -> None:
        """Return when no call that ends by itself has been under way for a moment: answers are out by then."""
        quiet_s = 0.0
        while quiet_s < QUIET_S:
            await self._clock.sleep(LOOK_S)
            quiet_s = 0.0 if self._interceptor.at_work else quiet_s + LOOK_S

    def _readings(self) -> Iterator[Reading]:
        for service in self._services:
            yield instruments.CALLS_INSIDE.at(self._interceptor.inside, service)
            yield instruments.CALLS_ALLOWED.at(self._interceptor.most_calls, service)

    async def set_health(self, service: str, *, serving: bool) -> None:
        """Say whether a service can take work; "" is the server as a whole."""
        status = health_pb2.HealthCheckResponse
        await self._health.set(service, status.SERVING if serving else status.NOT_SERVING)


def _try_to_bind(address: str) -> None:
    """Raise OSError where gRPC could not listen: it would say so in its own log before it says so to us."""
    host, _, port = address.rpartition(":")
    if address.startswith("unix:") or host.startswith("[") or not int(port):
        return
    with socket.create_server((host, int(port))):
        pass


def refuse_the_open_network(address: str, setting: str) -> None:
    """Raise SettingsError for an address of the open network; no certificate is set, and nobody has allowed plain text.

    `setting` is the dotted path that names the address.
    """
    if not is_of_this_machine(address):
        advice = "set tls.certificate (`pointsman certs` makes one for trying), or use 127.0.0.1 or unix:/path"
        message = f"cannot listen on {address}: others can reach it, and calls are not encrypted; {advice}"
        raise SettingsError(message, address=address, path=setting)


def is_of_this_machine(address: str) -> bool:
    """Return whether nobody else can reach what listens there: loopback, or a Unix socket."""
    host = address.rpartition(":")[0].strip("[]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
