from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from beltline.benchmarks.soak.histogram import EMPTY, RELATIVE_ERROR, above, histogram_of, merged, quantile_ns
from beltline.inspection.base.errors import MeasurementError
from hypothesis import given
from hypothesis import strategies as st

times = st.lists(st.integers(min_value=0, max_value=2**62 - 1), min_size=1, max_size=60)


@given(times, st.floats(min_value=1e-6, max_value=1.0))
def test_a_quantile_is_never_too_low_and_at_most_the_stated_error_too_high(values: list[int], share: float) -> None:
    true = sorted(values)[max(1, ceil(share * len(values))) - 1]
    found = quantile_ns(histogram_of(np.array(values, dtype=np.int64)), share)
    assert true <= found <= true + RELATIVE_ERROR * true


@given(times, times)
def test_merging_is_counting_together(one: list[int], other: list[int]) -> None:
    parts = merged(*(histogram_of(np.array(each, dtype=np.int64)) for each in (one, other)))
    whole = histogram_of(np.array(one + other, dtype=np.int64))
    assert np.array_equal(parts.buckets, whole.buckets)
    assert np.array_equal(parts.counts, whole.counts)
    assert parts.largest_ns == whole.largest_ns == max(one + other)


@given(times, st.integers(min_value=0, max_value=2**62))
def test_values_above_a_limit_are_never_undercounted(values: list[int], limit: int) -> None:
    found = above(histogram_of(np.array(values, dtype=np.int64)), limit)
    assert sum(each > limit for each in values) <= found
    assert found <= sum(each > limit * (1 - RELATIVE_ERROR) - 1 for each in values)


def test_buckets_are_bounded_whatever_is_counted() -> None:
    edges = 2 ** np.arange(62, dtype=np.int64)
    spread = np.concatenate([edges, edges - 1, np.arange(1 << 16), np.geomspace(1, 2**61, 1 << 17).astype(np.int64)])
    assert histogram_of(spread).buckets.size <= 14_336


def test_a_negative_time_and_an_empty_histogram_are_refused() -> None:
    with pytest.raises(MeasurementError, match="must not be negative, got -4 ns"):
        histogram_of(np.array([3, -4]))
    with pytest.raises(MeasurementError, match="at least 1 frame, got 0"):
        quantile_ns(EMPTY, 0.5)
    assert above(EMPTY, -1) == 0
