"""A gRPC server as every Pointsman service has it: health, reflection, limits, and a stop that loses no call."""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pointsman.domain.clock import Clock
from pointsman.domain.errors import SettingsError
from pointsman.rpc.callers import WhoCalls
from pointsman.rpc.door import Door
from pointsman.rpc.interceptors import CallInterceptor
from pointsman.rpc.tls import ServerCertificate
from pointsman.telemetry import instruments, names
from pointsman.telemetry.metrics import REGISTER, Reading

Register = Callable[[grpc.aio.Server], None]

LEAST_PING_MS: Final = 5_000
"""Between two questions whether we live; half of what lies between those of our channels."""

WATCHERS: Final = 16
"""Calls beyond `concurrent_calls`, because each health watch holds one for as long as it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server listens.

    `setting` is the dotted path of the address in the settings, for the message when it cannot be used. `address` is
    "host:port" on this machine, port 0 for any free one, or "unix:/path". `message_bytes` bounds a message in either
    direction, `metadata_bytes` what comes with a call beside its message, `concurrent_calls` the calls at once,
    `bytes_in_flight` the messages of all of them together, `grace_s` the seconds that calls under way get at a stop.
    `certificate` is None for plaintext, which others on the network are spared unless `is_plaintext_allowed`; a Unix
    socket is always plaintext. `who_calls` is None where nobody is asked who calls.
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
    who_calls: WhoCalls | None = None


class Server:
    """One listening address with its services. Starts once, stops once; belongs to the running loop."""

    def __init__(self, options: ServerOptions, *, services: Mapping[str, Register], clock: Clock) -> None:
        """Keep what to serve: full service names, and for each what adds its servicer to the server."""
        self._options = options
        self._services = services
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
        self._unobserve: Callable[[], None] = lambda: None
        self._server = grpc.aio.server(
            interceptors=[self._interceptor],
            # A backstop: the interceptor refuses earlier, and says why in the details.
            maximum_concurrent_rpcs=2 * (options.concurrent_calls + WATCHERS),
            options=(
                ("grpc.so_reuseport", 0),  # else a second server on the port gets half of the calls, without any error
                ("grpc.max_receive_message_length", options.message_bytes),
                ("grpc.max_send_message_length", options.message_bytes),
                # Both alike: between the soft limit and the hard one gRPC refuses calls by chance (grpcio 1.85.1).
                ("grpc.max_metadata_size", options.metadata_bytes),
                ("grpc.absolute_max_metadata_size", options.metadata_bytes),
                # Ours ask whether we live; a server that does not expect it hangs up on who asks (too many pings).
                ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                # Above the limit of calls: one too many is then refused at once, not queued in the peer's channel.
                ("grpc.max_concurrent_streams", 4 * (options.concurrent_calls + WATCHERS)),
            ),
        )
        for register in services.values():
            register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if options.reflection:
            listed = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(listed, self._server)

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

    async def start(self) -> None:
        """Bind and serve. Raises SettingsError when the address cannot be used."""
        address, setting, certificate = self._options.address, self._options.setting, self._options.certificate
        if not certificate and not is_of_this_machine(address):
            self._expose(address)
        try:
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
        await self._server.start()
        for service in ("", *self._services):
            await self.set_health(service, serving=True)
        self._unobserve = REGISTER.observe(self._readings, loop=asyncio.get_running_loop())
        self._log.info(names.EVENT_SERVER_STARTED, address=self.address, services=list(self._services))

    def _expose(self, address: str) -> None:
        """Raise SettingsError unless the settings say that others may read what is said."""
        if not self._options.is_plaintext_allowed:
            refuse_the_open_network(address, self._options.setting)
        self._log.warning(names.EVENT_SERVER_EXPOSED, address=address, setting="tls.plaintext_on_open_network")

    async def stop(self) -> None:
        """Tell health watchers, take no new calls, let calls under way end within the grace, cancel the rest."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self._options.grace_s)
        self._unobserve()
        self._log.info(names.EVENT_SERVER_STOPPED, address=self.address)

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
