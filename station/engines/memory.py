"""Memory of an engine process: what it takes, what it may take, and how much of that goes to references."""

from __future__ import annotations

import os
from pathlib import Path

_MOST_BYTES = 4 << 30
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def usual_memory_bytes() -> int:
    """Give what an engine may take where nobody says: 4 GiB, or three quarters of a smaller machine's memory."""
    return min(_MOST_BYTES, _PAGE_BYTES * os.sysconf("SC_PHYS_PAGES") * 3 // 4)


def own_memory_bytes(pid: int) -> int:
    """Give the memory that is a process's own, without the frames that it shares with the station; 0: it is gone."""
    try:
        resident, shared = Path(f"/proc/{pid}/statm").read_bytes().split()[1:3]
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES


def bytes_for_references(*, most_bytes: int, taken_bytes: int) -> int:
    """Say how much of what was computed of references a loaded engine may keep: half of what is left to it.

    The other half is for computing them, for frames larger than the golden ones, and for what an allocator holds back.

    Args:
        most_bytes: The engine may take so much; above, it is killed.
        taken_bytes: It has taken so much, golden frames and all.

    >>> bytes_for_references(most_bytes=200_000_000, taken_bytes=100_000_000)
    50000000
    >>> bytes_for_references(most_bytes=100_000_000, taken_bytes=120_000_000)
    0
    """
    return max(0, most_bytes - taken_bytes) // 2
