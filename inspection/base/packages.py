"""Parts that may not be installed report themselves, with the command that installs them."""

from __future__ import annotations

from importlib.util import find_spec


def missing_package(module: str, extra: str) -> str | None:
    """Say that a package is absent, or None where it can be imported; nothing is imported.

    >>> missing_package("no_such_package", "train")
    "no_such_package is not installed; run: pip install 'beltline[train]'"
    """
    if find_spec(module) is not None:
        return None
    return f"{module} is not installed; run: pip install 'beltline[{extra}]'"
