"""What sessions refuse before their engine sees it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beltline.export.frame_check import require_frame
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.frame import FrameSpec

OPEN = FrameSpec(height=32, width=32, channels=3, mean=(0.5,) * 3, std=(0.5,) * 3)
FIXED = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.5,), frame_height=40, frame_width=50)


def test_what_the_model_takes_passes() -> None:
    require_frame(np.zeros((7, 9, 3), np.uint8), OPEN)
    require_frame(np.zeros((40, 50, 1), np.uint8), FIXED)


@pytest.mark.parametrize(
    ("frame", "spec", "message"),
    [
        ([[0]], OPEN, "got type list"),
        (np.zeros((7, 9, 3), np.float32), OPEN, "got type float32"),
        (np.zeros((7, 9), np.uint8), OPEN, r"got shape \(7, 9\)"),
        (np.zeros((7, 9, 1), np.uint8), OPEN, r"\[height, width, 3\], got shape \(7, 9, 1\)"),
        (np.zeros((0, 9, 3), np.uint8), OPEN, "got shape"),
        (np.zeros((41, 50, 1), np.uint8), FIXED, r"\[40, 50, 1\], got shape \(41, 50, 1\)"),
        (np.zeros((40, 51, 1), np.uint8), FIXED, "got shape"),
        (np.zeros((3, 9, 7), np.uint8).transpose(1, 2, 0), OPEN, "ascontiguousarray"),
    ],
)
def test_what_it_does_not_take_is_refused(frame: Any, spec: FrameSpec, message: str) -> None:
    with pytest.raises(DataError, match=message):
        require_frame(frame, spec)
