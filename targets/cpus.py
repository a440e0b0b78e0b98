"""Which CPUs a measurement may have, one physical core after the other."""

from __future__ import annotations

import os
from pathlib import Path


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
