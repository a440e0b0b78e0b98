"""Alignment finds back what was moved, on drawn boards; it says when there is nothing to find."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from beltline.inspection.references.alignment import align
from beltline.inspection.references.moving import covered, fourfold, moved, moved_fourfold
from beltline.inspection.references.pairs import compared, compared_at, network_inputs, pair_of
from drawn_boards import board, movement
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray


def off_by(found: NDArray[np.float64], true: NDArray[np.float64], size: tuple[int, int]) -> float:
    """Largest distance of where both take the corners of the middle half, in pixels."""
    corners = np.array([[x * size[1], y * size[0], 1] for x in (0.25, 0.75) for y in (0.25, 0.75)])
    return float(np.abs(corners @ (found - true).T).max())


def within(matrix: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Where a moved image lies, but for its rim."""
    return np.asarray(cv2.erode(covered(matrix, size), np.ones((3, 3)), borderValue=0) > 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(-12, 12), st.floats(-12, 12), st.floats(-1.5, 1.5), st.floats(0.985, 1.015))
def test_a_moved_reference_is_found_to_a_fraction_of_a_pixel(
    seed: int, right: float, down: float, turn: float, scale: float
) -> None:
    reference = board(seed)
    true = movement((right, down), turn, scale, reference.shape[:2])
    frame = moved(reference, true, (160, 160))
    found = align(frame, reference)
    assert found.found
    assert off_by(found.matrix, true, (160, 160)) < 0.7


@pytest.mark.parametrize("size", [(640, 640), (480, 752), (1024, 1224), (2051, 2447)])
def test_frames_of_any_size_and_colour(size: tuple[int, int]) -> None:
    reference = cv2.resize(board(3, 320, 320), size[::-1])[..., None].repeat(3, axis=2)
    true = movement((size[1] * 0.05, -size[0] * 0.03), 0.8, 1.005, size)
    found = align(moved(reference, true, size), reference)
    assert found.found
    assert off_by(found.matrix, true, size) < size[1] * 0.004


def test_defects_and_another_exposure_do_not_pull() -> None:
    reference = board(11)
    true = movement((6.3, -4.2), 0.6, 1.004, (160, 160))
    frame = moved(reference, true, (160, 160))
    cv2.circle(frame, (70, 70), 14, 255, -1)
    cv2.rectangle(frame, (110, 20), (125, 60), 0, -1)
    darker = np.clip(frame * 0.55 + 12, 0, 255).astype(np.uint8)
    assert off_by(align(darker, reference).matrix, true, (160, 160)) < 0.8


def test_another_product_is_not_found_and_gives_no_reference() -> None:
    both = compared(pair_of(board(1), board(2)))
    assert not both.aligned
    assert both.confidence < 0.45
    assert not both.reference[:, :, -1].any()
    assert np.array_equal(both.reference[:, :, :-1], both.frame)


def test_a_blank_frame_of_a_product_with_structure_is_not_found() -> None:
    assert not align(np.full((160, 160, 1), 90, np.uint8), board(4)).found


def test_a_reference_without_structure_fits_where_it_lies() -> None:
    found = align(board(4), np.full((160, 160, 1), 90, np.uint8))
    assert found.found
    assert np.array_equal(found.matrix, np.eye(2, 3))


def test_the_rim_that_the_reference_does_not_reach_is_marked_and_shows_the_frame() -> None:
    reference = board(5)
    frame = moved(reference, movement((-10, 0), 0, 1, (160, 160)), (160, 160))
    frame[:, :9] = 33
    both = compared(pair_of(frame, reference))
    there = both.reference[:, :, 1]
    assert both.aligned
    assert set(np.unique(there)) == {0, 255}
    assert not there[20:140, :8].any()
    assert there[20:140, 14:].all()
    assert np.array_equal(both.reference[20:140, :8, 0], frame[20:140, :8, 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_the_reference_is_the_moved_one_where_it_reaches_and_the_frame_elsewhere(channels: int) -> None:
    frame, reference = board(7, 61, 83, channels), board(8, 61, 83, channels)
    matrix = movement((5.5, -3.25), 2, 1.02, (61, 83))
    there = compared_at(pair_of(frame, reference), matrix).reference
    inside = covered(matrix, (61, 83))
    assert there.flags.c_contiguous
    assert np.array_equal(there[..., -1:], inside)
    outside = inside[..., 0] == 0
    assert np.array_equal(there[outside][:, :-1], frame[outside])
    difference = np.abs(there[..., :-1].astype(int) - moved(reference, matrix, (61, 83)))
    assert difference[within(matrix, (61, 83))].max() <= 1


def test_covered_is_everything_where_nothing_moves() -> None:
    assert covered(np.eye(2, 3), (40, 60)).all()


def test_the_same_pair_always_gives_the_same() -> None:
    pair = pair_of(moved(board(6), movement((3, 2), 1, 1, (160, 160)), (160, 160)), board(6))
    one, other = (network_inputs(pair, reference=True) for _ in range(2))
    assert list(one) == ["frame", "reference"]
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert all(each.flags.c_contiguous for each in one.values())


@pytest.mark.parametrize("size", [(512, 512), (515, 701)])
def test_four_neighbours_moved_at_once_lie_where_each_alone_does(size: tuple[int, int]) -> None:
    reference = board(9, *size)
    matrix = movement((5.5, -9.25), 1, 1.01, size)
    quick, exact = moved_fourfold(fourfold(reference), matrix, size), moved(reference, matrix, size)[..., 0]
    assert np.abs(quick.astype(int) - exact)[within(matrix, size)].max() <= 5  # 0.03 pixels on the steepest edge


@pytest.mark.parametrize("channels", [1, 3])
def test_large_frames_are_given_their_own_pixels_where_no_reference_reaches(channels: int) -> None:
    size = (520, 640)
    reference = board(12, *size, channels)
    matrix = movement((31.5, 12.25), 0.8, 0.995, size)
    frame = np.full_like(reference, 33)
    both = compared_at(pair_of(frame, reference), matrix)
    inside = covered(matrix, size)
    assert np.array_equal(both.reference[..., -1:], inside)
    assert (both.reference[..., :-1][inside[..., 0] == 0] == 33).all()
    difference = np.abs(both.reference[..., :-1].astype(int) - moved(reference, matrix, size))
    assert difference[within(matrix, size)].max() <= 5


def test_what_is_kept_of_a_reference_is_never_used_for_another_one() -> None:
    """One that differs in a single pixel, where nobody looks first, is another one."""
    reference = board(21, 320, 320)
    frame = moved(reference, movement((4, 3), 0, 1, (320, 320)), (320, 320))
    first = compared(pair_of(frame, reference))
    marked = reference.copy()
    marked[100:120, 101:119] = 255 - marked[100:120, 101:119]
    other = compared(pair_of(frame, marked))
    assert not np.array_equal(other.reference, first.reference)
    assert np.array_equal(compared(pair_of(frame, reference)).reference, first.reference)
    reference[:] = marked  # whoever gave it may write to it
    assert np.array_equal(compared(pair_of(frame, reference)).reference, other.reference)
