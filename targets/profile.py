"""Device profiles: what a data sheet says of a device, each figure with its source; one YAML file per device.

What is predicted from them (`roofline`) decides no verdict: latency is measured on the device itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..inspection.base.errors import LineFileError
from ..inspection.base.validation import describe_validation
from .fingerprint import fingerprint
from .kernel_files import cpus_by_core
from .roofline import Roofline
from .target import Target

_FOLDER = Path(__file__).with_name("devices")
_MOST_BYTES = 100_000
_STRICT = ConfigDict(frozen=True, extra="forbid")


class Figure(BaseModel):
    """One number or fact of a device.

    Attributes:
        name: What it is, such as `memory bandwidth`.
        value: As the source gives it.
        unit: Such as `GB/s`; empty for a plain fact.
        source: Document or address where it can be looked up.
    """

    model_config = _STRICT

    name: str = Field(min_length=1)
    value: float | str
    unit: str = ""
    source: str = Field(min_length=8)


class DeviceProfile(BaseModel):
    """A device as its makers describe it.

    Attributes:
        name: The file's name without suffix, as written under `target:` in line.yaml.
        title: For people.
        architecture: As `uname -m` says it; None: whatever this machine is.
        cpu_pattern: Regular expression found in the CPU's or board's name on such a device; None: any.
        threads: Threads an engine should use, one per physical core; None: all physical cores found.
        backends: Runtimes that suit it, the best first; None: all.
        figures: From data sheets, never measured by Beltline.
        rooflines: What predictions are made from, one for each power mode; none where no source gives the figures.
        notes: What a user should know before choosing it.
    """

    model_config = _STRICT

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    title: str = Field(min_length=1)
    architecture: Literal["x86_64", "aarch64"] | None = None
    cpu_pattern: str | None = None
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    backends: tuple[str, ...] | None = None
    figures: tuple[Figure, ...] = ()
    rooflines: tuple[Roofline, ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("cpu_pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            re.compile(pattern)
        return pattern


def read_profile(path: Path) -> DeviceProfile:
    """Read one device's YAML file.

    Raises:
        LineFileError: The file cannot be read, is no YAML or breaks the profile's form; the message names the place.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            msg = f"{path}: a device profile has at most {_MOST_BYTES} bytes, got {path.stat().st_size}"
            raise LineFileError(msg)
        profile = DeviceProfile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, re.error) as error:
        msg = f"{path}: not a device profile: {error}"
        raise LineFileError(msg) from error
    except ValidationError as error:
        msg = f"{path}: {describe_validation(error, most=10)}; see targets/devices/local.yaml for an example"
        raise LineFileError(msg) from error
    if profile.name != path.stem:
        msg = f"{path}: name must be the file's, {path.stem!r}, got {profile.name!r}"
        raise LineFileError(msg)
    return profile


@cache
def profiles() -> MappingProxyType[str, DeviceProfile]:
    """List the device profiles by name: one for each YAML file in `targets/devices/`.

    >>> profiles()["local"].figures
    ()
    """
    return MappingProxyType({path.stem: read_profile(path) for path in sorted(_FOLDER.glob("*.yaml"))})


def profile_of(name: str) -> DeviceProfile:
    """Find a profile by name.

    Raises:
        LineFileError: There is none; the message lists those there are.
    """
    if name not in profiles():
        msg = f"target: wanted one of {', '.join(profiles())}, got {name!r}; `beltline devices` describes them"
        raise LineFileError(msg)
    return profiles()[name]


def target_of(name: str, *, threads: int | None = None) -> Target:
    """Turn a profile's name into the target that this machine is.

    Args:
        name: `local` or a device profile's name.
        threads: Engine threads; None: as the profile says, else one per physical core, as far as CPUs are allowed.

    Raises:
        LineFileError: No such profile, or more threads than CPUs.
    """
    return target_from_facts(name, profile_of(name), facts=fingerprint(()), cpus=cpus_by_core(), threads=threads)


def target_from_facts(
    name: str,
    profile: DeviceProfile,
    *,
    facts: Mapping[str, Any],
    cpus: Sequence[tuple[str, int]],
    threads: int | None = None,
) -> Target:
    """Turn what a device says of itself into a target.

    A device that is not what its profile describes is measured all the same; the target says how it differs.

    Args:
        name: What to call it.
        profile: What is known of such devices.
        facts: Its fingerprint.
        cpus: Its CPUs with the core of each, as `cpus_by_core` orders them.
        threads: As for `target_of`.

    Raises:
        LineFileError: More threads than CPUs.
    """
    cores = len({core for core, _ in cpus})
    wanted = threads if threads is not None else min(profile.threads or cores, len(cpus))
    if not 1 <= wanted <= len(cpus):
        msg = f"threads must be in [1, {len(cpus)}] (the CPUs that may be used on {name}), got {wanted}"
        raise LineFileError(msg)
    chosen = tuple(sorted(cpu for _, cpu in cpus[:wanted]))
    return Target(name=name, threads=wanted, cpus=chosen, differs=differences_from(profile, facts))


def differences_from(profile: DeviceProfile, facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Say how a device is not the one that a profile describes.

    >>> facts = {"architecture": "aarch64", "cpu": "Cortex-A72", "board": None}
    >>> differences_from(profiles()["jetson-orin-nano"], facts)
    ("a NVIDIA Jetson Orin Nano 8GB, JetPack 6.2 names itself like 'Orin Nano', this device is 'Cortex-A72'",)
    """
    found = []
    architecture, names = facts["architecture"], f"{facts['cpu']} {facts['board'] or ''}".strip()
    if profile.architecture not in (None, architecture):
        found.append(f"a {profile.title} is {profile.architecture}, this device is {architecture}")
    if profile.cpu_pattern is not None and not re.search(profile.cpu_pattern, names):
        found.append(f"a {profile.title} names itself like {profile.cpu_pattern!r}, this device is {names!r}")
    return tuple(found)
