"""Decide on frames in a program of one's own: `python open_a_bundle.py line.beltline [key.pub.pem]`."""

import sys

import beltline
import numpy as np


def main(bundle: str, key: str | None = None) -> None:
    """Open the bundle and look at one frame; a real program takes it from its camera."""
    try:
        inspector = beltline.open(bundle, key=key)
    except beltline.BeltlineError as error:
        sys.exit(f"the line cannot start: {error}")
    with inspector:
        for caution in inspector.manifest.cautions:
            print("caution:", caution)
        expected = inspector.manifest.models[0].frame
        shape = (expected.frame_height or 80, expected.frame_width or 100, expected.frame_channels)
        decision = inspector.inspect(np.zeros(shape, np.uint8), name="a dark frame")
        print(decision.answer, decision.standing, decision.score, "cut at", decision.threshold)
        print(f"{decision.latency_ms:.1f} ms by {decision.bundle}")


if __name__ == "__main__":
    main(*sys.argv[1:])
