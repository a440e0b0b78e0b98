"""What a device really is, read from the running system: two measurements compare only where these facts match."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("beltline", "numpy", "opencv-python-headless", "openvino", "onnxruntime", "tensorrt", "torch")
"""Packages that decide how fast and how exactly a model runs."""

_X86 = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16")
_X86_NEWER = ("avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
_ARM = ("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2")
_ISA = frozenset(_X86 + _X86_NEWER + _ARM)


def fingerprint(packages: Iterable[str] = PACKAGES, *, root: Path = Path("/")) -> dict[str, Any]:
    """Describe this machine without importing what it describes.

    Args:
        packages: Distributions whose versions are noted where they are installed.
        root: Where `proc` and `sys` are mounted; another folder in tests.

    Returns:
        JSON-able: `cpu`, `board` (of a device tree, else None), `isa`, `architecture`, `cpus` (logical ones),
        `governor` and `power` (None where the system does not say, as in most virtual machines), `kernel`, `python`,
        `versions`, `conditions` (see `conditions`).
    """
    return {
        "cpu": _cpu(root),
        "board": _text(root / "proc/device-tree/model").rstrip("\0") or None,
        "isa": sorted(_flags(root) & _ISA),
        "architecture": platform.machine(),
        "cpus": os.cpu_count() or 1,
        "governor": _governor(root),
        "power": _power(root),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "versions": {name: found for name in packages if (found := _version(name))},
        "conditions": conditions(root=root),
    }


def conditions(*, root: Path = Path("/")) -> dict[str, Any]:
    """Read what changes from minute to minute.

    Returns:
        JSON-able: `temperature_c` (hottest zone), `clock_mhz` (mean over CPUs), `load_1min`; None where unreadable.
    """
    zones = _numbers(root, "sys/class/thermal/thermal_zone*/temp")
    clocks = _numbers(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq")
    load = _text(root / "proc/loadavg").split()
    return {
        "temperature_c": max(zones) / 1000 if zones else None,
        "clock_mhz": round(sum(clocks) / len(clocks) / 1000, 1) if clocks else _clock_of_cpuinfo(root),
        "load_1min": float(load[0]) if load else None,
    }


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


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu(root: Path) -> str:
    for key in ("model name", "Model", "Hardware"):
        if name := _cpuinfo(root).get(key):
            return name
    return platform.processor() or platform.machine()


def _flags(root: Path) -> set[str]:
    facts = _cpuinfo(root)
    return set((facts.get("flags") or facts.get("Features") or "").split())


def _clock_of_cpuinfo(root: Path) -> float | None:
    clock = _cpuinfo(root).get("cpu MHz")
    return float(clock) if clock else None


def _cpuinfo(root: Path) -> dict[str, str]:
    """Read the first processor's entry of /proc/cpuinfo."""
    first = _text(root / "proc/cpuinfo").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _governor(root: Path) -> str | None:
    paths = root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({_text(path).strip() for path in paths})) or None


def _power(root: Path) -> str | None:
    """Say whether the device runs on mains or battery."""
    online = [_text(path).strip() for path in root.glob("sys/class/power_supply/*/online")]
    if online:
        return "mains" if "1" in online else "battery"
    return None


def _numbers(root: Path, pattern: str) -> list[int]:
    texts = (_text(path).strip() for path in root.glob(pattern))
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def _text(path: Path) -> str:
    """Read a file of the kernel; what is not there or not to be read is empty."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
