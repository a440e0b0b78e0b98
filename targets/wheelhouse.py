"""The wheels that a device needs, in a folder here: factories are offline, so it is filled where there is a net."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from ..inspection.base.errors import HostError

RUNNER = ("numpy", "pydantic", "pyyaml", "typing-extensions")
"""What the measuring process imports, besides the runtime of the artifact that it measures."""

STATION = (*RUNNER, "cryptography", "typer")
"""What the command line on a factory PC imports to verify and install."""

_NEWEST_GLIBC = 40
_OLDEST_GLIBC = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What decides which wheels a device takes.

    Attributes:
        architecture: As `uname -m` says it.
        python: Major and minor version.
        glibc: Minor version of its C library 2.x.
    """

    architecture: str
    python: tuple[int, int]
    glibc: int = 28

    def __str__(self) -> str:
        """Name it for people."""
        return f"{self.architecture}, Python {self.python[0]}.{self.python[1]}, glibc 2.{self.glibc}"

    @property
    def wheel_platforms(self) -> list[str]:
        """Platform tags that run there, the newest first (PEP 600)."""
        newest = min(self.glibc, _NEWEST_GLIBC)
        modern = [f"manylinux_2_{minor}_{self.architecture}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)]
        return [*modern, f"manylinux2014_{self.architecture}", f"linux_{self.architecture}"]


def minor_of(text: str, option: str, *, major: int) -> int:
    """Read the minor version of `3.11` or `2.31`.

    Raises:
        HostError: It is none of that major version.

    >>> minor_of("3.11", "--python", major=3)
    11
    """
    if not (found := re.fullmatch(rf"{major}\.(\d{{1,3}})", text)):
        msg = f"{option}: wanted {major}.N, got {text!r}"
        raise HostError(msg)
    return int(found[1])


def fill(folder: Path, platform: Platform, *, extras: Sequence[str], packages: Sequence[str] = RUNNER) -> list[Path]:
    """Download the wheels of a platform, and pip itself, with all that they depend on.

    Args:
        folder: Where they go; wheels of other platforms may lie there too.
        platform: The device's.
        extras: Beltline's extras for the runtimes to be measured, such as `onnxruntime`.
        packages: What else is needed.

    Returns:
        The platform's wheels in the folder.

    Raises:
        HostError: A package has no wheel for that platform, or the package index cannot be reached.
    """
    wanted = [*required(packages, extras), "pip"]
    version = "".join(map(str, platform.python))
    options = ["--only-binary=:all:", "--python-version", version, "--implementation", "cp"]
    options += ["--abi", f"cp{version}", "--abi", "abi3", "--abi", "none"]
    options += [part for tag in platform.wheel_platforms for part in ("--platform", tag)]
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    ended = subprocess.run([*argv, *options, *wanted], capture_output=True, text=True, check=False)
    if ended.returncode:
        msg = f"{folder}: cannot get the wheels for {platform}: {ended.stderr.strip()[-800:]}"
        raise HostError(msg)
    return chosen(folder, platform)


def required(packages: Sequence[str], extras: Sequence[str] = ()) -> list[str]:
    """Give packages with the versions that Beltline asks for, and those of its extras.

    >>> required(["numpy"])
    ['numpy>=1.26']
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    try:
        known = [Requirement(text) for text in requires("beltline") or ()]
    except PackageNotFoundError:
        known = []
    core = {canonicalize_name(each.name): each for each in known if each.marker is None}
    plain = [
        f"{name}{core[name].specifier}" if (name := canonicalize_name(each)) in core else name for each in packages
    ]
    offered = {name for each in known for name in re.findall(r"extra == ['\"]([^'\"]+)", str(each.marker or ""))}
    if unknown := sorted(set(extras) - offered):
        msg = f"wanted one of Beltline's extras {', '.join(sorted(offered))}, got {unknown[0]!r}"
        raise HostError(msg)
    asked = [each for each in known if each.marker and any(_asks(each, extra) for extra in extras)]
    return [*plain, *(f"{each.name}{each.specifier}" for each in asked if each.name != "beltline")]


def chosen(folder: Path, platform: Platform, *, packages: Sequence[str] = RUNNER) -> list[Path]:
    """Pick the wheels that a device takes: the newest of each package that is there, pip's among them.

    Raises:
        HostError: The folder, or the wheel of a package, is missing; the message holds the command that gets it.
    """
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    taken = _tags(platform)
    newest: dict[str, tuple[object, Path]] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, build, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if tags & taken and (name not in newest or (version, build) > newest[name][0]):  # type: ignore[operator]
            newest[name] = ((version, build), path)
    missing = [name for name in ("pip", *packages) if canonicalize_name(name) not in newest]
    if missing:
        python = ".".join(map(str, platform.python))
        msg = (
            f"{folder}: wanted wheels for {platform}, found none of {', '.join(missing)}; get them where there is a "
            f"net: beltline wheels {folder} --architecture {platform.architecture} --python {python}"
        )
        raise HostError(msg)
    return [path for _, path in newest.values()]


def _tags(platform: Platform) -> frozenset[object]:
    from packaging.tags import compatible_tags, cpython_tags

    abi = f"cp{platform.python[0]}{platform.python[1]}"
    platforms = platform.wheel_platforms
    own = cpython_tags(platform.python, [abi, "abi3", "none"], platforms)
    return frozenset([*own, *compatible_tags(platform.python, abi, platforms)])


def _asks(requirement: object, extra: str) -> bool:
    return bool(requirement.marker.evaluate({"extra": extra}))  # type: ignore[attr-defined]
