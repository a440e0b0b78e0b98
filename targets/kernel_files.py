"""What kernel and system files hold about a device; what is not there, or not to be read, is empty."""

from __future__ import annotations

import os
import re
from pathlib import Path


def text_of(path: Path) -> str:
    """Read a file of the kernel, without blanks around it; empty where there is none."""
    try:
        return path.read_text(errors="replace").strip().strip("\0")
    except OSError:
        return ""


def numbers_of(root: Path, pattern: str) -> list[int]:
    """Read every file under `root` that the pattern names and that holds one whole number."""
    texts = (text_of(path) for path in root.glob(pattern))
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


def values_of(root: Path, pattern: str) -> str | None:
    """Give the different texts of all files that the pattern names, such as `performance, powersave`; None: no file."""
    return ", ".join(sorted({text for path in root.glob(pattern) if (text := text_of(path))})) or None


def cpuinfo(root: Path) -> dict[str, str]:
    """Read the first processor's entry of /proc/cpuinfo."""
    first = text_of(root / "proc/cpuinfo").split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


_RELEASE = re.compile(r"# R(\d+) \(release\), REVISION: ([\d.]+)")
_JETPACK = {"35": "JetPack 5", "36": "JetPack 6", "38": "JetPack 7", "39": "JetPack 7"}


def l4t_release(root: Path = Path("/")) -> str | None:
    """Read the release of Jetson Linux, such as `36.4.3`; None: this is no Jetson.

    Args:
        root: Where `etc` is; another folder in tests.
    """
    found = _RELEASE.match(text_of(root / "etc/nv_tegra_release"))
    return f"{found[1]}.{found[2]}" if found else None


def jetpack_of(release: str) -> str:
    """Name the JetPack that a release of Jetson Linux belongs to.

    >>> jetpack_of("36.4.3"), jetpack_of("31.0")
    ('JetPack 6', 'Jetson Linux 31.0')
    """
    return _JETPACK.get(release.partition(".")[0], f"Jetson Linux {release}")


def cpus_by_core(*, root: Path = Path("/")) -> list[tuple[str, int]]:
    """Order the CPUs that this process may use so that each physical core comes once before any comes twice.

    CPU 0 serves most interrupts and therefore comes last of its round.

    Returns:
        Pairs of core (its list of siblings) and CPU number.
    """
    rounds: dict[str, int] = {}
    keyed = []
    for cpu in sorted(os.sched_getaffinity(0), reverse=True):
        core = _siblings(root, cpu)
        rounds[core] = rounds.get(core, -1) + 1
        keyed.append((rounds[core], cpu == 0, core, cpu))
    keyed.sort(key=lambda each: (each[0], each[1], each[3]))
    return [(core, cpu) for _, _, core, cpu in keyed]


def _siblings(root: Path, cpu: int) -> str:
    try:
        return (root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(cpu)
