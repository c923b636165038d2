from typing import get_args

import pytest

from pointsman.config.settings import ProviderSettings
from pointsman.domain.errors import SettingsError
from pointsman.domain.secret import Secret
from pointsman.executor.adapters.registry import WIRES, make_adapter
from tests.adapters.wires import CASES, Kind, WireCase
from tests.fakes.clock import FakeClock
from tests.fakes.http_server import ScriptedReply, http_server


def test_every_wire_of_the_settings_can_be_made() -> None:
    assert set(WIRES) == set(get_args(ProviderSettings.__annotations__["wire"])) == set(get_args(Kind))


@pytest.mark.parametrize("key", ["sk-a\nb", "sk a", "sk-\u00e9", "sk-a\x00", "sk\u2028"], ids=ascii)
def test_a_key_that_no_header_can_carry_stops_the_start_and_is_not_shown(key: str) -> None:
    settings = ProviderSettings(wire="openai", base_url="http://127.0.0.1:1", api_key_env="OPENAI_API_KEY")

    with pytest.raises(SettingsError, match="OPENAI_API_KEY") as caught:
        make_adapter(settings, api_key=Secret(key), clock=FakeClock(), connections=1, connect_timeout_s=1.0)

    assert key not in str(caught.value)


@pytest.mark.parametrize(
    "wire, version, path",
    [
        ("gemini", "v1", "/v1/models/gemini-3.8-flash:generateContent"),
        ("gemini", "", "/v1beta/models/gemini-3.8-flash:generateContent"),
    ],
)
async def test_the_version_of_the_settings_is_in_the_path(wire: Kind, version: str, path: str) -> None:
    case = _case("gemini")
    async with http_server(ScriptedReply(body=case.answer)) as server:
        settings = ProviderSettings(wire=wire, base_url=server.url + "/", api_version=version)
        adapter = make_adapter(settings, api_key=Secret("k"), clock=FakeClock(), connections=1, connect_timeout_s=1.0)
        await adapter.call(case.call())
        await adapter.close()

    assert server.requests[0].path == path


@pytest.mark.parametrize("version, sent", [("2023-06-01", "2023-06-01"), ("", "2026-10-21")])
async def test_the_version_of_the_settings_is_in_the_header(version: str, sent: str) -> None:
    case = _case("anthropic")
    async with http_server(ScriptedReply(body=case.answer)) as server:
        settings = ProviderSettings(wire="anthropic", base_url=server.url, api_version=version)
        adapter = make_adapter(settings, api_key=Secret("k"), clock=FakeClock(), connections=1, connect_timeout_s=1.0)
        await adapter.call(case.call())
        await adapter.close()

    assert server.requests[0].headers["anthropic-version"] == sent


async def test_ollama_without_a_key_sends_none() -> None:
    case = _case("ollama")
    async with http_server(ScriptedReply(body=case.answer)) as server:
        adapter = case.adapter(server.url, key=Secret())
        await adapter.call(case.call())
        await adapter.close()

    assert "authorization" not in server.requests[0].headers


def _case(kind: Kind) -> WireCase:
    return next(case for case in CASES if case.kind == kind)
