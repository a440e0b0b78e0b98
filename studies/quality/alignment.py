"""What moving a reference onto its frame costs, and how near it comes, beside an older version of the module.

git show COMMIT:inspection/references/alignment.py > before.py
python -m beltline.studies.quality.alignment --before before.py

Processor time of one thread, the ways interleaved, so that a machine with other work may be used; on drawn boards,
moved by up to 5 % of their size, 1.2 degrees and 1.5 %.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ...inspection.references.alignment import align
from ...inspection.references.known import forget
from ...inspection.references.moving import moved
from ...inspection.references.pairs import compared, pair_of
from ...inspection.statistics.quantile import quantile

_SIZES = ((160, 160), (640, 640), (2048, 2448))
_ROUNDS = {160: 60, 640: 40, 2048: 12}
Pixels = NDArray[np.uint8]


def drawn(size: tuple[int, int], channels: int, seed: int) -> tuple[Pixels, Pixels, NDArray[np.float64]]:
    """Draw a board, and its frame as a camera sees it: frame, reference, and the true matrix from one to the other."""
    rng, (height, width) = np.random.default_rng(seed), size
    image, unit = np.full(size, 60, np.uint8), max(size) / 160
    for _ in range(14):
        one, other = ((int(rng.integers(width)), int(rng.integers(height))) for _ in range(2))
        cv2.line(image, one, other, 200, round(int(rng.integers(3, 8)) * unit))
        cv2.circle(image, one, round(int(rng.integers(5, 12)) * unit), 200, -1)
    reference = np.repeat(cv2.GaussianBlur(image, (0, 0), 0.8)[..., None], channels, axis=2)
    turn, scale = float(rng.uniform(-1.2, 1.2)), float(rng.uniform(0.985, 1.015))
    true = np.asarray(cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, scale))
    true[:, 2] += rng.uniform(-0.05, 0.05, 2) * max(size)
    return moved(reference, true, size), reference, true


def off_by(found: NDArray[np.float64], true: NDArray[np.float64], size: tuple[int, int]) -> float:
    """Largest distance of where both take nine places of a frame, in its pixels."""
    places = np.array([[x * size[1], y * size[0], 1] for x in (0.05, 0.5, 0.95) for y in (0.05, 0.5, 0.95)])
    return float(np.linalg.norm(places @ (found - true).T, axis=1).max())


def _before(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("alignment_before", path)
    if spec is None or spec.loader is None:
        msg = f"{path}: wanted a Python file"
        raise ValueError(msg)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)  # dataclasses look it up there
    spec.loader.exec_module(module)
    return module


def _compared_before(module: Any, frame: Pixels, reference: Pixels) -> Pixels:
    """Do what `compared` did of a pair whose reference is found."""
    matrix, size = module.align(frame, reference).matrix, (frame.shape[0], frame.shape[1])
    inside, filled = module.covered(matrix, size), frame.copy()
    cv2.copyTo(module.moved(reference, matrix, size), inside, filled)
    return np.asarray(cv2.merge([filled, inside]), np.uint8)


def _times_ms(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 2):
        for name, way in ways.items():
            started = time.thread_time_ns()
            way()
            if number >= 2:
                found[name].append((time.thread_time_ns() - started) / 1e6)
    return found


def _show_times(module: Any, size: tuple[int, int], channels: int) -> None:
    frame, reference, _ = drawn(size, channels, 3)
    pair = pair_of(frame, reference)

    def at_first_sight() -> None:
        forget()
        compared(pair)

    ways: dict[str, Callable[[], object]] = {
        "before": lambda: _compared_before(module, frame, reference),
        "now": lambda: compared(pair),
    }
    first = _times_ms({"now, reference never seen": at_first_sight}, _ROUNDS[size[0]] // 2)
    for name, times in {**_times_ms(ways, _ROUNDS[size[0]]), **first}.items():
        shown = f"fastest {min(times):.2f}, p50 {quantile(times, 0.5):.2f}, p99 {quantile(times, 0.99):.2f} ms"
        print(f"{size[0]} x {size[1]} x {channels}, {name}: {shown}", flush=True)  # noqa: T201


def _show_errors(module: Any, size: tuple[int, int], boards: int) -> None:
    found: dict[str, list[float]] = {"before": [], "now": []}
    for seed in range(boards):
        frame, reference, true = drawn(size, 1, seed)
        for name, how in (("before", module.align), ("now", align)):
            found[name].append(off_by(how(frame, reference).matrix, true, size))
    for name, errors in found.items():
        shown = f"p50 {quantile(errors, 0.5):.2f}, p90 {quantile(errors, 0.9):.2f}, worst {max(errors):.2f} px"
        print(f"{size[0]} x {size[1]}, {boards} boards, {name}: off by {shown}", flush=True)  # noqa: T201


def main() -> None:
    """Print times and errors of each size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--boards", type=int, default=30)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    module = _before(options.before)
    for size in _SIZES:
        for channels in (1, 3):
            _show_times(module, size, channels)
    for size in _SIZES:
        _show_errors(module, size, max(4, options.boards // (1 if size[0] < 2048 else 6)))


if __name__ == "__main__":
    main()
