from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.threshold import fit_threshold, operating_point
from hypothesis import given
from hypothesis import strategies as st

LIMITS = {"max_overkill": 0.05, "confidence": 0.95}


def test_the_cut_is_as_low_as_the_bound_allows() -> None:
    good = np.linspace(0.0, 0.5, 300)
    point = operating_point([*good, 0.9], [*[False] * 300, True], **LIMITS)
    assert point.proven
    assert point.overkill.upper <= 0.05
    one_more = operating_point([*good, 0.9], [*[False] * 300, True], max_overkill=0.056, confidence=0.95)
    assert one_more.overkill.count > point.overkill.count
    assert good[300 - point.overkill.count - 1] < point.threshold < good[300 - point.overkill.count]


def test_too_few_good_parts_cut_above_all_of_them_and_say_so() -> None:
    point = operating_point([0.2, 0.4, 0.6], [False, False, True], **LIMITS)
    assert (point.threshold, point.proven, point.escapes, point.overkill.count) == (0.5, False, 0, 0)


def test_escapes_are_counted_below_the_cut() -> None:
    point = operating_point([0.2, 0.4, 0.3, 0.6], [False, False, True, True], **LIMITS)
    assert (point.threshold, point.escapes) == (0.5, 1)


def test_a_saturated_good_part_still_leaves_a_cut() -> None:
    point = operating_point([1.0, 1.0, 0.2], [False, True, False], **LIMITS)
    assert point.threshold > 1.0
    assert (point.overkill.count, point.escapes) == (0, 1)


def test_neighbouring_floats_are_told_apart() -> None:
    low = 0.25
    high = float(np.nextafter(low, 1))
    assert fit_threshold([low, high], [False, True], **LIMITS) == high


@given(st.lists(st.tuples(st.sampled_from([i / 16 for i in range(17)]), st.booleans()), min_size=1, max_size=80))
def test_no_score_lies_on_the_cut_and_the_limit_holds(parts: list[tuple[float, bool]]) -> None:
    scores, defective = [score for score, _ in parts], [bad for _, bad in parts]
    if all(defective):
        return
    point = operating_point(scores, defective, max_overkill=0.2, confidence=0.8)
    assert point.threshold not in scores
    assert point.overkill.count == 0 or point.overkill.upper <= 0.2


def test_the_limit_holds_on_the_next_parts_as_often_as_it_says() -> None:
    draw = np.random.default_rng(3)
    cuts = [fit_threshold(draw.random(200), np.zeros(200, bool), **LIMITS) for _ in range(2000)]
    assert np.mean(1 - np.array(cuts) <= 0.05) >= 0.94


@pytest.mark.parametrize(
    ("scores", "defective", "message"),
    [
        ([0.1, 0.2], [True, True], "at least one good part"),
        ([0.1, float("nan")], [True, False], "got nan for image 1"),
        ([0.1], [True, False], "one length"),
    ],
)
def test_unusable_scores_are_named(scores: list[float], defective: list[bool], message: str) -> None:
    with pytest.raises(DataError, match=message):
        operating_point(scores, defective, **LIMITS)
