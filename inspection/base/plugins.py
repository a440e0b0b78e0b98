"""Folder = plug-in point, file = plug-in: one function lists what a folder offers."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from .errors import BeltlineError


def provider(package: str, plugin: Any) -> tuple[str, ...]:
    """Name the distribution that brought a plug-in by an entry point; empty for Beltline's own."""
    entries = entry_points(group=f"beltline.{package.rsplit('.', 1)[-1]}")
    return tuple(entry.dist.name for entry in entries if entry.dist is not None and entry.load() is plugin)


@cache
def plugins(package: str, constant: str) -> MappingProxyType[str, Any]:
    """List the plug-ins of a folder and those that other packages add to it.

    Args:
        package: Dotted folder relative to `beltline`, such as `inspection.readers`. Its last part is also the name
            of the entry-point group: `beltline.readers`.
        constant: The module constant that holds the plug-in, such as `READER`; it has a `name`.

    Returns:
        Name to plug-in, sorted by name. Nothing heavy is imported: a plug-in loads its packages when used.

    Raises:
        BeltlineError: Two plug-ins share one name.

    >>> sorted(plugins("inspection.readers", "READER"))[:2]
    ['kolektor', 'labels_csv']
    """
    root = __name__.split(".")[0]
    folder = import_module(f"{root}.{package}")
    modules = [import_module(f"{folder.__name__}.{module.name}") for module in iter_modules(folder.__path__)]
    found = [getattr(module, constant) for module in modules if hasattr(module, constant)]
    found += [entry.load() for entry in entry_points(group=f"beltline.{package.rsplit('.', 1)[-1]}")]
    by_name: dict[str, Any] = {}
    for plugin in sorted(found, key=lambda each: str(each.name)):
        if plugin.name in by_name:
            msg = f"{package}: two plug-ins are called {plugin.name!r}; remove or rename one"
            raise BeltlineError(msg)
        by_name[plugin.name] = plugin
    return MappingProxyType(by_name)
