"""What raw mosaics cost against colour frames until the network has them: `python -m beltline.studies.latency.mosaics`.

Processor time of one thread, interleaved, so that it holds on a machine that others use as well: medians and the least.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ...inspection.data.bayer import coloured
from ...inspection.data.frame import FrameSpec
from ...inspection.data.preparation import prepared

CAMERAS = (((2048, 2448), (512, 608)), ((3000, 4096), (768, 1024)), ((2048, 2448), (2048, 2432)))
"""Camera frame and network input; the last shrinks too little for two by two to become one."""

WAYS = ("raw mosaic", "colour frame", "interpolated to colour, then shrunk", "interpolated, then cv2.INTER_AREA")


def measure(camera: tuple[int, int], size: tuple[int, int], *, rounds: int) -> list[tuple[float, float]]:
    """Give median and least milliseconds of one thread for each of `WAYS`."""
    cv2.setNumThreads(1)
    colour = FrameSpec(
        height=size[0], width=size[1], channels=3, mean=(0.5,) * 3, std=(0.25,) * 3, frame_height=camera[0],
        frame_width=camera[1], resize="area",
    )  # fmt: skip
    raw = replace(colour, bayer="rggb")
    mosaic = np.random.default_rng(0).integers(0, 256, (*camera, 1), np.uint8)
    frame = coloured(mosaic, "rggb")
    ways: tuple[Callable[[], object], ...] = (
        lambda: prepared(mosaic, raw),
        lambda: prepared(frame, colour),
        lambda: prepared(coloured(mosaic, "rggb"), colour),
        lambda: cv2.resize(coloured(mosaic, "rggb"), size[::-1], interpolation=cv2.INTER_AREA),
    )
    times: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 2):
        for place, way in enumerate(ways):
            started = time.thread_time_ns()
            way()
            if number >= 2:
                times[place].append((time.thread_time_ns() - started) / 1e6)
    return [(float(np.median(each)), min(each)) for each in times]


def main(argv: Sequence[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="mosaics", description="What do raw mosaics cost?")
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args(argv).rounds
    sys.stdout.write("| camera -> network | " + " | ".join(WAYS) + " |\n")
    sys.stdout.write("| --- " * (len(WAYS) + 1) + "|\n")
    for camera, size in CAMERAS:
        cells = " | ".join(f"{middle:.1f} ({least:.1f})" for middle, least in measure(camera, size, rounds=rounds))
        sys.stdout.write(f"| {camera[0]} x {camera[1]} -> {size[0]} x {size[1]} | {cells} |\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
