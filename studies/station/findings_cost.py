"""What findings cost on the line: the time of one call on a heatmap of a 640 x 640 frame with 15 findings.

python -m beltline.studies.station.findings_cost
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inspection.decision.findings import View, find
from ...inspection.statistics.quantile import quantile

_FRAME = 640
_KINDS = 6


def drawn(stride: int, findings: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Draw so many soft spots, apart from each other: uint8 `[640 / stride, 640 / stride]`."""
    generator, side = np.random.default_rng(seed), _FRAME // stride
    across = int(np.ceil(np.sqrt(findings)))
    heat = np.zeros((side, side), np.float32)
    for place in range(findings):
        row, column = divmod(place, across)
        middle = tuple(int((each + 0.5) * side / across) for each in (column, row))
        axes = (max(2, side // 32), max(1, side // 80))
        cv2.ellipse(heat, middle, axes, float(generator.uniform(0, 180)), 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(heat, (0, 0), max(0.6, side / 200)) * 255, np.uint8)


class Cost(NamedTuple):
    """Of one call, in ms; the fastest is what the code itself costs on a machine that others share."""

    fastest: float
    median: float
    p99: float
    with_outlines: float


def cost_ms(stride: int, *, findings: int = 15, kinds: int = 0, calls: int = 3000) -> Cost:
    """Time `find`, and the fastest of `find` with all outlines, which are followed when they are asked for."""
    heatmap = drawn(stride, findings)
    shared = np.stack([heatmap // kinds] * kinds) if kinds else None
    names = tuple(f"kind {place}" for place in range(kinds))
    view, times, whole = View(threshold=0.4, kinds=names, pixels_per_mm=10), [], []
    for _ in range(calls):
        started = time.perf_counter_ns()
        found = find(heatmap, view, size=(_FRAME, _FRAME), kinds=shared)
        times.append(time.perf_counter_ns() - started)
        for each in found:
            len(each.contour)
        whole.append(time.perf_counter_ns() - started)
    if len(found) != findings:
        msg = f"drawn were {findings} spots, found {len(found)}"
        raise RuntimeError(msg)
    return Cost(min(times) / 1e6, quantile(times, 0.5) / 1e6, quantile(times, 0.99) / 1e6, min(whole) / 1e6)


def main() -> None:
    """Print a line for each stride, with one kind and with six."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--findings", type=int, default=15)
    parser.add_argument("--calls", type=int, default=3000)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    for stride in (8, 4):
        for kinds in (0, _KINDS):
            cost = cost_ms(stride, findings=options.findings, kinds=kinds, calls=options.calls)
            shown = f"fastest {cost.fastest:.3f}, p50 {cost.median:.3f}, p99 {cost.p99:.3f} ms"
            print(f"stride {stride}, {kinds or 1} kinds: {shown}; with outlines {cost.with_outlines:.3f}")  # noqa: T201


if __name__ == "__main__":
    main()
