"""Folder = plug-in point, file = plug-in: one function lists what a folder offers and what other packages add to it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from .errors import BeltlineError
from .validation import checked_settings, nearest, shown

PLUGIN_FOLDERS = MappingProxyType(
    {
        "inspection.readers": "inspection.readers:Reader",
        "compress.methods": "compress.recipe:Method",
        "compress.networks": "compress.networks.base.families:Family",
        "export.backends": "export.contracts:Backend",
        "benchmarks.gates": "benchmarks.proof.gate:Gate",
        "benchmarks.report.formats": "benchmarks.report.finished:Format",
        "benchmarks.report.sections": "benchmarks.report.page:Section",
        "station.sources": "station.frames:SourceKind",
        "station.results": "station.outcomes:ResultKind",
        "station.changeovers": "station.changeover:ChangeoverKind",
    }
)
"""Every folder of plug-ins, below `beltline`, and the contract that they keep.

The last part of the folder's name gives the rest: plug-ins of `compress.methods` stand in the constant `METHOD`, and
other packages add theirs in the entry-point group `beltline.methods`.
"""

_NOT_A_PLUGIN = "base"
"""The one module of a folder that holds what its plug-ins have in common."""

_ROOT = __name__.split(".", 1)[0]


def constant_of(folder: str) -> str:
    """Name the constant that a folder's plug-ins stand in.

    >>> constant_of("compress.methods")
    'METHOD'
    """
    return folder.rsplit(".", 1)[-1].removesuffix("s").upper()


@cache
def plugins(folder: str) -> MappingProxyType[str, Any]:
    """List the plug-ins of a folder and those that other packages add to it.

    Args:
        folder: One of `PLUGIN_FOLDERS`.

    Returns:
        Name to plug-in, sorted by name. Nothing heavy is imported: a plug-in loads its packages when used. What another
        package adds and cannot be loaded is left out here and stands in `broken_plugins`.

    Raises:
        BeltlineError: Two plug-ins share one name, or a file in the folder holds none.

    >>> "mvtec" in plugins("inspection.readers")
    True
    """
    by_name: dict[str, tuple[Any, str]] = {}
    others = ((plugin, origin) for _, plugin, origin, why in _others(folder) if why is None)
    found = [*_own(folder), *others]
    for plugin, origin in sorted(found, key=lambda each: str(each[0].name)):
        if plugin.name in by_name:
            first = by_name[plugin.name][1]
            msg = f"{folder}: two plug-ins are called {plugin.name!r}: of {first}, of {origin}; remove or rename one"
            raise BeltlineError(msg)
        by_name[plugin.name] = (plugin, origin)
    return MappingProxyType({name: plugin for name, (plugin, _) in by_name.items()})


def broken_plugins(folder: str) -> dict[str, str]:
    """Say which plug-ins of other packages cannot be used, by the name of their entry point, and why."""
    return {name: why for name, _, _, why in _others(folder) if why is not None}


def provider(folder: str, plugin: Any) -> tuple[str, ...]:
    """Name the distribution that brought a plug-in by an entry point; empty for Beltline's own."""
    entries = [entry for entry in _entries(folder) if _loaded(entry) is plugin]
    return tuple(entry.dist.name for entry in entries if entry.dist is not None)


def unknown_plugin(folder: str, name: Any) -> str | None:
    """Say what is wrong with a name that no plug-in of a folder has; None where one has it.

    >>> print((unknown_plugin("inspection.readers", "mvtek") or "").partition(", got ")[2])
    "mvtek"; did you mean 'mvtec'?
    """
    known = plugins(folder)
    if isinstance(name, str) and name in known:
        return None
    broken = broken_plugins(folder).get(str(name))
    way_out = f"; {broken}" if broken else nearest(str(name), known)
    return f"wanted one of {', '.join(known)}, got {shown(name)}{way_out}"


def chosen_plugin(value: Any, folder: str, *, example: str, settings: str = "settings_type") -> tuple[str, BaseModel]:
    """Read `{name: {settings}}`, or the name alone, as a user writes which plug-in is to work and how.

    Args:
        value: As written.
        folder: One of `PLUGIN_FOLDERS`.
        example: Of such an entry, for the message.
        settings: Attribute of a plug-in that holds the model of its settings.

    Raises:
        ValueError: It is neither, or no plug-in has the name, or its settings are not as it wants them.
    """
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, dict) or len(value) != 1:
        msg = f"wanted one {constant_of(folder).lower()} with its settings, such as `{example}`, got {shown(value)}"
        raise ValueError(msg)
    ((name, options),) = value.items()
    if (wrong := unknown_plugin(folder, name)) is not None:
        raise ValueError(wrong)
    model: type[BaseModel] = getattr(plugins(folder)[name], settings)
    return name, checked_settings(model, options or {}, key=name)


def contract_of(folder: str) -> type:
    """Give the Protocol or class that a folder's plug-ins keep."""
    module, name = PLUGIN_FOLDERS[folder].split(":")
    contract: type = getattr(import_module(f"{_ROOT}.{module}"), name)
    return contract


def lacking(folder: str, plugin: Any) -> list[str]:
    """Name the members of a folder's contract that a plug-in does not have."""
    contract = contract_of(folder)
    members = {*vars(contract), *vars(contract).get("__annotations__", {})}
    return sorted(each for each in members if not each.startswith("_") and not hasattr(plugin, each))


def _own(folder: str) -> Iterator[tuple[Any, str]]:
    package, constant = import_module(f"{_ROOT}.{folder}"), constant_of(folder)
    for each in iter_modules(package.__path__):
        if each.name == _NOT_A_PLUGIN or each.name.startswith("_"):
            continue
        module = import_module(f"{package.__name__}.{each.name}")
        if not hasattr(module, constant):
            alike = nearest(constant, [name for name in vars(module) if name.isupper()])
            msg = (
                f"{module.__file__}: wanted the constant {constant} that every file of this folder holds, "
                f"got none{alike}; add it, or begin the file's name with an underscore"
            )
            raise BeltlineError(msg)
        yield getattr(module, constant), "Beltline"


def _entries(folder: str) -> list[EntryPoint]:
    return sorted(entry_points(group=f"{_ROOT}.{folder.rsplit('.', 1)[-1]}"), key=lambda entry: entry.name)


def _others(folder: str) -> Iterator[tuple[str, Any, str, str | None]]:
    """Yield entry point's name, plug-in, package, and why it cannot be used."""
    for entry in _entries(folder):
        origin = f"the package {entry.dist.name} {entry.dist.version}" if entry.dist else f"{entry.value}"
        plugin = _loaded(entry)
        if isinstance(plugin, _Broken):
            why: str | None = plugin.why
        elif not isinstance(getattr(plugin, "name", None), str):
            why = f"{entry.value} has no `name`"
        else:
            absent = lacking(folder, plugin)
            why = f"{entry.value} lacks {', '.join(absent)}" if absent else None
        if why is not None:
            why = f"{origin} cannot be used as {constant_of(folder).lower()}: {why}; update that package or remove it"
        yield entry.name, plugin, origin, why


class _Broken:
    def __init__(self, why: str) -> None:
        self.why = why


def _loaded(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # noqa: BLE001  another's code, which may raise anything
        return _Broken(f"{entry.value} cannot be loaded: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
