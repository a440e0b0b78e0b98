"""Golden frames: which ones are chosen, and that pixels come back as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beltline.export.bundles.golden import Golden, choose_golden, frame_bytes, frame_of
from beltline.inspection.base.errors import BundleError
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError


@given(arrays(np.uint8, some.tuples(some.integers(1, 9), some.integers(1, 9), some.sampled_from([1, 3]))))
def test_a_frame_comes_back_as_it_was(frame: Any) -> None:
    found = frame_of(frame_bytes(frame), name="frame")
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, frame)


def test_opencv_reads_it_too() -> None:
    import cv2

    frame = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    decoded = cv2.imdecode(np.frombuffer(frame_bytes(frame), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded[:, :, ::-1], frame)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"P5\n2 2\n255\n123",
        b"P5\n0 0\n255\n",
        b"P4\n1 1\n1\n0",
        b"P5\n99999 99999\n255\n1",
        b"\x89PNG\r\n",
        b"P5\n-1 1\n255\n0",
    ],
)
def test_other_bytes_are_no_frame(raw: bytes) -> None:
    with pytest.raises(BundleError, match="wanted a golden frame"):
        frame_of(raw, name="frame")


@given(some.lists(some.tuples(some.floats(0, 1), some.booleans()), min_size=1, max_size=300), some.integers(1, 1 << 25))
def test_a_choice_is_small_distinct_and_never_at_the_threshold(rows: list[tuple[float, bool]], size: int) -> None:
    scores = np.array([score for score, _ in rows])
    chosen = choose_golden(scores, [bad for _, bad in rows], threshold=0.5, size_bytes=size)
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= max(6, min(48, (64 << 20) // size))
    assert all(abs(scores[each] - 0.5) >= 1e-4 for each in chosen)


def test_the_nearest_frames_of_both_sides_and_all_kinds_are_chosen() -> None:
    scores = np.linspace(0, 1, 1000)
    defective = [bool(each % 2) for each in range(1000)]
    chosen = choose_golden(scores, defective, threshold=0.7, size_bytes=1000)
    assert len(chosen) == 48
    near = np.argsort(np.abs(scores - 0.7))[:10]
    assert set(near) <= set(chosen)
    assert {defective[each] for each in chosen} == {True, False}
    assert min(chosen) < 10
    assert max(chosen) > 990


def test_every_backend_needs_a_score_for_every_frame() -> None:
    frame = {"file": "golden/000.pgm", "label": "good", "source": "a.png"}
    with pytest.raises(ValidationError, match="one score and one decision"):
        Golden.model_validate_json(
            '{"frames": [' + str(frame).replace("'", '"') + '], "scores": {"a": [0.5, 0.5]}, "rejects": {"a": [true]}}'
        )
