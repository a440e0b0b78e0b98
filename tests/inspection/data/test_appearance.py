"""The numbers move with what they are called after, and with little else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from beltline.inspection.data.appearance import APPEARANCE, appearance_of


@pytest.fixture
def image() -> np.ndarray:
    rng = np.random.default_rng(4)
    return np.clip(rng.normal(120, 25, (300, 420, 3)), 1, 254).astype(np.uint8)


def test_light_contrast_focus_and_clipping_are_told_apart(image: np.ndarray) -> None:
    plain = appearance_of(image)
    assert tuple(plain) == APPEARANCE
    darker = appearance_of(image - np.minimum(image, 30))
    assert darker["brightness"] == pytest.approx(plain["brightness"] - 30, abs=0.5)
    flat = appearance_of((120 + (image.astype(float) - 120) / 2).astype(np.uint8))
    assert flat["contrast"] == pytest.approx(plain["contrast"] / 2, rel=0.02)
    blurred = appearance_of(cv2.GaussianBlur(image, (0, 0), 2))
    assert blurred["sharpness"] < 0.5 * plain["sharpness"]
    assert plain["clipped"] == 0
    assert appearance_of(cv2.add(image, np.full_like(image, 120)))["clipped"] > 0.2


def test_large_frames_are_measured_on_a_grid(image: np.ndarray) -> None:
    large = np.tile(image, (8, 6, 1))
    for name, value in appearance_of(image).items():
        assert appearance_of(large)[name] == pytest.approx(value, rel=0.03, abs=0.001)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (5, 1, 1)])
def test_the_smallest_frames_have_numbers_too(shape: tuple[int, int, int]) -> None:
    assert appearance_of(np.full(shape, 7, np.uint8)) == {
        "brightness": 7.0, "contrast": 0.0, "sharpness": 0.0, "clipped": 0.0,
    }  # fmt: skip
