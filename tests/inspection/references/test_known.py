"""What is kept of references never exceeds what may be, and no reference is lost by that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from beltline.inspection.references import known as keeping
from beltline.inspection.references.known import known
from drawn_boards import board
from hypothesis import given, settings
from hypothesis import strategies as st

BOARDS = [board(seed, 64 + 40 * seed, 72 + 24 * seed, channels=3 if seed % 2 else 1) for seed in range(6)]


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    keeping.forget()
    yield
    keeping.forget()
    keeping.keep_at_most(keeping.MOST_BYTES)


def test_those_that_came_last_are_kept_as_far_as_they_fit() -> None:
    sizes = [known(each).size_bytes for each in BOARDS]
    assert keeping.kept_bytes() == sum(sizes)
    keeping.keep_at_most(sum(sizes[-2:]))
    assert keeping.kept_bytes() == sum(sizes[-2:])
    last = known(BOARDS[-1])
    assert known(BOARDS[-1]) is last
    first = known(BOARDS[0])  # small, and the one before the last has to go
    assert known(BOARDS[0]) is first
    assert known(BOARDS[-1]) is last
    assert keeping.kept_bytes() == sizes[0] + sizes[-1]


def test_one_that_does_not_fit_by_itself_is_computed_each_time_and_drives_none_out() -> None:
    small, large = BOARDS[0], board(9, 700, 700)
    keeping.keep_at_most(known(small).size_bytes + 1)
    kept = known(small)
    first, second = known(large), known(large)
    assert first is not second
    assert np.array_equal(first.movable.image, large)
    assert known(small) is kept
    keeping.keep_at_most(0)
    assert keeping.kept_bytes() == 0
    assert np.array_equal(known(small).movable.image, small)


def test_one_that_differs_where_nobody_looks_first_takes_the_place_of_the_other() -> None:
    reference = board(21, 320, 320)
    size = known(reference).size_bytes
    marked = reference.copy()
    marked[101, 101] ^= 255
    assert known(marked).size_bytes == size
    assert keeping.kept_bytes() == size


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, len(BOARDS) - 1), max_size=20), st.integers(0, 3_000_000))
def test_no_order_of_references_exceeds_the_bound_or_mixes_them_up(order: list[int], most_bytes: int) -> None:
    keeping.keep_at_most(most_bytes)
    for each in order:
        assert np.array_equal(known(BOARDS[each]).movable.image, BOARDS[each])
        assert keeping.kept_bytes() <= most_bytes
