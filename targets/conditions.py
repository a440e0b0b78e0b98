"""What a device goes through while it runs: warmth, clock, load, and what took the processor away."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from .kernel_files import cpuinfo, numbers_of, text_of

_CPUS = "sys/devices/system/cpu/cpu[0-9]*"
_SLOWING = ("Processor", "thermal-cpufreq", "thermal-devfreq", "cpufreq-", "devfreq-")
"""Types of cooling devices that cool by slowing down (others are fans)."""

_STEAL_FIELD = 8
"""Of a line `cpu` in /proc/stat (proc_stat(5)): time that the hypervisor gave to others."""


def conditions(*, root: Path = Path("/")) -> dict[str, Any]:
    """Read what changes from minute to minute.

    Returns:
        JSON-able: `temperature_c` (hottest zone), `clock_mhz` (mean over CPUs), `load_1min`, `swap_used_mb`,
        `slowed_steps` (by which cooling slows the device now, summed up: 0 is full speed); None where unreadable.
    """
    zones = numbers_of(root, "sys/class/thermal/thermal_zone*/temp")
    clocks = numbers_of(root, f"{_CPUS}/cpufreq/scaling_cur_freq")
    load = text_of(root / "proc/loadavg").split()
    return {
        "temperature_c": max(zones) / 1000 if zones else None,
        "clock_mhz": round(sum(clocks) / len(clocks) / 1000, 1) if clocks else _clock_of_cpuinfo(root),
        "load_1min": float(load[0]) if load else None,
        "swap_used_mb": _swap_used_mb(root),
        "slowed_steps": _slowed_steps(root),
    }


def counters(*, cpus: Iterable[int] | None = None, root: Path = Path("/")) -> dict[str, float | None]:
    """Read what only ever grows since the machine was started; take two readings to learn of the time between.

    Args:
        cpus: Logical CPUs to look at; None: all.
        root: Where `proc` and `sys` are mounted; another folder in tests.

    Returns:
        `throttle_events` (one of these CPUs' cores, or their package, became too hot and was slowed),
        `quota_stopped_ms` (a container's share of the CPUs was used up), `steal_ms` (the hypervisor ran something else
        on these CPUs); None where unreadable.
    """
    chosen = None if cpus is None else tuple(cpus)
    return {
        "throttle_events": _throttle_events(chosen, root),
        "quota_stopped_ms": throttled_ms(root=root),
        "steal_ms": _steal_ms(chosen, root),
    }


def grown(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> dict[str, float | None]:
    """Subtract two readings of the same counters; None where one is missing.

    >>> grown({"steal_ms": 40.0, "throttle_events": None}, {"steal_ms": 70.0, "throttle_events": 1.0})
    {'steal_ms': 30.0, 'throttle_events': None}
    """
    pairs = {name: (before.get(name), value) for name, value in after.items()}
    return {name: None if a is None or b is None else round(b - a, 3) for name, (a, b) in pairs.items()}


def _clock_of_cpuinfo(root: Path) -> float | None:
    clock = cpuinfo(root).get("cpu MHz")
    return float(clock) if clock else None


def _swap_used_mb(root: Path) -> float | None:
    """Add up the column `Used` of /proc/swaps, in KiB."""
    lines = text_of(root / "proc/swaps").splitlines()
    used = [int(parts[3]) for line in lines[1:] if len(parts := line.split()) > 3 and parts[3].isdigit()]
    return round(sum(used) / 1024, 1) if lines else None


def _slowed_steps(root: Path) -> int | None:
    devices = [path.parent for path in root.glob("sys/class/thermal/cooling_device*/type")]
    slowing = [device for device in devices if text_of(device / "type").startswith(_SLOWING)]
    steps = [number for device in slowing for number in numbers_of(device, "cur_state")]
    return sum(steps) if steps else None


def _throttle_events(cpus: tuple[int, ...] | None, root: Path) -> float | None:
    """Add up the cores' events; those of a package stand with each of its CPUs and are taken once."""
    places = [_CPUS] if cpus is None else [f"sys/devices/system/cpu/cpu{index}" for index in cpus]
    cores, packages = (
        [events for place in places for events in numbers_of(root, f"{place}/thermal_throttle/{name}")]
        for name in ("core_throttle_count", "package_throttle_count")
    )
    return float(sum(cores) + max(packages, default=0)) if cores or packages else None


def _steal_ms(cpus: tuple[int, ...] | None, root: Path) -> float | None:
    names = {"cpu"} if cpus is None else {f"cpu{index}" for index in cpus}
    lines = (line.split() for line in text_of(root / "proc/stat").splitlines())
    ticks = [int(parts[_STEAL_FIELD]) for parts in lines if parts and parts[0] in names and len(parts) > _STEAL_FIELD]
    return 1000 * sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None


def cpu_quota(*, root: Path = Path("/")) -> float | None:
    """Give the CPUs that this process may use at most, such as 1.5; None: no limit, or unknown.

    The tightest limit counts, of this process's group or of one around it.
    """
    quotas = [quota for folder in _folders(root) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def throttled_ms(*, root: Path = Path("/")) -> float | None:
    """Give how long this process's group has been stopped because its share was used up, since it began, in ms."""
    found = [stopped for folder in _folders(root) if (stopped := _throttled_ms(folder)) is not None]
    return max(found, default=None)


def _quota(folder: Path) -> float | None:
    limit = text_of(folder / "cpu.max").split()
    if not limit:
        limit = [text_of(folder / "cpu.cfs_quota_us"), text_of(folder / "cpu.cfs_period_us")]
    if len(limit) == 2 and all(each.isdigit() for each in limit) and int(limit[1]) > 0:
        return int(limit[0]) / int(limit[1])
    return None


def _throttled_ms(folder: Path) -> float | None:
    pairs = (line.split() for line in text_of(folder / "cpu.stat").splitlines())
    facts = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
    if "throttled_usec" in facts:
        return facts["throttled_usec"] / 1e3
    return facts["throttled_time"] / 1e6 if "throttled_time" in facts else None


def _folders(root: Path) -> Iterator[Path]:
    """Name the folders of this process's group and of those around it, up to the mounted root.

    Within a container this path may be the host's: then only the root exists, and it is the container's.
    """
    for line in text_of(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            mount = root / "sys/fs/cgroup"
        elif "cpu" in controllers.split(","):
            mount = root / "sys/fs/cgroup/cpu"
        else:
            continue
        own = PurePosixPath(path.lstrip("/"))
        inside = own if ".." not in own.parts else PurePosixPath()
        yield from (mount / each for each in (inside, *inside.parents))
