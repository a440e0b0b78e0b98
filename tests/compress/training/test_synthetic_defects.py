from __future__ import annotations

import numpy as np
import pytest
from beltline.compress.training.augmentation import with_synthetic_defect
from numpy.typing import NDArray


def board(channels: int = 1) -> NDArray[np.uint8]:
    """Copper tracks on a bare board, two tones."""
    columns = np.where(np.arange(96) // 12 % 2, 255, 0).astype(np.uint8)
    return np.repeat(np.tile(columns, (64, 1))[..., None], channels, axis=2)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_mask_covers_what_changed_and_little_else(channels: int) -> None:
    for seed in range(50):
        made = with_synthetic_defect(board(channels), np.random.default_rng(seed))
        assert made is not None
        pixels, mask = made
        changed = (pixels != board(channels)).any(axis=2)
        assert pixels.shape == (64, 96, channels)
        assert set(np.unique(mask)) == {0, 255}
        assert changed.sum() >= 12
        assert not (changed & (mask == 0)).any()
        assert (mask > 0).sum() < 0.4 * mask.size


def test_a_stroke_brings_no_tone_that_the_view_has_not() -> None:
    for seed in range(20):
        made = with_synthetic_defect(board(), np.random.default_rng(seed))
        assert made is not None
        assert set(np.unique(made[0])) <= {0, 255}


def test_strokes_differ_and_the_same_generator_state_gives_the_same_one() -> None:
    made = [with_synthetic_defect(board(), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    pixels = [each[0].tobytes() for each in made if each is not None]
    assert pixels[0] == pixels[1] != pixels[2]


def test_on_a_blank_view_no_stroke_would_show() -> None:
    assert with_synthetic_defect(np.full((64, 64, 1), 90, np.uint8), np.random.default_rng(0)) is None
