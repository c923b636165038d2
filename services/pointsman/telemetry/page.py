"""The page that Prometheus reads: what is counted, as text, over HTTP on this machine.

In a thread of its own, so that a loop that is stuck can still be seen from outside.
"""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from itertools import accumulate
from typing import Final, cast

import structlog

from pointsman.domain.errors import SettingsError
from pointsman.telemetry import names
from pointsman.telemetry.metrics import About, Buckets, Exemplar, Family, Kind, Labels, Register

PATH: Final = "/metrics"

PLAIN: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_SUFFIXES: Final = {"s": "seconds", "By": "bytes", "1": "ratio"}
"""How a unit ends a name, as OpenTelemetry's rules for Prometheus have it; units in braces do not."""

_IDLE_S: Final = 120.0
"""How long a connection may be silent; Prometheus keeps its own open from one scrape to the next."""


def prometheus_name(about: About) -> str:
    """Return the name by which Prometheus knows an instrument, such as "pointsman_attempts_total"."""
    name = about.name.replace(".", "_")
    suffix = _SUFFIXES.get(about.unit)
    if suffix:
        name = f"{name}_{suffix}"
    return f"{name}_total" if about.kind is Kind.COUNTER else name


def render(families: list[Family], *, is_open_metrics: bool) -> bytes:
    """Return the page. Only the OpenMetrics format has exemplars."""
    lines: list[str] = []
    for family in families:
        name = prometheus_name(family.about)
        titled = name.removesuffix("_total") if is_open_metrics else name
        lines.append(f"# HELP {titled} {_escaped(family.about.description)}\n# TYPE {titled} {family.about.kind}\n")
        for point in family.points:
            if point.buckets is None:
                lines.append(f"{name}{_braced(family.about.labels, point.labels)} {point.value}\n")
            else:
                lines += _histogram(name, family.about, point.labels, point.buckets, with_exemplars=is_open_metrics)
    if is_open_metrics:
        lines.append("# EOF\n")
    return "".join(lines).encode()


def _histogram(name: str, about: About, labels: Labels, buckets: Buckets, *, with_exemplars: bool) -> Iterator[str]:
    inside = _written(about.labels, labels)
    head = f"{name}_bucket{{{inside},le=" if inside else f"{name}_bucket{{le="
    counts = list(accumulate(buckets.counts))
    for bound, count, exemplar in zip((*about.bounds, "+Inf"), counts, buckets.exemplars, strict=True):
        yield f'{head}"{bound}"}} {count}{_told(exemplar) if exemplar and with_exemplars else ""}\n'
    braced = _braced(about.labels, labels)
    yield f"{name}_count{braced} {counts[-1]}\n{name}_sum{braced} {buckets.sum}\n"


def _told(exemplar: Exemplar) -> str:
    trace = f'trace_id="{exemplar.trace_id}",span_id="{exemplar.span_id}"'
    return f" # {{{trace}}} {exemplar.value} {exemplar.at_s:.3f}"


def _braced(names_of_labels: Labels, labels: Labels) -> str:
    return f"{{{_written(names_of_labels, labels)}}}" if labels else ""


@lru_cache(maxsize=16_384)
def _written(names_of_labels: Labels, labels: Labels) -> str:
    """Return labels as they stand in braces; remembered, because a page consists of little else."""
    pairs = zip(names_of_labels, labels, strict=True)
    return ",".join(f'{name.replace(".", "_")}="{_escaped(value)}"' for name, value in pairs)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


# --- Over HTTP


@contextmanager
def serving(address: str, setting: str, register: Register) -> Iterator[str]:
    """Serve the page until the block ends; yield its URL. `setting` is the dotted path that names the address.

    `address` is "host:port" on this machine, port 0 for any free one. Raises SettingsError when it cannot be used.
    """
    host, port = _parted(address, setting)
    try:
        server = _PageServer((host, port), register)
    except OSError as error:
        wrong = "it is in use, or not an address of this machine"
        message = f"cannot show metrics on {address}: {wrong}; stop what listens there, or set {setting}"
        raise SettingsError(message, address=address, path=setting) from error
    thread = threading.Thread(target=server.serve_forever, name="page of metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}{PATH}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _parted(address: str, setting: str) -> tuple[str, int]:
    """Return host and port. Raises SettingsError for what is no address, or one that others can reach."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 - the highest port there is
        raise SettingsError(f'{setting} = "{address}": must be host:port', address=address, path=setting)
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        wrong = "others can reach it, and who asks is not checked"
        message = f"cannot show metrics on {address}: {wrong}; use 127.0.0.1 or localhost"
        raise SettingsError(message, address=address, path=setting)
    return host, int(port)


class _PageServer(socketserver.ThreadingTCPServer):
    """Not HTTPServer, which looks up the name of its own address and may wait for that."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address: tuple[str, int], register: Register) -> None:
        self.register = register
        super().__init__(address, _PageHandler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - as the base class has it
        """Log what went wrong, once and without the traceback that the base class prints."""
        structlog.get_logger().exception(names.EVENT_METRICS_UNREAD)


class _PageHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S

    def do_GET(self) -> None:
        """Answer with the page in the format that is asked for."""
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND, f"the metrics are at {PATH}")
            return
        is_open_metrics = "application/openmetrics-text" in self.headers.get("Accept", "")
        page = render(cast("_PageServer", self.server).register.families(), is_open_metrics=is_open_metrics)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", OPEN_METRICS if is_open_metrics else PLAIN)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
        """Say nothing: a line a second is no news."""
