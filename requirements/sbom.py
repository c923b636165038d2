"""`make sbom`: the lock as a CycloneDX 1.6 bill of materials on standard output. Needs no network and no package.

Every package of the lock with its hashes; scope "required" for what an installed Pointsman may load, "excluded" for
what only builds and tests it. The same lock gives the same bytes.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

_PACKAGE = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<hash>[0-9a-f]{64})")
_VIA = re.compile(r"^\s+#(?: via)?\s+(?P<parent>[\w.-]+)(?: \((?P<source>[^)]*)\))?\s*$")


def bill(lock: str) -> dict[str, Any]:
    """Return the bill of materials of a lock file."""
    packages = _packages(lock)
    shipped = _shipped(packages)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "pointsman", "bom-ref": "pointsman"}},
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{name}@{package['version']}",
                "name": name,
                "version": package["version"],
                "purl": f"pkg:pypi/{name}@{package['version']}",
                "scope": "required" if name in shipped else "excluded",
                "properties": [{"name": "pointsman:sha256", "value": each} for each in package["hashes"]],
            }
            for name, package in packages.items()
        ],
    }


def _packages(lock: str) -> dict[str, dict[str, Any]]:
    packages: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] = {}
    for line in lock.splitlines():
        if found := _PACKAGE.match(line):
            current = {"version": found["version"], "hashes": [], "parents": []}
            packages[found["name"]] = current
        elif found := _HASH.search(line):
            current["hashes"].append(found["hash"])
        elif current and (found := _VIA.match(line)):
            current["parents"].append((found["parent"], found["source"] or ""))
    return packages


def _shipped(packages: dict[str, dict[str, Any]]) -> set[str]:
    """Return what our own projects need to run, and what that needs in turn."""
    shipped: set[str] = set()
    before = -1
    while len(shipped) != before:
        before = len(shipped)
        for name, package in packages.items():
            if any(
                parent in shipped or (parent.startswith("pointsman") and not source.endswith(":dev"))
                for parent, source in package["parents"]
            ):
                shipped.add(name)
    return shipped


if __name__ == "__main__":
    text = (Path(__file__).parent / "dev.lock").read_text(encoding="utf-8")
    json.dump(bill(text), sys.stdout, indent=2)
    sys.stdout.write("\n")
