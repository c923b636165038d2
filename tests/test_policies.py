"""The rules of this repository that no other tool checks."""

import ast
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Written in pieces, so that this file keeps its own rule.
REGISTRIES = [
    r"pypi\.", r"pythonhosted\.", r"registry\.npmjs\.", r"yarnpkg\.", r"proxy\.golang\.", r"sum\.golang\.",
    r"crates\.", r"rubygems\.", r"repo\.maven\.", r"anaconda\.",
]  # fmt: skip
REGISTRY_HOST = re.compile(rf"\b({'|'.join(REGISTRIES)})(org|io|com|apache)\b")
MACHINE_PATH = re.compile(r"(?<![\w.$}>-])/(home|root|work|Users)/\w")

NAMED_BY_FIRST_ARGUMENT = {
    "add_event", "create_counter", "create_gauge", "create_histogram", "create_observable_counter",
    "create_observable_gauge", "create_observable_up_down_counter", "create_up_down_counter", "set_attribute",
    "start_as_current_span", "start_span",
}  # fmt: skip
NAMED_BY_KEYS = {"add", "add_event", "record", "set", "set_attributes", "start_as_current_span", "start_span"}


def tracked_files() -> list[Path]:
    """List what git tracks or would track if all were added."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def tracked_lines() -> Iterator[tuple[str, str]]:
    """Yield each line of each text file, with its place."""
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        for number, line in enumerate(content.decode(errors="replace").splitlines(), start=1):
            yield f"{path.relative_to(ROOT)}:{number}", line


def rpcs() -> list[str]:
    found = []
    for proto in sorted((ROOT / "protos").rglob("*.proto")):
        text = proto.read_text()
        package = re.search(r"^package (\S+);", text, re.MULTILINE)
        assert package, f"{proto} names no package"
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
            found += [f"{package[1]}.{service}/{rpc}" for rpc in re.findall(r"^  rpc (\w+)", body, re.MULTILINE)]
    return found


def literal_names(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield every string literal that names a span, an event, an attribute or an instrument."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        named = call.args[:1] if call.func.attr in NAMED_BY_FIRST_ARGUMENT else []
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        if call.func.attr in NAMED_BY_KEYS:
            named += [key for value in values if isinstance(value, ast.Dict) for key in value.keys if key]
        for name in named:
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert [f"{place}: {line.strip()}" for place, line in tracked_lines() if REGISTRY_HOST.search(line)] == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert [f"{place}: {line.strip()}" for place, line in tracked_lines() if MACHINE_PATH.search(line)] == []


def test_the_source_root_is_never_imported() -> None:
    statement = re.compile(r"^\s*(from|import) services\b")

    offenders = [place for place, line in tracked_lines() if ".py:" in place and statement.match(line)]

    assert offenders == []
    assert not (ROOT / "services/__init__.py").exists()


def test_every_top_level_folder_has_a_readme() -> None:
    folders = {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT}

    shown = [name for name in sorted(folders) if not name.startswith(".")]

    assert [name for name in shown if not (ROOT / name / "README.md").exists()] == []


@pytest.mark.parametrize("rpc", rpcs())
def test_every_rpc_has_a_grpcurl_recipe(rpc: str) -> None:
    recipes = sorted((ROOT / "clients/grpcurl").glob("*.sh"))

    assert any(re.search(rf"{re.escape(rpc)}\b", recipe.read_text()) for recipe in recipes)


def test_the_generated_stubs_are_fresh(tmp_path: Path) -> None:
    # Without MAKEFLAGS and the like, which a `make test` above us hands down.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # noqa: TID251 - as said

    subprocess.run(["make", "protos", f"OUT={tmp_path}"], cwd=ROOT, env=environment, check=True)

    committed = {path.name: path.read_text() for path in (ROOT / "services/pointsman/v1").glob("*_pb2*")}
    generated = {path.name: path.read_text() for path in (tmp_path / "pointsman/v1").glob("*_pb2*")}
    stale = sorted(name for name in committed | generated if committed.get(name) != generated.get(name))
    assert stale == [], "run `make protos`"


def test_the_changelog_tells_what_this_version_brings() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert re.search(rf"^## \[?(Unreleased|{re.escape(version)})\b", changelog, re.MULTILINE)


def test_telemetry_names_come_from_the_list_of_names() -> None:
    offenders = [
        f"{path.relative_to(ROOT)}:{name.lineno}: {name.value!r}"
        for path in sorted((ROOT / "services/pointsman").rglob("*.py"))
        if path.parent.name != "v1"
        for name in literal_names(ast.parse(path.read_text()))
    ]

    assert offenders == []
