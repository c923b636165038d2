"""Read the settings file and the environment, and check that the parts fit together."""

import dataclasses
import hashlib
import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from urllib.parse import urlsplit

from pointsman.config.categories import check_categories
from pointsman.config.file import read
from pointsman.config.key_places import check_key_places
from pointsman.config.parse import Table, parse, quoted, refuse
from pointsman.config.settings import LimitsSettings, ProviderSettings, QuotaSettings, Settings, TlsSettings
from pointsman.domain.errors import SettingsError

DEFAULT_PATH = Path("deploy/pointsman.toml")
PREFIX = "POINTSMAN__"

EVERYWHERE = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - compared with, not bound
"""Hosts that take a port on every address of the machine."""

SQLITE = "sqlite:///"
"""What comes before the path of a file; a path that begins with a slash is absolute, as four slashes in a row show."""

_CALLER = re.compile(r"[a-zA-Z0-9._-]{1,64}")

SIMULATED_KEY_ENV = "POINTSMAN_SIMULATED_KEY"
"""Stands for the key that opens Pointsman's simulator. It need not be set: no real key has to stand in for it."""


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a file with the overrides of the environment, such as `POINTSMAN__ROUTER__ADDRESS`.

    Without a path, `$POINTSMAN_CONFIG` names the file, else `deploy/pointsman.toml`, else the copy inside the package.
    Raises SettingsError with the dotted path of what is wrong.
    """
    environ = os.environ if environ is None else environ
    source = find(path, environ)
    table = read(source)
    overrides = _override(table, environ)
    try:
        check_key_places(table)
        settings = parse(Settings, table)
        _check(settings)
    except SettingsError as error:
        path_there = error.metadata.get("path", "")
        if variable := overrides.get(path_there):
            raise SettingsError(f"${variable}: {error.message}", variable=variable, path=path_there) from error
        raise SettingsError(f"{source}: {error.message}", file=str(source), path=path_there) from error
    return settings


def find(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Path:
    """Return the settings file that `load` would read."""
    environ = os.environ if environ is None else environ
    if path is not None:
        return path
    if named := environ.get("POINTSMAN_CONFIG"):
        return Path(named)
    packaged = Path(__file__).parent.parent / "pointsman.toml"
    return packaged if packaged.exists() and not DEFAULT_PATH.exists() else DEFAULT_PATH


def api_key(name: str, *, environ: Mapping[str, str] | None = None) -> str:
    """Return the key in the environment variable `name`, stripped of white space; empty when it is unset or blank."""
    if name == SIMULATED_KEY_ENV:
        return "simulated"
    environ = os.environ if environ is None else environ
    return environ.get(name, "").strip() if name else ""


def state_folder(*, environ: Mapping[str, str] | None = None) -> Path:
    """Return where what this user's Executors remember is kept: XDG's folder for state, or macOS's own."""
    environ = os.environ if environ is None else environ
    named = Path(environ.get("XDG_STATE_HOME", ""))
    if named.is_absolute():
        return named / "pointsman"
    home = Path(environ.get("HOME") or "~").expanduser()
    beneath = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    return home / beneath / "pointsman"


def settings_hash(settings: Settings) -> str:
    """Return the first 12 hexadecimal digits of the SHA-256 of the settings in force. Keys are not part of them."""
    text = json.dumps(dataclasses.asdict(settings), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]


def _override(table: Table, environ: Mapping[str, str]) -> dict[str, str]:
    """Put the values of `POINTSMAN__A__B=…` at a.b, and return which variable set which dotted path.

    A segment matches a key without regard to case, `-`, `/` and `.` count as `_`.
    """
    overrides: dict[str, str] = {}
    for name, raw in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        *parents, last = name.removeprefix(PREFIX).split("__")
        here, path = table, []
        for segment in parents:
            path.append(_match(here, segment))
            below = here.setdefault(path[-1], {})
            if not isinstance(below, dict):
                raise SettingsError(
                    f"{name} goes below {segment.lower()}, which is a value and not a table", variable=name
                )
            here = below
        path.append(_match(here, last))
        here[path[-1]] = _literal(raw)
        overrides[".".join(map(quoted, path))] = name
    return overrides


def _match(table: Table, segment: str) -> str:
    plain = segment.lower()
    return next((key for key in table if _plain(key) == plain), plain)


def _plain(key: str) -> str:
    return "".join(char if char.isalnum() else "_" for char in key.lower())


def _literal(raw: str) -> object:
    """Read a value as TOML writes it; what is not TOML is a string, and so is a date, which no setting is."""
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except (ValueError, RecursionError):
        return raw
    return raw if isinstance(value, date | time) else value


def _check(settings: Settings) -> None:
    for name, provider in settings.providers.items():
        _url(f"providers.{quoted(name)}.base_url", provider.base_url)
        _check_quota(f"providers.{quoted(name)}.quota", provider.quota)
        _check_key_place(f"providers.{quoted(name)}.api_key_file", provider)
    for name, group in settings.groups.items():
        _check_quota(f"groups.{quoted(name)}", group)
    for name, candidate in settings.candidates.items():
        path = f"candidates.{quoted(name)}"
        _filled(f"{path}.model", candidate.model)
        _known(f"{path}.provider", candidate.provider, settings.providers)
        _check_quota(f"{path}.quota", candidate.quota)
        if candidate.group:
            _known(f"{path}.group", candidate.group, settings.groups)
    for name, pool in settings.pools.items():
        path = f"pools.{quoted(name)}.candidates"
        _filled("pools", name)
        for index, candidate_id in enumerate(pool.candidates):
            _known(f"{path}[{index}]", candidate_id, settings.candidates)
            if candidate_id in pool.candidates[:index]:
                refuse(f"{path}[{index}]", candidate_id, "a pool names a candidate once")
        if not pool.candidates:
            refuse(path, [], "name at least one candidate, or leave the pool out")
    check_categories(settings)
    _known("router.default_category", settings.router.default_category, settings.pools)
    _url("classifier.ollama.url", settings.classifier.ollama.url)
    _filled("classifier.ollama.model", settings.classifier.ollama.model)
    if settings.telemetry.otlp_endpoint:
        _url("telemetry.otlp_endpoint", settings.telemetry.otlp_endpoint)
    _check_journal(settings.journal.url)
    _check_fallback(settings)
    _check_limits(settings.limits)
    _check_tls(settings.tls)
    _check_callers(settings)
    _check_addresses(settings)


def _check_key_place(path: str, provider: ProviderSettings) -> None:
    if provider.api_key_env and provider.api_key_file:
        refuse(path, provider.api_key_file, "api_key_env names another place for the key; leave one of the two out")


def _check_quota(path: str, quota: QuotaSettings) -> None:
    """Refuse words on how minutes are counted that would do nothing."""
    requests, tokens = quota.requests_per_minute, quota.tokens_per_minute
    has_minute = requests or tokens or quota.input_tokens_per_minute or quota.output_tokens_per_minute
    if quota.algorithm and not has_minute:
        refuse(
            f"{path}.algorithm", quota.algorithm, "it says how minutes are counted; name a limit per minute beside it"
        )
    if quota.offset_s and quota.algorithm != "fixed_window":
        advice = 'only a fixed window has a beginning; set algorithm = "fixed_window"'
        refuse(f"{path}.offset_s", quota.offset_s, advice)


def _check_journal(url: str) -> None:
    is_file = url.startswith(SQLITE) and url != SQLITE
    if url and not is_file and not url.startswith(("postgresql://", "postgres://")):
        advice = 'write "sqlite:///" and a path, "postgresql://…", or nothing to keep it in memory'
        refuse("journal.url", url.partition("://")[0], advice)


def _check_fallback(settings: Settings) -> None:
    name = settings.fallback.candidate
    if not name:
        return
    _known("fallback.candidate", name, settings.candidates)
    if not settings.providers[settings.candidates[name].provider].local:
        refuse(
            "fallback.candidate",
            name,
            "the fallback runs on this machine; name a candidate of a provider with local = true",
        )


def _check_tls(tls: TlsSettings) -> None:
    """Refuse half of what a handshake needs."""
    needed = {"tls.certificate": tls.certificate, "tls.key": tls.key, "tls.authority": tls.authority}
    for path, file in needed.items():
        if not file and (any(needed.values()) or tls.caller_authority):
            refuse(path, file, f"TLS needs {', '.join(needed)} together; set all three, or none of tls")
    if tls.certificate and tls.plaintext_on_open_network:
        advice = "there is a certificate, so nothing is plaintext; leave it out"
        refuse("tls.plaintext_on_open_network", tls.plaintext_on_open_network, advice)


def _check_limits(limits: LimitsSettings) -> None:
    if limits.bytes_in_flight < limits.message_bytes:
        advice = f"one message may have limits.message_bytes, {limits.message_bytes}; allow at least that"
        refuse("limits.bytes_in_flight", limits.bytes_in_flight, advice)


def _check_callers(settings: Settings) -> None:
    owners: dict[str, str] = {}
    for name, caller in settings.callers.items():
        path = f"callers.{quoted(name)}"
        if caller.certificate and not settings.tls.caller_authority:
            advice = "nobody is asked for a certificate; set tls.caller_authority, which signs those of callers"
            refuse(f"{path}.certificate", caller.certificate, advice)
        if caller.certificate and owners.setdefault(caller.certificate, name) != name:
            advice = f"it is {owners[caller.certificate]}'s too; each caller needs a certificate of its own"
            refuse(f"{path}.certificate", caller.certificate, advice)
        if not _CALLER.fullmatch(name):
            refuse(path, name, "a caller's name is 1 to 64 of a-z, A-Z, 0-9, . _ and -")
        for index, category in enumerate(caller.categories):
            _known(f"{path}.categories[{index}]", category, settings.pools)
        for index, candidate_id in enumerate(caller.candidates):
            _known(f"{path}.candidates[{index}]", candidate_id, settings.candidates)


def _check_addresses(settings: Settings) -> None:
    taken: dict[str, tuple[str, int]] = {}
    for room in ("router", "classifier", "executor"):
        address: str = getattr(settings, room).address
        host, port = _host_and_port(f"{room}.address", address)
        for other, (other_host, other_port) in taken.items():
            if port and port == other_port and (host == other_host or EVERYWHERE & {host, other_host}):
                refuse(f"{room}.address", address, f"{other}.address has that port; each service needs its own")
        taken[room] = host, port
    for key in ("classifier_address", "executor_address"):
        _host_and_port(f"router.{key}", getattr(settings.router, key))


def _host_and_port(path: str, address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    is_host = host and not re.search(r"[\s/]", host) and (bracketed or ":" not in host)
    if not is_host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65_535:  # noqa: PLR2004 - the largest port
        refuse(path, address, "write host:port, such as 127.0.0.1:50051 or [::1]:50051")
    return host, int(port)


def _url(path: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        has_secret = "@" in parts.netloc
    except ValueError:  # half an IPv6 address, or a port that is none
        is_usable, has_secret = False, "@" in url
    if has_secret:  # not said again
        refuse(path, "…", "settings hold no secrets; leave out what stands before the @")
    if not is_usable or not url.isprintable() or re.search(r"\s", url):
        refuse(path, url, "write an http or https URL, such as http://127.0.0.1:11434")
    if re.search(r"[?#]", url):
        refuse(path, url, "paths are put behind it, so it ends before any ? or #; leave them out")


def _filled(path: str, text: str) -> None:
    if not text.strip():
        refuse(path, text, "must not be empty")


def _known(path: str, name: str, table: Mapping[str, object]) -> None:
    if name not in table:
        refuse(path, name, f"it is not defined; defined are: {', '.join(sorted(table)) or 'none'}")
