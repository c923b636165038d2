"""The settings file and the environment: what is read, what is refused, and what the refusal says."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pointsman.config import load, settings_hash
from pointsman.config.file import LARGEST_BYTES
from pointsman.config.load import SIMULATED_KEY_ENV, api_key, find
from pointsman.config.settings import Settings
from pointsman.domain.errors import SettingsError

REFERENCE = Path(__file__).parents[3] / "deploy/pointsman.toml"

PLAIN = """
[router]
default_category = "quick"

[providers.p]
wire = "openai"
base_url = "https://p.example/v1"

[providers.local]
wire = "ollama"
base_url = "http://127.0.0.1:11434"
local = true

[candidates."p/m-1.5"]
provider = "p"
model = "m"

[candidates."local/m"]
provider = "local"
model = "m"

[pools.quick]
candidates = ["p/m-1.5"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "pointsman.toml"
    path.write_text(PLAIN)
    return path


def loaded(file: Path, more: str = "", **environ: str) -> Settings:
    file.write_text(file.read_text() + more)
    return load(file, environ=environ)


def refused(file: Path, more: str = "", **environ: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        loaded(file, more, **environ)
    return caught.value


# --- The file


def test_the_reference_settings_load() -> None:
    settings = load(REFERENCE, environ={})

    assert list(settings.pools) == ["reasoning", "coding", "quick", "vision", "review"]
    assert settings.fallback.candidate == "local/qwen2.5-14b"


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.toml"

    with pytest.raises(
        SettingsError, match="does not exist; name one with --config FILE or POINTSMAN_CONFIG"
    ) as caught:
        load(missing, environ={})

    assert caught.value.metadata == {"file": str(missing)}


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load(tmp_path, environ={})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"router = ", id="half-a-line"),
        pytest.param(b"{}", id="json"),
        pytest.param(b"\xff\xfe[router]", id="not-utf-8"),
        pytest.param(b"[router]\nreflection = true\nreflection = true\n", id="a-key-twice"),
        pytest.param(b"[router]\n[router]\n", id="a-table-twice"),
        pytest.param(b"x = " + b"9" * 5_000, id="more-digits-than-python-reads"),
    ],
)
def test_what_is_not_toml_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)

    with pytest.raises(SettingsError, match="is not valid TOML"):
        load(file, environ={})


def test_a_file_over_the_limit_is_refused_with_its_size_and_is_not_read_whole(file: Path) -> None:
    with file.open("wb") as sparse:
        sparse.truncate(200_000_000)

    with pytest.raises(SettingsError, match="has 200,000,000 bytes, and 4,194,304 are the most that is read; see") as e:
        load(file, environ={})

    assert e.value.metadata == {"file": str(file), "limit_bytes": "4194304"}


def test_what_never_ends_is_refused() -> None:
    with pytest.raises(SettingsError, match="/dev/zero does not end, and 4,194,304 are the most"):
        load(Path("/dev/zero"), environ={})


def test_a_file_of_just_the_limit_is_read(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content + b"#" * (LARGEST_BYTES - len(content)))

    assert list(load(file, environ={}).pools) == ["quick"]


def test_an_empty_file_says_what_is_missing(file: Path) -> None:
    file.write_text("")

    assert refused(file).metadata["path"] == "providers"


def test_an_error_names_the_file_and_the_path(file: Path) -> None:
    error = refused(file, "[executor]\nmax_attempts = 0\n")

    assert error.message == f"{file}: executor.max_attempts = 0: must be from 1 to 20"
    assert (error.metadata["file"], error.metadata["path"]) == (str(file), "executor.max_attempts")


# --- Which file


def test_a_path_beats_the_environment(file: Path) -> None:
    assert find(file, {"POINTSMAN_CONFIG": "elsewhere.toml"}) == file


def test_the_environment_names_the_file(file: Path) -> None:
    settings = load(environ={"POINTSMAN_CONFIG": str(file)})

    assert list(settings.pools) == ["quick"]


def test_the_reference_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REFERENCE.parents[1])

    assert find(environ={"POINTSMAN_CONFIG": ""}) == Path("deploy/pointsman.toml")


def test_the_environment_is_the_processs_own_unless_one_is_given(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    monkeypatch.setitem(os.environ, "POINTSMAN_CONFIG", str(file))  # noqa: TID251 - what is tested
    monkeypatch.setitem(os.environ, "POINTSMAN__ROUTER__GRACE_S", "7")  # noqa: TID251 - as above

    assert load().router.grace_s == 7.0
    assert find() == file


# --- Parts that must fit together


@pytest.mark.parametrize(
    "more, path, says",
    [
        pytest.param(
            '[pools.coding]\ncandidates = ["p/typo"]', "pools.coding.candidates[0]", "defined are: local/m, p/m-1.5",
            id="unknown-candidate",
        ),
        pytest.param(
            '[pools.coding]\ncandidates = ["p/m-1.5", "local/m", "p/m-1.5"]', "pools.coding.candidates[2]", "once",
            id="candidate-twice",
        ),
        pytest.param("[pools.coding]\ncandidates = []", "pools.coding.candidates", "at least one", id="empty-pool"),
        pytest.param('[pools.""]\ncandidates = ["local/m"]', "pools", "must not be empty", id="pool-without-a-name"),
        pytest.param(
            '[candidates."x/y"]\nprovider = "typo"\nmodel = "m"', 'candidates."x/y".provider', "defined are: local, p",
            id="unknown-provider",
        ),
        pytest.param(
            '[candidates.x]\nprovider = "p"\nmodel = "m"\ngroup = "g"', "candidates.x.group", "defined are: none",
            id="unknown-group",
        ),
        pytest.param(
            '[candidates.x]\nprovider = "p"\nmodel = " "', "candidates.x.model", "must not be empty", id="no-model"
        ),
        pytest.param(
            '[groups.g]\nrequests_per_day = 9\nalgorithm = "token_bucket"', "groups.g.algorithm", "a limit per minute",
            id="counting-of-no-minute",
        ),
        pytest.param(
            "[groups.g]\nrequests_per_minute = 9\noffset_s = 1", "groups.g.offset_s", 'algorithm = "fixed_window"',
            id="beginning-of-what-slides",
        ),
        pytest.param(
            '[groups.g]\ntokens_per_minute = 9\nalgorithm = "token_bucket"\noffset_s = 1', "groups.g.offset_s",
            "fixed window", id="beginning-of-a-bucket",
        ),
        pytest.param(
            '[candidates.x]\nprovider = "p"\nmodel = "m"\nquota = { algorithm = "token_bucket" }',
            "candidates.x.quota.algorithm", "a limit per minute", id="counting-of-nothing-at-a-candidate",
        ),
        pytest.param(
            '[providers.q]\nwire = "openai"\nbase_url = "http://q"\nquota = { offset_s = 1 }',
            "providers.q.quota.offset_s", "fixed window", id="beginning-of-nothing-at-a-provider",
        ),
        pytest.param('[fallback]\ncandidate = "typo"', "fallback.candidate", "not defined", id="unknown-fallback"),
        pytest.param(
            '[fallback]\ncandidate = "p/m-1.5"', "fallback.candidate", "local = true", id="fallback-that-is-not-local"
        ),
        pytest.param(
            '[classifier.ollama]\nmodel = ""', "classifier.ollama.model", "must not be empty", id="no-small-model"
        ),
        pytest.param(
            '[classifier.ollama]\nurl = "localhost:11434"', "classifier.ollama.url", "http or https", id="no-scheme"
        ),
        pytest.param(
            '[telemetry]\notlp_endpoint = "collector"', "telemetry.otlp_endpoint", "http or https", id="no-endpoint"
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_its_path(file: Path, more: str, path: str, says: str) -> None:
    error = refused(file, more)

    assert error.metadata["path"] == path
    assert says in error.message


LEGAL = """
[pools.legal]
candidates = ["p/m-1.5"]

[classifier.categories.legal]
description = "law and contracts"
examples = ["Is it binding?", "Can they evict me?", "해고 통보 기한은?", "위약금을 내야 하나요?"]
"""


def test_a_category_with_a_pool_is_added(file: Path) -> None:
    settings = loaded(file, LEGAL)

    assert settings.classifier.categories["legal"].description == "law and contracts"
    assert len(settings.classifier.categories["legal"].examples) == 4


NAMED = "classifier.categories"


@pytest.mark.parametrize(
    "old, new, path, says",
    [
        pytest.param("[pools.legal]", "[pools.vision]", f"{NAMED}.legal", "add [pools.legal]", id="no-pool"),
        pytest.param(
            "categories.legal]", "categories.law]", f"{NAMED}.law", "add [pools.law]", id="a-pool-of-another-name"
        ),
        pytest.param("legal]", "coding]", f"{NAMED}.coding", "built in", id="one-of-the-five"),
        pytest.param("legal]", '"Legal advice"]', f'{NAMED}."Legal advice"', "small letters", id="a-name-of-two-words"),
        pytest.param("legal]", "it]", f"{NAMED}.it", "3 to 40", id="too-short-a-name"),
        pytest.param("legal]", "reviewing]", f"{NAMED}.reviewing", "begins with the other", id="begins-like-a-name"),
        pytest.param('"law and contracts"', '" "', f"{NAMED}.legal.description", "one line", id="no-description"),
        pytest.param('"law and contracts"', '"law\\nand"', f"{NAMED}.legal.description", "one line", id="two-lines"),
        pytest.param(
            "law and contracts", "law " * 60, f"{NAMED}.legal.description", "200 characters", id="a-long-description"
        ),
        pytest.param(', "Can they evict me?"', "", f"{NAMED}.legal.examples", "at least 4", id="three-examples"),
        pytest.param("Can they evict me?", " ", f"{NAMED}.legal.examples[1]", "no other example", id="a-blank-one"),
        pytest.param(
            "Can they evict me?", "Is it binding?", f"{NAMED}.legal.examples[1]", "no other example", id="one-twice"
        ),
    ],
)
def test_a_category_that_cannot_be_used_is_refused_by_its_path(
    file: Path, old: str, new: str, path: str, says: str
) -> None:
    error = refused(file, LEGAL.replace(old, new))

    assert error.metadata["path"] == path
    assert says in error.message


def test_a_pool_without_a_category_is_refused_by_its_path(file: Path) -> None:
    error = refused(file, '[pools.legal]\ncandidates = ["p/m-1.5"]\n')

    assert error.metadata["path"] == "pools.legal"
    assert "add [classifier.categories.legal]" in error.message


@pytest.mark.parametrize("key", ["requests", "tokens", "input_tokens", "output_tokens"])
def test_a_fixed_minute_may_begin_within_the_minute(file: Path, key: str) -> None:
    quota = f'[groups.g]\n{key}_per_minute = 9\nalgorithm = "fixed_window"\noffset_s = 17'

    assert loaded(file, quota).groups["g"].offset_s == 17.0


def test_the_default_category_needs_a_pool(file: Path) -> None:
    error = refused(file, POINTSMAN__ROUTER__DEFAULT_CATEGORY="review")

    assert 'router.default_category = "review": it is not defined; defined are: quick' in error.message


def test_settings_without_any_pool_are_refused(file: Path) -> None:
    file.write_text("providers = {}\ncandidates = {}\npools = {}\n")

    assert refused(file).metadata["path"] == "router.default_category"


@pytest.mark.parametrize(
    "url",
    ["", "p.example", "ftp://p.example", "https://", "http://[::1", "http://p\x00.example", "https://p.example:99999", "https://p.example:x",
     "https://p.example:0", "https://p.example /v1"],
)  # fmt: skip
def test_a_base_url_that_is_none_is_refused(file: Path, url: str) -> None:
    error = refused(file, POINTSMAN__PROVIDERS__P__BASE_URL=json.dumps(url))

    assert error.metadata["path"] == "providers.p.base_url"
    assert "write an http or https URL" in error.message


@pytest.mark.parametrize(
    "url", ["https://alice:canary@p.example/v1", "https://canary@p.example", "https://alice:canary@p.example:x"]
)
def test_a_base_url_with_a_secret_is_refused_and_not_said_again(file: Path, url: str) -> None:
    error = refused(file, POINTSMAN__PROVIDERS__P__BASE_URL=url)

    assert error.metadata["path"] == "providers.p.base_url"
    assert "canary" not in f"{error.message} {error.metadata}"


@pytest.mark.parametrize("url", ["https://p.example/v1?version=2", "https://p.example/#v1", "https://p.example?"])
def test_a_base_url_that_no_path_can_follow_is_refused(file: Path, url: str) -> None:
    error = refused(file, POINTSMAN__PROVIDERS__P__BASE_URL=url)

    assert error.metadata["path"] == "providers.p.base_url"
    assert "ends before any ? or #" in error.message


@pytest.mark.parametrize("url", ["http://127.0.0.1:11434", "https://[::1]:8443/v1", "http://ollama"])
def test_a_base_url_may_name_any_host(file: Path, url: str) -> None:
    assert loaded(file, POINTSMAN__PROVIDERS__P__BASE_URL=url).providers["p"].base_url == url


@pytest.mark.parametrize("key", ["address", "classifier_address", "executor_address"])
@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1", ":50051", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "127.0.0.1:-1", "127.0.0.1:99999999",
     "::1:50051", "http://127.0.0.1:50051", "local host:1", "127.0.0.1:٣"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(file: Path, key: str, address: str) -> None:
    error = refused(file, **{f"POINTSMAN__ROUTER__{key.upper()}": json.dumps(address)})

    assert error.metadata["path"] == f"router.{key}"
    assert "write host:port" in error.message


@pytest.mark.parametrize("address", ["127.0.0.1:0", "0.0.0.0:65535", "[::1]:50051", "router.example:1"])
def test_an_address_may_name_any_host_and_port(file: Path, address: str) -> None:
    assert loaded(file, POINTSMAN__ROUTER__ADDRESS=address).router.address == address


@pytest.mark.parametrize(
    "router, classifier",
    [
        pytest.param("127.0.0.1:6000", "127.0.0.1:6000", id="the-same"),
        pytest.param("127.0.0.1:6000", "0.0.0.0:6000", id="everywhere"),
        pytest.param("[::]:6000", "127.0.0.1:6000", id="everywhere-first"),
    ],
)
def test_two_services_on_one_port_are_refused(file: Path, router: str, classifier: str) -> None:
    error = refused(file, POINTSMAN__ROUTER__ADDRESS=router, POINTSMAN__CLASSIFIER__ADDRESS=classifier)

    assert error.metadata["path"] == "classifier.address"
    assert "router.address has that port; each service needs its own" in error.message


@pytest.mark.parametrize(
    "router, classifier",
    [
        pytest.param("127.0.0.1:0", "127.0.0.1:0", id="any-free-port"),
        pytest.param("10.0.0.1:6000", "10.0.0.2:6000", id="two-machines"),
    ],
)
def test_two_services_that_do_not_collide_are_not_refused(file: Path, router: str, classifier: str) -> None:
    settings = loaded(file, POINTSMAN__ROUTER__ADDRESS=router, POINTSMAN__CLASSIFIER__ADDRESS=classifier)

    assert (settings.router.address, settings.classifier.address) == (router, classifier)


# --- Overrides


@pytest.mark.parametrize(
    "variable, value, found",
    [
        pytest.param("ROUTER__ADDRESS", "127.0.0.1:6000", lambda s: s.router.address, id="text-without-quotes"),
        pytest.param("ROUTER__REFLECTION", "false", lambda s: s.router.reflection, id="truth"),
        pytest.param("EXECUTOR__MAX_ATTEMPTS", "7", lambda s: s.executor.max_attempts, id="whole-number"),
        pytest.param("ROUTER__GRACE_S", "1.5", lambda s: s.router.grace_s, id="number"),
        pytest.param("router__grace_s", "1.5", lambda s: s.router.grace_s, id="lower-case"),
        pytest.param("CLASSIFIER__OLLAMA__MODEL", "qwen3", lambda s: s.classifier.ollama.model, id="three-deep"),
        pytest.param("PROVIDERS__P__API_VERSION", "2026-10-21", lambda s: s.providers["p"].api_version, id="a-date"),
        pytest.param("PROVIDERS__P__API_VERSION", "10:30:00", lambda s: s.providers["p"].api_version, id="a-time"),
        pytest.param("CANDIDATES__P_M_1_5__EFFORT", "low", lambda s: s.candidates["p/m-1.5"].effort, id="odd-name"),
        pytest.param("TELEMETRY__OTLP_ENDPOINT", "", lambda s: s.telemetry.otlp_endpoint, id="empty"),
        pytest.param("FALLBACK__CANDIDATE", "local/m", lambda s: s.fallback.candidate, id="table-not-in-the-file"),
    ],
)
def test_a_variable_overrides_its_key(file: Path, variable: str, value: str, found: Any) -> None:  # noqa: ANN401 - a getter
    settings = loaded(file, **{f"POINTSMAN__{variable}": value})

    expected: dict[str, object] = {"false": False, "7": 7, "1.5": 1.5}
    assert found(settings) == expected.get(value, value)


def test_a_list_is_written_as_in_toml(file: Path) -> None:
    settings = loaded(file, POINTSMAN__POOLS__QUICK__CANDIDATES='["local/m", "p/m-1.5"]')

    assert settings.pools["quick"].candidates == ("local/m", "p/m-1.5")


def test_quotes_make_text_of_a_number(file: Path) -> None:
    assert loaded(file, POINTSMAN__CLASSIFIER__OLLAMA__MODEL='"4"').classifier.ollama.model == "4"


def test_an_override_beats_the_file(file: Path) -> None:
    settings = loaded(file, "[executor]\nmax_attempts = 2\n", POINTSMAN__EXECUTOR__MAX_ATTEMPTS="3")

    assert settings.executor.max_attempts == 3


@pytest.mark.parametrize(
    "variable, says",
    [
        pytest.param("ROUTER__ADRESS", "router.adress is not a setting; did you mean 'address'?", id="typo"),
        pytest.param("ROOTER__ADDRESS", "rooter is not a setting; did you mean 'router'?", id="typo-of-a-table"),
        pytest.param("CANDIDATES__TYPO__EFFORT", "candidates.typo.provider is missing", id="unknown-candidate"),
        pytest.param("", '"" is not a setting', id="nothing"),
        pytest.param("ROUTER__", 'router."" is not a setting', id="nothing-below"),
    ],
)
def test_a_variable_that_overrides_nothing_is_refused(file: Path, variable: str, says: str) -> None:
    assert says in refused(file, **{f"POINTSMAN__{variable}": "1"}).message


def test_a_variable_below_a_value_is_refused(file: Path) -> None:
    error = refused(file, POINTSMAN__ROUTER__DEFAULT_CATEGORY__X="1")

    assert error.message == (
        "POINTSMAN__ROUTER__DEFAULT_CATEGORY__X goes below default_category, which is a value and not a table"
    )


@pytest.mark.parametrize(
    "value, says",
    [
        pytest.param("many", "= 'many': must be a whole number", id="text"),
        pytest.param("1.5", "= 1.5: must be a whole number", id="fraction"),
        pytest.param("9" * 5_000, "must be a whole number", id="more-digits-than-python-reads"),
    ],
)
def test_an_override_of_the_wrong_type_is_refused(file: Path, value: str, says: str) -> None:
    assert says in refused(file, POINTSMAN__EXECUTOR__MAX_ATTEMPTS=value).message


def test_variables_of_others_are_left_alone(file: Path) -> None:
    settings = loaded(file, POINTSMAN_CONFIG="x", POINTSMAN="y", PATH="/bin", OTHER__ROUTER__ADDRESS="z")

    assert settings == loaded(file)


# --- Keys of providers


@pytest.mark.parametrize(
    "name, value, key",
    [
        pytest.param("P_KEY", " sk-1\n", "sk-1", id="white-space-around"),
        pytest.param("P_KEY", "  ", "", id="blank"),
        pytest.param("OTHER", "sk-1", "", id="unset"),
        pytest.param("", "sk-1", "", id="none-needed"),
    ],
)
def test_a_key_is_read_from_its_variable(name: str, value: str, key: str) -> None:
    assert api_key(name, environ={"P_KEY": value}) == key


def test_the_simulators_key_need_not_be_set() -> None:
    assert api_key(SIMULATED_KEY_ENV, environ={}) == "simulated"


def test_keys_come_from_the_processs_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "P_KEY", "sk-1")  # noqa: TID251 - what is tested

    assert api_key("P_KEY") == "sk-1"


# --- The hash


def test_the_hash_is_twelve_digits_and_always_the_same(file: Path) -> None:
    first, second = settings_hash(loaded(file)), settings_hash(loaded(file))

    assert first == second
    assert len(first) == 12
    assert int(first, 16) >= 0


def test_the_hash_does_not_depend_on_the_order_of_the_file(file: Path, tmp_path: Path) -> None:
    tables = PLAIN.strip().split("\n\n")
    other = tmp_path / "other.toml"
    other.write_text("\n\n".join(reversed(tables)))

    assert settings_hash(loaded(file)) == settings_hash(load(other, environ={}))


def test_the_hash_changes_with_any_setting(file: Path) -> None:
    settings = loaded(file)
    changed = replace(settings, executor=replace(settings.executor, max_attempts=9))

    assert settings_hash(settings) != settings_hash(changed)


def test_two_places_for_one_key_are_refused() -> None:
    environ = {"POINTSMAN__PROVIDERS__OPENAI__API_KEY_FILE": "/run/secrets/openai"}

    with pytest.raises(SettingsError, match=r"providers\.openai\.api_key_file|API_KEY_FILE"):
        load(Path(__file__).parents[3] / "deploy/pointsman.toml", environ=environ)
