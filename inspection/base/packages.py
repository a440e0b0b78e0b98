"""Packages: what is not installed reports itself, and the versions of what is decide which results are stale."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path


def missing_package(module: str, extra: str) -> str | None:
    """Say that a package is absent, or None where it can be imported; nothing is imported.

    >>> missing_package("no_such_package", "train")
    "no_such_package is not installed; run: pip install 'beltline[train]'"
    """
    if find_spec(module) is not None:
        return None
    return f"{module} is not installed; run: pip install 'beltline[{extra}]'"


def versions_of(distributions: Iterable[str]) -> dict[str, str]:
    """Give the versions of those distributions that are installed, sorted by name; nothing is imported.

    >>> sorted(versions_of(["pydantic", "numpy", "no-such-distribution"]))
    ['numpy', 'pydantic']
    """
    found = ((name, _version(name)) for name in sorted(set(distributions)))
    return {name: installed for name, installed in found if installed is not None}


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def imported_distributions(files: Iterable[Path], *, module: str) -> tuple[str, ...]:
    """Name the distributions that a user's code comes from and imports, sorted; nothing is imported or run.

    Args:
        files: Its Python files; one that cannot be parsed names nothing here, and complains when it is imported.
        module: Dotted name of the module that is asked for, which may itself be installed.
    """
    modules = {module}
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    by_module = packages_distributions()
    return tuple(sorted({name for each in modules for name in by_module.get(each.split(".")[0], ())}))
