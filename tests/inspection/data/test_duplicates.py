from __future__ import annotations

import cv2
import numpy as np
from beltline.inspection.data.duplicates import alike, components
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray


def _surfaces(count: int, *, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=(count, 120, 120)).astype(np.float32)
    rough = np.array([cv2.GaussianBlur(each, (0, 0), 4) for each in noise])
    return rough / rough.std(axis=(1, 2), keepdims=True)


def _thumbnail(surface: NDArray[np.float32], *, gain: float = 25, light: float = 0) -> bytes:
    slope = np.linspace(-light, light, 120, dtype=np.float32)
    image = np.clip(128 + gain * surface + slope, 0, 255).astype(np.uint8)
    return cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA).tobytes()


def test_other_light_and_a_shift_of_a_pixel_are_alike_and_other_parts_are_not() -> None:
    surfaces = _surfaces(80)
    thumbnails = [_thumbnail(surface) for surface in surfaces]
    thumbnails[50] = _thumbnail(surfaces[3], gain=18, light=15)
    thumbnails[60] = _thumbnail(np.roll(surfaces[3], 1, axis=1))
    expected = list(range(80))
    expected[50] = expected[60] = 3
    assert alike(thumbnails).tolist() == expected


def test_aligned_photographs_of_one_product_are_told_apart_by_what_is_their_own() -> None:
    product, *own = _surfaces(61, seed=1)
    thumbnails = [_thumbnail(product + 0.3 * each) for each in own]
    thumbnails[20] = _thumbnail(product + 0.3 * own[10], gain=22)
    expected = list(range(60))
    expected[20] = 10
    assert alike(thumbnails).tolist() == expected


def test_flat_images_are_alike_to_nothing() -> None:
    assert alike([bytes([level]) * 576 for level in range(40)]).tolist() == list(range(40))
    assert alike([]).tolist() == []
    assert alike([_thumbnail(_surfaces(1)[0])]).tolist() == [0]


def test_many_copies_of_one_image_hang_together() -> None:
    surface, *others = _surfaces(50)
    thumbnails = [_thumbnail(surface, gain=20 + at % 7) for at in range(300)] + [_thumbnail(each) for each in others]
    assert alike(thumbnails).tolist() == [0] * 300 + list(range(300, 349))


@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15))
def test_components_agree_with_following_links_one_by_one(pairs: list[tuple[int, int]]) -> None:
    labels = list(range(10))
    for _ in range(10):
        for one, other in pairs:
            labels[one] = labels[other] = min(labels[one], labels[other])
    assert components(10, np.array(pairs, np.intp).reshape(-1, 2)).tolist() == labels
