"""Every study can be imported with the packages of `beltline[studies]` alone, as pyproject.toml names them now."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOURCE = Path(__file__).parents[2]

_IMPORT_ALL = """
import importlib, sys
absent, modules = set(sys.argv[1].split()), sys.argv[2].split()

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
for module in modules:
    importlib.import_module(module)
"""


def needed(extra: str) -> set[str]:
    """Name every distribution that an extra of this project brings, with all that those need themselves."""
    tomllib = pytest.importorskip("tomllib", reason="in Python since 3.11")
    project = tomllib.loads((SOURCE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    own = {"": project["dependencies"], **project["optional-dependencies"]}
    found, waiting = set[tuple[str, str]](), [("beltline", ""), ("beltline", extra)]
    while waiting:
        name, part = waiting.pop()
        if (name, part) in found:
            continue
        found.add((name, part))
        for wanted in (Requirement(text) for text in (own[part] if name == "beltline" else others(name))):
            if wanted.marker is None or wanted.marker.evaluate({"extra": part}):
                waiting += [(canonicalize_name(wanted.name), each) for each in ("", *wanted.extras)]
    return {name for name, _ in found}


def others(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def modules(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        yield ".".join(["beltline", *(parts[:-1] if parts[-1] == "__init__" else parts)])


def test_every_study_is_imported_with_its_own_extra_alone() -> None:
    there = needed("studies")
    assert {"torch", "psutil", "mlcommons-loadgen"} <= there
    absent = [
        module
        for module, names in packages_distributions().items()
        if not any(canonicalize_name(name) in there for name in names)
    ]
    assert {"pytest", "aiohttp"} <= set(absent)
    argv = [sys.executable, "-c", _IMPORT_ALL, " ".join(absent), " ".join(modules(SOURCE / "studies"))]
    path = {"PYTHONPATH": str(SOURCE / ".dev"), "PATH": ""}
    answer = subprocess.run(argv, env=path, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
