"""The page of metrics over HTTP: its formats, its address, and what is no page."""

import io
import urllib.error
import urllib.request

import pytest

from pointsman.config.settings import MetricsSettings, TelemetrySettings
from pointsman.domain.errors import SettingsError
from pointsman.telemetry.metrics import About, Counter, Kind, Register
from pointsman.telemetry.page import OPEN_METRICS, PLAIN, serving
from pointsman.telemetry.setup import configure

ABOUT = About(name="test.things", kind=Kind.COUNTER, unit="{thing}", description="Things.", labels=("who.is",))


@pytest.mark.parametrize(
    "accept, expected", [("*/*", PLAIN), ("application/openmetrics-text;version=1.0.0", OPEN_METRICS)]
)
def test_the_page_comes_in_the_format_that_is_asked_for(accept: str, expected: str) -> None:
    register = Register()
    counter = Counter(ABOUT, register)
    with register.recording(), serving("127.0.0.1:0", "telemetry.metrics.up", register) as url:
        counter.add(3, "me")
        asked = urllib.request.Request(url, headers={"Accept": accept})  # noqa: S310 - our own page
        with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310 - as above
            page = answer.read().decode()

    assert answer.headers["Content-Type"] == expected
    assert 'test_things_total{who_is="me"} 3' in page


def test_there_is_no_other_page() -> None:
    register = Register()
    with (
        serving("127.0.0.1:0", "telemetry.metrics.up", register) as url,
        pytest.raises(urllib.error.HTTPError) as raised,
    ):
        urllib.request.urlopen(url.replace("/metrics", "/"), timeout=5)  # noqa: S310 - our own page

    assert raised.value.code == 404
    raised.value.close()


@pytest.mark.parametrize(
    "address", ["0.0.0.0:9464", "192.0.2.1:9464", "example.org:9464", "127.0.0.1", "127.0.0.1:x", ":1"]
)
def test_an_address_that_others_can_reach_or_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingsError) as raised, serving(address, "telemetry.metrics.up", Register()):
        pass

    assert raised.value.metadata["path"] == "telemetry.metrics.up"


def test_an_address_in_use_is_refused_with_advice() -> None:
    with serving("127.0.0.1:0", "telemetry.metrics.up", Register()) as url:
        taken = url.removeprefix("http://").removesuffix("/metrics")
        settings = TelemetrySettings(metrics=MetricsSettings(up=taken))
        with pytest.raises(SettingsError, match=r"it is in use.*set telemetry\.metrics\.up"):
            configure(settings, service="test", metrics_at="up", sink=io.BytesIO())
