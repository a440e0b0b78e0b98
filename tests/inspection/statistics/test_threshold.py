from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.bounds import rate_upper
from beltline.inspection.statistics.threshold import EscapeLimit, fit_threshold, operating_point
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

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


def parts_with_room(*, bad: int = 300) -> tuple[list[float], list[bool]]:
    """300 good parts up to 0.1, defective ones from 0.7."""
    return [*np.linspace(0, 0.1, 300), *np.linspace(0.7, 1, bad)], [*[False] * 300, *[True] * bad]


def test_room_between_good_and_defective_parts_is_shared() -> None:
    scores, defective = parts_with_room()
    limit = EscapeLimit(of=defective, max=0.05)
    point = operating_point(scores, defective, **LIMITS, escape_limits=[limit])
    assert (point.threshold, point.overkill.count, point.escapes) == (pytest.approx(0.4), 0, 0)
    lowest = operating_point(scores, defective, **LIMITS)
    assert lowest.threshold < 0.1
    assert lowest.overkill.count > 0


def test_one_odd_defect_is_let_go_where_both_limits_are_far_surer_without_it() -> None:
    scores, defective = parts_with_room()
    scores, defective = [*scores, 0.097], [*defective, True]
    point = operating_point(scores, defective, **LIMITS, escape_limits=[EscapeLimit(of=defective, max=0.05)])
    assert (point.threshold, point.escapes) == (pytest.approx(0.4), 1)


def test_no_escape_is_given_away_where_the_escape_limit_is_not_proven() -> None:
    scores, defective = parts_with_room(bad=58)
    limit = EscapeLimit(of=defective, max=0.05)
    assert operating_point(scores, defective, **LIMITS, escape_limits=[limit]) == operating_point(
        scores, defective, **LIMITS
    )
    scores, defective = parts_with_room(bad=59)
    limit = EscapeLimit(of=defective, max=0.05)
    assert operating_point(scores, defective, **LIMITS, escape_limits=[limit]).threshold > 0.1


def test_a_kind_with_a_limit_of_its_own_keeps_its_defects() -> None:
    scores, defective = parts_with_room()
    rare = [0.12] * 60
    scores, defective = [*scores, *rare], [*defective, *[True] * 60]
    of_rare = [score == 0.12 for score in scores]
    alone = EscapeLimit(of=defective, max=0.3)
    assert operating_point(scores, defective, **LIMITS, escape_limits=[alone]).escapes in (0, 60)
    both = [alone, EscapeLimit(of=of_rare, max=0.05)]
    point = operating_point(scores, defective, **LIMITS, escape_limits=both)
    assert point.escapes == 0
    assert point.threshold < 0.12


@given(
    st.lists(st.tuples(st.sampled_from([i / 16 for i in range(17)]), st.booleans()), min_size=1, max_size=80),
    st.sampled_from([0.05, 0.2, 0.6]),
)
def test_escape_limits_only_raise_the_cut_and_stay_proven(parts: list[tuple[float, bool]], limit: float) -> None:
    scores, defective = [score for score, _ in parts], [bad for _, bad in parts]
    if all(defective):
        return
    lowest = operating_point(scores, defective, max_overkill=0.2, confidence=0.8)
    point = operating_point(
        scores, defective, max_overkill=0.2, confidence=0.8, escape_limits=[EscapeLimit(of=defective, max=limit)]
    )
    assert point.threshold >= lowest.threshold
    assert point.threshold not in scores
    assert point.overkill.upper <= lowest.overkill.upper
    if point.threshold > lowest.threshold:
        assert rate_upper(point.escapes, sum(defective), confidence=0.8) <= limit


def test_the_shared_threshold_keeps_both_limits_on_the_next_parts() -> None:
    draw = np.random.default_rng(5)
    both = []
    for _ in range(400):
        scores = np.concatenate([draw.normal(0, 1, 400), draw.normal(5, 1, 400)])
        defective = np.arange(800) >= 400
        point = operating_point(scores, defective, **LIMITS, escape_limits=[EscapeLimit(of=defective, max=0.05)])
        both.append(norm.sf(point.threshold) <= 0.05 and norm.cdf(point.threshold - 5) <= 0.05)
    assert np.mean(both) > 0.99


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
