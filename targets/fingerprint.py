"""What a device really is, read from the running system: two measurements compare only where these facts match."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..inspection.base.packages import versions_of
from .conditions import conditions, cpu_quota
from .kernel_files import cpuinfo, numbers_of, text_of, values_of

BASE = ("beltline", "numpy", "opencv-python", "opencv-python-headless")
"""Distributions that every measurement rests on; `export.artifacts.runtime_packages` adds those of the backends."""

_X86 = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16")
_X86_NEWER = ("avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
_ARM = ("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2")
_ISA = frozenset(_X86 + _X86_NEWER + _ARM)
INT8_DOT_PRODUCT = frozenset({"avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm"})
"""Instructions that multiply int8 and add up in 32 bits."""


def fingerprint(packages: Iterable[str] = BASE, *, root: Path = Path("/")) -> dict[str, Any]:
    """Describe this machine without importing what it describes.

    Args:
        packages: Distributions whose versions are noted where they are installed.
        root: Where `proc` and `sys` are mounted; another folder in tests.

    Returns:
        JSON-able: `cpu`, `board` (of a device tree, else None), `isa`, `architecture`, `cpus` (logical ones), `smt`
        (several logical CPUs share a core), `hypervisor` (it is a virtual machine), `cpu_quota` (CPUs that a
        container may use), `clocksource`, `kernel`, `python`, `versions`, `conditions` (see
        `conditions.conditions`), and what `power_facts` gives; None where the system does not say.
    """
    return {
        "cpu": _cpu(root),
        "board": text_of(root / "proc/device-tree/model") or None,
        "isa": sorted(_flags(root) & _ISA),
        "architecture": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "smt": _smt(root),
        "hypervisor": "hypervisor" in _flags(root) or (root / "proc/device-tree/hypervisor").exists(),
        "cpu_quota": cpu_quota(root=root),
        "clocksource": text_of(root / "sys/devices/system/clocksource/clocksource0/current_clocksource") or None,
        **power_facts(root=root),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": versions_of(packages),
        "conditions": conditions(root=root),
    }


def weight_bits(*machines: Mapping[str, Any]) -> int:
    """Say how many bits of an int8 weight every one of some machines multiplies without an overflow: 8, or 7.

    An x86 processor without VNNI adds two products of 8 x 8 bits in 16 (VPMADDUBSW), and what does not fit is cut off;
    with 7 bits it fits (https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html). ARM adds up in
    32 bits with and without a dot product.

    Args:
        machines: Their fingerprints; an empty one stands for a machine that is not known, which may overflow.

    >>> weight_bits({"architecture": "x86_64", "isa": ["avx2"]}), weight_bits({}), weight_bits({"isa": ["avx_vnni"]})
    (7, 7, 8)
    """
    exact = (
        facts.get("architecture") == "aarch64" or INT8_DOT_PRODUCT.intersection(facts.get("isa", ()))
        for facts in machines
    )
    return 8 if all(exact) else 7


def differences(one: dict[str, Any], other: dict[str, Any]) -> tuple[str, ...]:
    """Name what differs between two fingerprints, passing conditions and the run's own notes aside.

    >>> differences({"cpu": "A", "versions": {"openvino": "1"}}, {"cpu": "A", "versions": {"openvino": "2"}})
    ("versions.openvino: '1' against '2'",)
    """
    flat_one, flat_other = _flat(one), _flat(other)
    return tuple(
        f"{key}: {flat_one.get(key)!r} against {flat_other.get(key)!r}"
        for key in sorted(flat_one.keys() | flat_other.keys())
        if flat_one.get(key) != flat_other.get(key)
    )


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    stable = {key: value for key, value in facts.items() if key not in ("conditions", "run")}
    versions = stable.pop("versions", {})
    return {**stable, **{f"versions.{name}": value for name, value in versions.items()}}


def _cpu(root: Path) -> str:
    for key in ("model name", "Model", "Hardware"):
        if name := cpuinfo(root).get(key):
            return name
    return platform.processor() or platform.machine()


def _flags(root: Path) -> set[str]:
    facts = cpuinfo(root)
    return set((facts.get("flags") or facts.get("Features") or "").split())


def _smt(root: Path) -> bool | None:
    active = text_of(root / "sys/devices/system/cpu/smt/active")
    return active == "1" if active else None


_FREQUENCY = "sys/devices/system/cpu/cpu[0-9]*/cpufreq"


def power_facts(*, root: Path = Path("/")) -> dict[str, Any]:
    """Read how the device is supplied and which mode it was set to.

    Returns:
        JSON-able, None where the system does not say (as in most virtual machines): `power` (`mains` or `battery`),
        `power_mode` (a Jetson's nvpmodel, else the platform profile), `governor`, `energy_preference`, `turbo`.
    """
    return {
        "power": _supply(root),
        "power_mode": _jetson_mode(root) or text_of(root / "sys/firmware/acpi/platform_profile") or None,
        "governor": values_of(root, f"{_FREQUENCY}/scaling_governor"),
        "energy_preference": values_of(root, f"{_FREQUENCY}/energy_performance_preference"),
        "turbo": _turbo(root),
    }


def _supply(root: Path) -> str | None:
    online = [text_of(path) for path in root.glob("sys/class/power_supply/*/online")]
    if online:
        return "mains" if "1" in online else "battery"
    return None


def _jetson_mode(root: Path) -> str | None:
    """Read the mode that nvpmodel set last (`pmode:0002`) and its name from the board's configuration."""
    set_last = re.search(r"pmode:(\d+)", text_of(root / "var/lib/nvpmodel/status"))
    if set_last is None:
        return None
    number = int(set_last[1])
    names = re.findall(r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", text_of(root / "etc/nvpmodel.conf"), re.MULTILINE)
    name = next((name for index, name in names if int(index) == number), None)
    return f"{name} ({number})" if name else str(number)


def _turbo(root: Path) -> bool | None:
    """Say whether clocks above the nominal one are allowed: intel_pstate's `no_turbo`, else cpufreq's `boost`."""
    if forbidden := numbers_of(root, "sys/devices/system/cpu/intel_pstate/no_turbo"):
        return forbidden[0] == 0
    allowed = numbers_of(root, "sys/devices/system/cpu/cpufreq/boost")
    return allowed[0] == 1 if allowed else None
