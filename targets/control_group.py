"""The share of CPU time that a container may use: Linux control groups, both versions.

A container limited to 1.5 CPUs is not a slower machine: it runs at full speed until its share of each period (mostly
100 ms) is used up and then stands still for the rest of it, which no average shows and every deadline feels.
Kernel documentation: admin-guide/cgroup-v2.rst (`cpu.max`, `cpu.stat`) and scheduler/sched-bwc.rst (version 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from .kernel_files import text_of


def cpu_quota(*, root: Path = Path("/")) -> float | None:
    """Give the CPUs that this process may use at most, such as 1.5; None: no limit, or not told.

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

    Within a container the path told may be the host's: then only the root exists, and it is the container's.
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
