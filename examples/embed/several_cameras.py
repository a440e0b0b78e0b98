"""One engine, several cameras, a thread each: `python several_cameras.py line.beltline`."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import beltline
import numpy as np

CAMERAS, FRAMES = 3, 20


def main(bundle: str) -> None:
    """Let each camera's thread ask the same inspector; frames are answered in the order in which they come."""
    with beltline.open(bundle, deadline_ms=10_000) as inspector:
        spec = inspector.manifest.models[0].frame
        shape = (spec.frame_height or 80, spec.frame_width or 100, spec.frame_channels)

        def camera(number: int) -> Counter[str]:
            photographs = np.random.default_rng(number).integers(0, 256, (FRAMES, *shape), np.uint8)
            return Counter(inspector.inspect(each, name=f"camera {number}").standing for each in photographs)

        with ThreadPoolExecutor(CAMERAS) as threads:
            print(sum(threads.map(camera, range(CAMERAS)), Counter()))


if __name__ == "__main__":
    main(*sys.argv[1:])
