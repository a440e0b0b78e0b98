"""Counting from outside: what was answered, how soon, and what memory it took; it trusts no count of the station's."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...inspection.statistics.quantile import quantiles
from ...station.outcomes import Outcome, Seen
from ...station.service import Service

_POLL_S = 2.0
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


class Audit:
    """One run as an outlet and a look at the processes see it."""

    def __init__(self, service: Service, *, belt: str = "replay") -> None:
        """Look at one service; `belt`: the source whose frames must all be there, numbered from 1."""
        self._service = service
        self._belt = belt
        self._belt_standings: Counter[str] = Counter()
        self._standings: Counter[str] = Counter()
        self._calm_standings: Counter[str] = Counter()
        self._numbers: dict[str, array[int]] = {}
        self._calm_ms, self._all_ms, self._calm_engine_ms = array("d"), array("d"), array("d")
        self._memory_mb = array("d")
        self._calm = True
        self._ended = Event()
        self._thread = Thread(target=self._watch, name="audit", daemon=True)

    def start(self) -> None:
        """Hear every outcome from now on."""
        self._service.subscribe("audit", self._take, frames=1_000_000, with_pixels=False)
        self._thread.start()

    def disturb(self, *, disturbed: bool) -> None:
        """Note that a fault begins or that all is well again: frames meanwhile are timed apart."""
        self._calm = not disturbed

    def facts(self) -> dict[str, Any]:
        """Give what was seen; call it after the station has ended.

        Returns:
            JSON-able: `outcomes`, `standings`, `calm_standings` (while nothing was wrong), `belt` (see `belt_facts`),
            `belt_standings`, `latency_ms` of calm frames and of all, `engine_ms`, `ratio_p50` (frame to decision over
            the engine's own time, calm frames), `memory_mb` (median of each fifth of the run).
        """
        self._ended.set()
        self._thread.join()
        engine, calm = _quantiles(self._calm_engine_ms), _quantiles(self._calm_ms)
        return {
            "outcomes": self._standings.total(),
            "standings": dict(self._standings),
            "calm_standings": dict(self._calm_standings),
            "belt": belt_facts(np.asarray(self._numbers.get(self._belt, array("q")), np.int64)),
            "belt_standings": dict(self._belt_standings),
            "latency_ms": {"calm": calm, "all": _quantiles(self._all_ms)},
            "engine_ms": engine,
            "ratio_p50": calm["p50"] / engine["p50"] if engine["frames"] else None,
            "memory_mb": _fifths(np.asarray(self._memory_mb)),
        }

    def _take(self, seen: Seen) -> None:
        outcome = seen.outcome
        self._standings[outcome.standing] += 1
        if self._calm:
            self._calm_standings[outcome.standing] += 1
        self._numbers.setdefault(outcome.source, array("q")).append(outcome.frame_number)
        if outcome.source == self._belt:
            self._belt_standings[outcome.standing] += 1
        if outcome.standing in ("answered", "late"):
            self._time(outcome)

    def _time(self, outcome: Outcome) -> None:
        self._all_ms.append(outcome.latency_ms)
        if self._calm and outcome.engine_ms is not None:
            self._calm_ms.append(outcome.latency_ms)
            self._calm_engine_ms.append(outcome.engine_ms)

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            self._memory_mb.append(resident_mb(os.getpid()))


def belt_facts(numbers: NDArray[np.int64]) -> dict[str, int]:
    """Compare the numbers answered with those that the belt gave.

    Args:
        numbers: int64 `[outcomes]`, in any order; the belt numbers its frames from 1.

    >>> belt_facts(np.array([1, 2, 4, 4]))
    {'frames': 4, 'answered_once': 2, 'twice': 1, 'never': 1}
    """
    found, times = np.unique(numbers, return_counts=True)
    last = int(found[-1]) if found.size else 0
    once = int((times == 1).sum())
    return {"frames": last, "answered_once": once, "twice": int((times > 1).sum()), "never": last - found.size}


def resident_mb(pid: int) -> float:
    """Give a process's memory that is its own, in MB; shared frames are not counted."""
    resident, shared = (int(each) for each in Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    return (resident - shared) * _PAGE_MB


def _quantiles(values: array[float]) -> dict[str, float]:
    if not values:
        return {"frames": 0, "p50": 0.0, "p99": 0.0, "p999": 0.0}
    p50, p99, p999 = quantiles(np.asarray(values), [0.5, 0.99, 0.999]).tolist()
    return {"frames": len(values), "p50": p50, "p99": p99, "p999": p999}


def _fifths(memory_mb: NDArray[np.float64]) -> list[float]:
    return [round(float(np.median(part)), 1) for part in np.array_split(memory_mb, 5) if part.size]
