"""Real-time priority for what stands between a frame and its answer: ahead of every ordinary program on the machine.

Linux allows it to root and to whom RLIMIT_RTPRIO allows it (the systemd unit does); for others all stays as it is.
Programs that one of these threads starts do not inherit it (sched(7)).
"""

from __future__ import annotations

import os
from pathlib import Path

_LOWEST = 1


def make_thread_realtime(thread: int = 0) -> bool:
    """Put a thread ahead of ordinary ones; 0: the calling one. Whether the system allowed it."""
    try:
        os.sched_setscheduler(thread, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(_LOWEST))
    except PermissionError:
        return False
    return True


def make_process_realtime() -> bool:
    """Put all threads of this process ahead; whether the system allowed it."""
    allowed = [make_thread_realtime(int(each.name)) for each in Path("/proc/self/task").iterdir()]
    return all(allowed)
